//! Inline contents and blobs get the same responses.

use agbcloud_server::test_store;
use rusqlite::Connection;

use crate::client::{start, start_in};
use crate::stores::{assert_blobs, large, wait_for_blobs};

/// Maximum size of an inline content.
const SMALL: usize = 32 * 1024;

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

/// Reverts the migrations to the schema versions 3 to 5.
pub(crate) const BACK_TO_2: &str = "
    DROP TRIGGER file_counted; DROP TRIGGER file_replaced; DROP TRIGGER file_gone; DROP TRIGGER tree_gone;
    DROP TRIGGER context_cleared; DROP TRIGGER context_gone; DROP TRIGGER tenant_usage_changed;
    DROP TABLE file_counts; DROP TABLE total_usage;
    ALTER TABLE tenants DROP COLUMN files; ALTER TABLE tenants DROP COLUMN bytes;
    ALTER TABLE entries DROP COLUMN sum; ALTER TABLE contexts DROP COLUMN sum; ALTER TABLE trees DROP COLUMN sum;
    ALTER TABLE meta DROP COLUMN sum; DROP TABLE block_sums; DELETE FROM meta WHERE name IN ('store', 'position');
    ALTER TABLE entries DROP COLUMN small; DROP TABLE contents; DROP TABLE marks;
    PRAGMA user_version = 2";

#[tokio::test]
async fn inline_and_blob_contents_get_the_same_responses() {
    let folder = tempfile::tempdir().unwrap();
    for (_server, client) in [start().await, start_in(folder.path()).await] {
        let id = client.create("c").await;
        for length in [0, 1, SMALL - 1, SMALL, SMALL + 1, 3 * SMALL] {
            let bytes = pattern(length);
            let put = client.upload_url(&id, "/f").await;
            let stored = client.put(&put, bytes.clone()).await;
            assert_eq!(stored.status(), 200);
            let get = client.download_url(&id, "/f").await;
            let whole = client.http.get(&get).send().await.unwrap();
            let head = client.http.head(&get).send().await.unwrap();
            for name in ["etag", "x-oss-hash-crc64ecma"] {
                assert_eq!(whole.headers()[name], stored.headers()[name], "{name}");
                assert_eq!(head.headers()[name], stored.headers()[name], "{name}");
            }
            for answer in [&whole, &head] {
                assert_eq!(answer.status(), 200);
                assert_eq!(answer.headers()["content-length"], length.to_string());
            }
            assert!(whole.bytes().await.unwrap() == bytes, "{length}");
            assert!(head.bytes().await.unwrap().is_empty());
            let part = client.http.get(&get).header("range", "bytes=-7");
            let part = part.send().await.unwrap();
            if length == 0 {
                assert_eq!(part.status(), 200);
            } else {
                assert_eq!(part.status(), 206);
                let end = &bytes[length.saturating_sub(7)..];
                assert_eq!(part.bytes().await.unwrap(), end, "{length}");
            }
            assert_eq!(client.list(&id, "/").await.0[0].2, length as i64);
        }
    }
}

#[tokio::test]
async fn a_file_can_change_between_inline_and_blob() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, client) = start_in(folder.path()).await;
    let id = client.create("c").await;
    for _ in 0..2 {
        client.upload(&id, "/f", "small").await;
        wait_for_blobs(folder.path(), 0).await;
        assert_eq!(client.download(&id, "/f").await, b"small");
        client.upload(&id, "/f", large(1)).await;
        assert_eq!(client.download(&id, "/f").await, large(1));
        assert_blobs(folder.path(), 1);
    }
}

#[tokio::test]
async fn a_version_2_store_opens_and_keeps_its_files() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = start_in(folder.path()).await;
    let id = client.create("c").await;
    client.upload(&id, "/large", large(1)).await;
    server.shutdown().await;
    let db = Connection::open(folder.path().join("agb.sqlite3")).unwrap();
    db.execute_batch(BACK_TO_2).unwrap();
    std::fs::remove_file(folder.path().join("blobs/mark")).unwrap();
    drop(db);
    for start in 0..2 {
        let (server, client) = start_in(folder.path()).await;
        assert_eq!(client.download(&id, "/large").await, large(1));
        client
            .upload(&id, &format!("/small-{start}"), "small")
            .await;
        assert_eq!(client.download(&id, "/small-0").await, b"small");
        assert_eq!(client.list(&id, "/").await.1, 2 + start);
        server.shutdown().await;
    }
}
