//! Listings of folders.

use std::sync::Arc;
use std::time::Duration;

use agbcloud_server::{ManualClock, test_store};
use futures_util::future::join_all;

use crate::client::{Client, start, start_in, start_with};
use crate::stores::assert_clean;

async fn page(
    client: &Client,
    id: &str,
    folder: &str,
    number: &str,
    size: &str,
) -> (Vec<String>, i64) {
    let params = [
        ("contextId", id),
        ("parentFolderPath", folder),
        ("pageNumber", number),
        ("pageSize", size),
    ];
    let body = client.ok("DescribeContextFiles", &params).await;
    let names = body["data"].as_array().unwrap().iter();
    (
        names
            .map(|e| e["fileName"].as_str().unwrap().to_owned())
            .collect(),
        body["count"].as_i64().unwrap(),
    )
}

fn entry(path: &str, kind: &str, size: i64) -> (String, String, i64) {
    (path.to_owned(), kind.to_owned(), size)
}

#[tokio::test]
async fn a_listing_contains_the_direct_entries_of_a_folder() {
    let (_server, client) = start().await;
    let id = client.create("c").await;
    for (path, bytes) in [
        ("/b.txt", "12345"),
        ("/data/x/deep.txt", "1"),
        ("/data/a.txt", ""),
        ("/Z", "1"),
        ("/data.txt", "22"),
    ] {
        client.upload(&id, path, bytes).await;
    }
    let root = vec![
        entry("/Z", "file", 1),
        entry("/b.txt", "file", 5),
        entry("/data", "folder", 0),
        entry("/data.txt", "file", 2),
    ];
    for folder in ["", "/"] {
        assert_eq!(client.list(&id, folder).await, (root.clone(), 4));
    }
    let data = vec![
        entry("/data/a.txt", "file", 0),
        entry("/data/x", "folder", 0),
    ];
    for folder in ["/data", "/data/"] {
        assert_eq!(client.list(&id, folder).await, (data.clone(), 2));
    }
    for nothing in ["/none", "/b.txt", "/dat", "/data/x/deep.txt/y"] {
        assert_eq!(client.list(&id, nothing).await, (vec![], 0), "{nothing}");
    }
    let body = client
        .ok("DescribeContextFiles", &[("contextId", &id)])
        .await;
    let file = &body["data"][1];
    assert_eq!(
        (file["fileName"].as_str(), file["status"].as_str()),
        (Some("b.txt"), Some("available"))
    );
    assert!(!file["fileId"].as_str().unwrap().is_empty());
    for time in ["gmtCreate", "gmtModified"] {
        assert!(file[time].as_str().unwrap().ends_with('Z'));
    }
}

#[tokio::test]
async fn a_listing_contains_the_checksums_of_files() {
    let (_server, client) = start().await;
    let id = client.create("c").await;
    client.upload(&id, "/d/a.txt", "123456789").await;
    let list = async |folder: &str| {
        let query = [("contextId", &*id), ("parentFolderPath", folder)];
        client.ok("DescribeContextFiles", &query).await
    };
    let file = list("/d").await["data"][0].clone();
    // The check value of CRC-64/XZ, and the MD5 of the same text.
    assert_eq!(file["crc64"], "11051210869376104954");
    assert_eq!(file["eTag"], "\"25f9e794323b453885f5181f1b624d0b\"");
    let folder = list("/").await["data"][0].clone();
    assert_eq!(folder["fileType"], "folder");
    assert!(folder.get("eTag").is_none() && folder.get("crc64").is_none());
}

#[tokio::test]
async fn folders_exist_while_they_contain_files() {
    let (_server, client) = start().await;
    let id = client.create("c").await;
    let delete = async |path: &str| {
        client
            .ok(
                "DeleteContextFile",
                &[("contextId", &id), ("filePath", path)],
            )
            .await
    };
    client.upload(&id, "/a/b/c/1", "x").await;
    client.upload(&id, "/a/b/c/1", "yy").await;
    client.upload(&id, "/a/b/2", "x").await;
    // A file may have the same name as a folder.
    client.upload(&id, "/a", "file").await;
    assert_eq!(
        client.list(&id, "/").await.0,
        [entry("/a", "file", 4), entry("/a", "folder", 0)]
    );
    assert_eq!(
        client.list(&id, "/a/b/c").await,
        (vec![entry("/a/b/c/1", "file", 2)], 1)
    );
    delete("/a/b/c/1").await;
    assert_eq!(
        client.list(&id, "/a/b").await,
        (vec![entry("/a/b/2", "file", 1)], 1)
    );
    delete("/a").await;
    assert_eq!(
        client.list(&id, "/").await,
        (vec![entry("/a", "folder", 0)], 1)
    );
    delete("/a/b/2").await;
    assert_eq!(client.list(&id, "/").await, (vec![], 0));
    client
        .fails(
            "DeleteContextFile",
            &[("contextId", &id), ("filePath", "/a/b/2")],
            404,
            "InvalidFile.NotFound",
        )
        .await;
}

#[tokio::test]
async fn pages_are_numbered_from_one() {
    let (_server, client) = start().await;
    let id = client.create("c").await;
    for number in 0..7 {
        client.upload(&id, &format!("/d/{number}"), "x").await;
    }
    assert_eq!(
        page(&client, &id, "/d", "1", "3").await,
        (vec!["0".into(), "1".into(), "2".into()], 7)
    );
    assert_eq!(
        page(&client, &id, "/d", "3", "3").await,
        (vec!["6".into()], 7)
    );
    for beyond in [
        "4",
        "1000",
        "9223372036854775807",
        "99999999999999999999999",
    ] {
        assert_eq!(page(&client, &id, "/d", beyond, "3").await, (vec![], 7));
    }
}

#[tokio::test]
async fn an_overwritten_file_keeps_its_id_and_creation_time() {
    let clock = agbcloud_server::ManualClock::starting_now();
    let (_server, client) = crate::client::start_at(&clock).await;
    let id = client.create("c").await;
    let entry = async || {
        client
            .ok("DescribeContextFiles", &[("contextId", &id)])
            .await["data"][0]
            .clone()
    };
    client.upload(&id, "/a", "1").await;
    let before = entry().await;
    clock.advance(std::time::Duration::from_secs(5));
    client.upload(&id, "/a", "22").await;
    let after = entry().await;
    assert_eq!(
        (&before["fileId"], &before["gmtCreate"]),
        (&after["fileId"], &after["gmtCreate"])
    );
    assert_ne!(before["gmtModified"], after["gmtModified"]);
    assert_eq!(after["size"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_a_large_folder_match_its_listing_while_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = start_in(folder.path()).await;
    let id = client.create("c").await;
    let mut names = std::collections::BTreeSet::new();
    // In random order, and above the size from which the number of entries of a folder is stored.
    let batches: Vec<Vec<u32>> = (0..13)
        .map(|batch| {
            (0..100)
                .map(|n| (batch * 100 + n) * 7919 % 10_007)
                .collect()
        })
        .collect();
    for batch in &batches {
        let uploads = batch.iter().map(|n| {
            let path = format!("/d/{n:05}");
            let (client, id) = (&client, &id);
            async move { client.upload(id, &path, "x").await }
        });
        join_all(uploads).await;
        names.extend(batch.iter().map(|n| format!("{n:05}")));
    }
    for (number, batch) in batches.iter().enumerate().take(4) {
        let all: Vec<_> = names.iter().cloned().collect();
        for (size, pages) in [(1000, 1..3), (97, 1..20), (1, 1021..1026)] {
            for page_number in pages {
                let (found, count) = page(
                    &client,
                    &id,
                    "/d",
                    &page_number.to_string(),
                    &size.to_string(),
                )
                .await;
                let naive = all.iter().skip((page_number - 1) * size).take(size);
                assert!(
                    found.iter().eq(naive),
                    "page {page_number} of {size}, {number}"
                );
                assert_eq!(count, all.len() as i64);
            }
        }
        let deletions = batch.iter().map(|n| {
            let file = [
                ("contextId", id.clone()),
                ("filePath", format!("/d/{n:05}")),
            ];
            let client = &client;
            async move {
                let file = [(file[0].0, &*file[0].1), (file[1].0, &*file[1].1)];
                client.ok("DeleteContextFile", &file).await;
            }
        });
        join_all(deletions).await;
        names.retain(|name| !batch.iter().any(|n| *name == format!("{n:05}")));
    }
    server.shutdown().await;
    if !test_store::is_memory() {
        assert_clean(folder.path()).await;
    }
}

/// Returns the time of a file in the listing of its folder.
async fn listed_time(client: &Client, id: &str, path: &str) -> String {
    let query = [("contextId", id), ("parentFolderPath", "/")];
    let body = client.ok("DescribeContextFiles", &query).await;
    let files = body["data"].as_array().unwrap();
    let file = files.iter().find(|file| file["filePath"] == path).unwrap();
    file["gmtModified"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn file_times_never_go_backwards() {
    if test_store::is_skipped_in_memory() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let start = std::time::UNIX_EPOCH + Duration::from_secs(1_750_000_000);
    let clock = ManualClock::new(start);
    let at =
        |clock: &ManualClock| test_store::builder_in(folder.path()).clock(Arc::new(clock.clone()));
    let (server, client) = start_with(at(&clock)).await;
    let id = client.create("c").await;
    client.upload(&id, "/f", "1").await;
    let first = listed_time(&client, &id, "/f").await;
    clock.set(start - Duration::from_secs(3600));
    client.upload(&id, "/f", "2").await;
    // Each version is one microsecond later than its predecessor.
    assert_eq!(first, "2025-06-15T15:06:40Z");
    let second = "2025-06-15T15:06:40.000001Z";
    assert_eq!(listed_time(&client, &id, "/f").await, second);
    server.shutdown().await;
    // Also after a restart.
    let (server, client) = start_with(at(&clock)).await;
    client.upload(&id, "/f", "3").await;
    let third = "2025-06-15T15:06:40.000002Z";
    assert_eq!(listed_time(&client, &id, "/f").await, third);
    server.shutdown().await;
    if test_store::is_sqlite() {
        let db = rusqlite::Connection::open(folder.path().join("agb.sqlite3")).unwrap();
        let read = |query: &str| -> i64 { db.query_row(query, [], |row| row.get(0)).unwrap() };
        let modified = read("SELECT modified FROM entries WHERE name = 'f'");
        assert_eq!(modified, 1_750_000_000_000_002);
        let folder_time = read("SELECT modified FROM entries WHERE parent = ''");
        assert!(folder_time >= 1_750_000_000_000_000);
    }
    // An advancing clock is used again.
    clock.set(start + Duration::from_secs(60));
    let (_server, client) = start_with(at(&clock)).await;
    client.upload(&id, "/f", "4").await;
    assert_eq!(
        listed_time(&client, &id, "/f").await,
        "2025-06-15T15:07:40Z"
    );
}
