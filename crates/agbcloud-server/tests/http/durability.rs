//! What survives a restart, and the lock on a data folder.

use agbcloud_server::{StartError, test_store};

use crate::client::{Client, KEY, start_in};
use crate::raw;
use crate::stores::{assert_blobs, large, wait_for_blobs};

#[tokio::test]
async fn a_restart_keeps_contexts_files_tokens_and_urls() {
    if test_store::is_skipped_in_memory() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for graceful in [true, false] {
        let (server, client) = start_in(folder.path()).await;
        let id = client.create("c").await;
        client.create("d").await;
        client.upload(&id, "/a/b", "bytes").await;
        let (get, put) = (
            client.download_url(&id, "/a/b").await,
            client.upload_url(&id, "/a/new").await,
        );
        let before = client.ok("GetContext", &[("id", &id)]).await["data"].clone();
        let token = client.ok("ListContexts", &[("maxResults", "1")]).await["nextToken"]
            .as_str()
            .unwrap()
            .to_owned();
        if graceful {
            server.shutdown().await;
        } else {
            drop(server);
        }
        let (_server, client) = start_in(folder.path()).await;
        assert_eq!(
            client.ok("GetContext", &[("id", &id)]).await["data"],
            before
        );
        assert_eq!(client.download(&id, "/a/b").await, b"bytes");
        let next = client.ok("ListContexts", &[("nextToken", &token)]).await;
        assert_eq!(next["data"][0]["name"], "d");
        let here = |url: &str| format!("{}{}", client.url, raw::target(url));
        assert_eq!(client.text(here(&get)).await, "bytes");
        assert_eq!(client.put(&here(&put), "more").await.status(), 200);
        client
            .with_key("other")
            .fails("GetContext", &[("id", &id)], 404, "InvalidContext.NotFound")
            .await;
    }
}

#[tokio::test]
async fn a_folder_has_one_owner() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = start_in(folder.path()).await;
    let second = test_store::builder_in(folder.path()).start().await;
    let error = second.unwrap_err();
    assert!(matches!(error, StartError::FolderInUse { .. }), "{error}");
    assert!(error.to_string().contains("another server"), "{error}");
    client.create("still works").await;
    drop(server);
    start_in(folder.path()).await;
}

#[tokio::test]
async fn a_missing_folder_is_created_and_a_file_is_rejected() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a/b/c");
    let (_server, client) = start_in(&deep).await;
    client.create("c").await;
    let file = folder.path().join("file");
    std::fs::write(&file, b"x").unwrap();
    for bad in [file.clone(), file.join("below")] {
        let error = test_store::builder_in(&bad).start().await.unwrap_err();
        assert!(matches!(error, StartError::Folder { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_newer_and_a_broken_database_are_rejected() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    start_in(folder.path()).await.0.shutdown().await;
    let database = folder.path().join("agb.sqlite3");
    let good = std::fs::read(&database).unwrap();
    // The user version of a SQLite file is at byte 60, big-endian.
    let mut newer = good.clone();
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(&database, &newer).unwrap();
    let error = test_store::builder_in(folder.path())
        .start()
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            StartError::NewerSchema {
                found: 99,
                known: 6
            }
        ),
        "{error}"
    );
    std::fs::write(
        &database,
        b"this is not a database, but it is long enough to be read".repeat(20),
    )
    .unwrap();
    let error = test_store::builder_in(folder.path())
        .start()
        .await
        .unwrap_err();
    assert!(matches!(error, StartError::Database { .. }), "{error}");
    std::fs::write(&database, &good).unwrap();
    start_in(folder.path()).await;
}

#[tokio::test]
async fn leftovers_of_a_killed_process_are_removed() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = start_in(folder.path()).await;
    let id = client.create("c").await;
    client.upload(&id, "/kept", large(b'k')).await;
    server.shutdown().await;
    let orphans = [
        "blobs/00/0123456789ab-00",
        "blobs/7f/0123456789ab-11#1",
        "blobs/ff/0123456789ab-22",
    ];
    for orphan in orphans {
        std::fs::write(folder.path().join(orphan), b"half").unwrap();
    }
    assert_blobs(folder.path(), 4);
    let (_server, client) = start_in(folder.path()).await;
    wait_for_blobs(folder.path(), 1).await;
    assert_eq!(client.download(&id, "/kept").await, large(b'k'));
}

#[tokio::test]
async fn no_api_key_is_on_the_disk_and_no_path_in_a_file_name() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let key = "akm-very-secret-key";
    let server = test_store::builder_in(folder.path())
        .api_key(key)
        .start()
        .await
        .unwrap();
    let client = Client::new(server.url(), key);
    let id = client.create("c").await;
    client.upload(&id, "/path-of-the-file", "x").await;
    client.upload(&id, "/path-of-the-file-2", large(b'x')).await;
    server.shutdown().await;
    assert!(
        !folder.path().join("agb.sqlite3-wal").exists(),
        "a closed store has no log"
    );
    let database = std::fs::read(folder.path().join("agb.sqlite3")).unwrap();
    let contains = |text: &str| {
        database
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    assert!(contains("path-of-the-file"), "the database contains paths");
    assert!(!contains(key) && !contains(KEY));
    for part in std::fs::read_dir(folder.path().join("blobs")).unwrap() {
        let part = part.unwrap().path();
        if !part.is_dir() {
            continue;
        }
        for blob in std::fs::read_dir(part).unwrap() {
            assert!(
                !blob
                    .unwrap()
                    .path()
                    .display()
                    .to_string()
                    .contains("path-of-the-file")
            );
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn other_local_users_can_not_read_the_store() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    use std::os::unix::fs::PermissionsExt;

    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    let (_server, client) = start_in(&folder).await;
    client.create("c").await;
    let others =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o077;
    assert_eq!(others(&folder), 0);
    for file in ["agb.sqlite3", "agb.sqlite3-wal", "lock"] {
        assert_eq!(others(&folder.join(file)), 0, "{file}");
    }
}
