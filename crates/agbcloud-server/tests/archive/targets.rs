//! What a copy keeps, what it leaves unchanged, and which targets it refuses.

use std::fs;
use std::sync::{Arc, Mutex};

use agbcloud_server::{
    ArchiveError, CopyOptions, CopyPhase, FsckMode, Server, StartError, Storage, backup, fsck,
    migrate, restore,
};

use crate::client::{Client, KEY};
use crate::store::{archive, assert_clean, blobs, fill, large, restored, start_in, tree, world};

#[tokio::test]
async fn a_copy_has_the_same_listings_contents_urls_and_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fill(&data).await;
    let (server, client) = start_in(&data).await;
    let other = client.with_key("akm-other");
    let (expected, expected_of_other) = (world(&client).await, world(&other).await);
    let id = client.create("one").await;
    let get = client.download_url(&id, "/x/y/large").await;
    let put = client.upload_url(&id, "/new").await;
    let page = client.ok("ListContexts", &[("maxResults", "1")]).await;
    let token = page["nextToken"].as_str().unwrap().to_owned();
    let rest = client
        .ok(
            "ListContexts",
            &[("maxResults", "10"), ("nextToken", &token)],
        )
        .await;
    let old = server.url().to_owned();
    server.shutdown().await;

    let before = tree(&data);
    let tar = archive(&data, "archive.tar").await;
    let unpacked = archive(&data, "archive").await;
    let migrated = folder.path().join("migrated");
    let options = CopyOptions::default();
    let report = migrate(
        &Storage::folder(&data),
        &Storage::folder(&migrated),
        &options,
    )
    .await
    .unwrap();
    assert_eq!((report.contexts, report.files), (6, 12));
    assert_eq!(tree(&data), before, "the source was changed");
    assert_clean(&migrated);

    for copy in [
        restored(&tar, "from-tar").await,
        restored(&unpacked, "from-folder").await,
        migrated,
    ] {
        let (server, client) = start_in(&copy).await;
        assert_eq!(world(&client).await, expected);
        assert_eq!(
            world(&client.with_key("akm-other")).await,
            expected_of_other
        );
        let parameters = [("maxResults", "10"), ("nextToken", &*token)];
        let found = client.ok("ListContexts", &parameters).await;
        assert_eq!(found["data"], rest["data"]);
        let here = |url: &str| url.replace(&old, server.url());
        let response = client.http.get(here(&get)).send().await.unwrap();
        assert_eq!(response.bytes().await.unwrap(), large(1));
        assert_eq!(client.put(&here(&put), "new").await.status(), 200);
        // Counts and deletions work.
        client.upload(&id, "/x/y/large", "smaller").await;
        client.ok("ClearContext", &[("id", &id)]).await;
        client.wait_available(&id).await;
        server.shutdown().await;
        assert!(!fsck(&copy, FsckMode::Check).unwrap().is_damaged());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn an_archive_is_private() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fill(&data).await;
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&archive(&data, "archive.tar").await), 0o600);
    let unpacked = archive(&data, "archive").await;
    assert_eq!(mode(&unpacked), 0o700);
    assert_eq!(mode(&unpacked.join("records.jsonl")), 0o600);
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fill(&data).await;
    let tar = archive(&data, "archive.tar").await;
    let before = tree(folder.path());
    let store = |name: &str| Storage::folder(folder.path().join(name));
    let phases = Arc::new(Mutex::new(Vec::new()));
    let seen = phases.clone();
    let options = CopyOptions::default()
        .dry_run(true)
        .on_progress(move |progress| seen.lock().unwrap().push(progress));
    let from = Storage::folder(&data);
    let reports = [
        backup(&from, folder.path().join("new.tar"), &options)
            .await
            .unwrap(),
        backup(&from, folder.path().join("new"), &options)
            .await
            .unwrap(),
        restore(&tar, &store("restored"), &options).await.unwrap(),
        migrate(&from, &store("migrated"), &options).await.unwrap(),
    ];
    for report in &reports {
        assert!(report.dry_run);
        assert_eq!((report.contexts, report.files), (6, 12));
        assert_eq!(report.bytes, 2 * (3 * 300_000 + 8));
        assert_eq!(report.folders, 6);
    }
    let seen = phases.lock().unwrap().clone();
    assert!(
        seen.iter()
            .any(|progress| progress.bytes == reports[0].bytes)
    );
    assert!(
        seen.iter()
            .all(|progress| progress.phase == CopyPhase::Copying)
    );
    assert_eq!(tree(folder.path()), before);

    // It also reports a target that can't be used.
    for error in [
        backup(&from, &tar, &options).await.unwrap_err(),
        restore(&tar, &from, &options).await.unwrap_err(),
    ] {
        let is_expected = matches!(
            error,
            ArchiveError::Exists { .. } | ArchiveError::NotEmpty { .. }
        );
        assert!(is_expected, "{error}");
    }
    assert_eq!(tree(folder.path()), before);
}

#[tokio::test]
async fn a_target_with_anything_in_it_is_refused_and_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (data, used) = (folder.path().join("data"), folder.path().join("used"));
    fill(&data).await;
    let tar = archive(&data, "archive.tar").await;
    let unpacked = archive(&data, "archive").await;
    // A store without contexts is a store, too.
    Server::builder()
        .data_dir(&used)
        .start()
        .await
        .unwrap()
        .shutdown()
        .await;
    let lost = folder.path().join("lost");
    fs::create_dir_all(lost.join("blobs/00")).unwrap();
    fs::write(lost.join("blobs/00/a-1"), "lost").unwrap();
    let before = tree(folder.path());
    let options = CopyOptions::default();
    for target in [&data, &used, &lost] {
        let target = Storage::folder(target);
        let refused = restore(&tar, &target, &options).await.unwrap_err();
        assert!(
            matches!(refused, ArchiveError::NotEmpty { .. }),
            "{refused}"
        );
    }
    for target in [&tar, &unpacked, &used] {
        let refused = backup(&Storage::folder(&data), target, &options)
            .await
            .unwrap_err();
        assert!(matches!(refused, ArchiveError::Exists { .. }), "{refused}");
    }
    let same = migrate(&Storage::folder(&data), &Storage::folder(&data), &options).await;
    assert!(matches!(same, Err(ArchiveError::SameStore)));
    let memory = backup(&Storage::memory(), folder.path().join("m"), &options).await;
    assert!(matches!(memory, Err(ArchiveError::Unsupported { .. })));
    let missing = backup(
        &Storage::folder("missing"),
        folder.path().join("m"),
        &options,
    )
    .await;
    assert!(matches!(missing, Err(ArchiveError::NoStore { .. })));
    assert_eq!(tree(folder.path()), before);

    // An empty folder is a target.
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    restore(&unpacked, &Storage::folder(&empty), &options)
        .await
        .unwrap();
    let empty = folder.path().join("empty-archive");
    fs::create_dir(&empty).unwrap();
    backup(&Storage::folder(&data), &empty, &options)
        .await
        .unwrap();
    assert_eq!(blobs(&empty).len(), 6);
}

#[tokio::test]
async fn a_running_service_is_no_target() {
    let folder = tempfile::tempdir().unwrap();
    let (data, target) = (folder.path().join("data"), folder.path().join("target"));
    fill(&data).await;
    let tar = archive(&data, "archive.tar").await;
    let (server, _) = start_in(&target).await;
    let options = CopyOptions::default();
    let refused = restore(&tar, &Storage::folder(&target), &options).await;
    assert!(
        matches!(
            refused,
            Err(ArchiveError::Store(StartError::FolderInUse { .. }))
        ),
        "{refused:?}"
    );
    server.shutdown().await;
}

#[tokio::test]
async fn a_large_folder_is_paged_in_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (server, client) = start_in(&data).await;
    let id = client.create("many").await;
    let url = client.upload_url(&id, "/many/0").await;
    assert_eq!(client.put(&url, "x").await.status(), 200);
    let names: Vec<_> = (1..1300).map(|name| format!("/many/{name}")).collect();
    for names in names.chunks(50) {
        let uploads = names.iter().map(|name| client.upload(&id, name, "x"));
        futures_util::future::join_all(uploads).await;
    }
    let expected = client.list(&id, "/many").await;
    server.shutdown().await;
    // The check compares the page index, too.
    let copy = restored(&archive(&data, "archive.tar").await, "copy").await;
    let (server, client) = start_in(&copy).await;
    assert_eq!(client.list(&id, "/many").await, expected);
    client.upload(&id, "/many/z", "x").await;
    server.shutdown().await;
    assert_clean(&copy);
}

#[tokio::test]
async fn a_key_file_is_valid_for_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (server, client) = start_in(&data).await;
    client.create("one").await;
    server.shutdown().await;
    let copy = restored(&archive(&data, "archive").await, "copy").await;
    // The tenant of a key depends on the secret.
    let server = Server::builder()
        .data_dir(&copy)
        .api_key(KEY)
        .start()
        .await
        .unwrap();
    let client = Client::new(server.url(), KEY);
    assert_eq!(world(&client).await.len(), 1);
    server.shutdown().await;
}
