//! Clearing a context: its files are hidden immediately and deleted in the background.

use std::path::Path;
use std::time::Duration;

use agbcloud_server::{Server, test_store};
use rusqlite::{Connection, OpenFlags};
use tokio::io::AsyncWriteExt;

use crate::client::{Client, start_in, start_with, xml_code};
use crate::raw;
use crate::stores::{assert_blobs, large, wait_for, wait_for_blobs};

async fn slow() -> (Server, Client) {
    start_with(test_store::builder().clear_delay(Duration::from_millis(300))).await
}

#[tokio::test]
async fn a_clear_hides_files_immediately_and_ends_as_available() {
    let (_server, client) = slow().await;
    let id = client.create("c").await;
    client.upload(&id, "/a/b", "x").await;
    let (put, get) = (
        client.upload_url(&id, "/a/b").await,
        client.download_url(&id, "/a/b").await,
    );
    assert_eq!(client.http.get(&get).send().await.unwrap().status(), 200);
    client.ok("ClearContext", &[("id", &id)]).await;
    assert_eq!(client.state(&id).await, "clearing");
    assert_eq!(client.list(&id, "/").await, (vec![], 0));
    assert_eq!(client.list(&id, "/a").await, (vec![], 0));
    let rejected = (403, "AccessDenied".to_owned());
    assert_eq!(
        xml_code(client.http.get(&get).send().await.unwrap()).await,
        rejected
    );
    assert_eq!(xml_code(client.put(&put, "y").await).await, rejected);
    let file = [("contextId", id.as_str()), ("filePath", "/a/b")];
    client
        .fails(
            "GetContextFileUploadUrl",
            &file,
            409,
            "InvalidContext.Clearing",
        )
        .await;
    client
        .fails(
            "GetContextFileDownloadUrl",
            &file,
            404,
            "InvalidFile.NotFound",
        )
        .await;
    client
        .fails("DeleteContextFile", &file, 404, "InvalidFile.NotFound")
        .await;
    client.ok("ClearContext", &[("id", &id)]).await;
    client.wait_available(&id).await;
    assert_eq!(
        xml_code(client.put(&put, "y").await).await,
        rejected,
        "older URLs stay invalid"
    );
    client.upload(&id, "/a/b", "new").await;
    assert_eq!(client.list(&id, "/").await.1, 1);
}

#[tokio::test]
async fn a_clearing_context_can_be_renamed_and_deleted() {
    let (_server, client) = slow().await;
    let id = client.create("c").await;
    client.upload(&id, "/a", "x").await;
    client.ok("ClearContext", &[("id", &id)]).await;
    client
        .ok("ModifyContext", &[("id", &id), ("name", "d")])
        .await;
    client.ok("DeleteContext", &[("id", &id)]).await;
    client
        .fails("GetContext", &[("id", &id)], 404, "InvalidContext.NotFound")
        .await;
    client.create("d").await;
}

#[tokio::test]
async fn cleared_and_deleted_contexts_leave_nothing_on_the_disk() {
    if test_store::is_skipped_without_sqlite() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (_server, client) = start_in(folder.path()).await;
    let (cleared, deleted, kept) = (
        client.create("a").await,
        client.create("b").await,
        client.create("c").await,
    );
    for id in [&cleared, &deleted, &kept] {
        for number in 0..20 {
            let path = format!("/d{}/{number}", number % 3);
            client.upload(id, &path, large(b'x')).await;
            client.upload(id, &format!("{path}-small"), "x").await;
        }
    }
    assert_blobs(folder.path(), 60);
    assert_eq!(contents(folder.path()), 60);
    client.ok("ClearContext", &[("id", &cleared)]).await;
    client.ok("DeleteContext", &[("id", &deleted)]).await;
    client.wait_available(&cleared).await;
    wait_for_blobs(folder.path(), 20).await;
    wait_for(|| contents(folder.path()) == 20).await;
    client
        .ok(
            "DeleteContextFile",
            &[("contextId", &kept), ("filePath", "/d0/0")],
        )
        .await;
    client.upload(&kept, "/d0/3", large(b'y')).await;
    wait_for_blobs(folder.path(), 19).await;
    assert_eq!(client.download(&kept, "/d0/3").await, large(b'y'));
    client
        .ok(
            "DeleteContextFile",
            &[("contextId", &kept), ("filePath", "/d0/0-small")],
        )
        .await;
    client.upload(&kept, "/d0/3-small", "overwritten").await;
    assert_eq!(contents(folder.path()), 19);
}

#[tokio::test]
async fn a_collection_does_not_affect_an_upload_in_progress() {
    const PIECE: usize = 1_500_000;
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = start_in(folder.path()).await;
    let (kept, cleared) = (client.create("a").await, client.create("b").await);
    for number in 0..10 {
        client
            .upload(&cleared, &format!("/{number}"), large(b'x'))
            .await;
    }
    client.upload(&kept, "/f", large(b'x')).await;
    client.upload(&kept, "/g", large(b'x')).await;
    let url = client.upload_url(&kept, "/f").await;
    let mut upload = raw::begin_upload(server.local_addr(), &url, 2 * PIECE).await;
    upload.write_all(&[b'n'; PIECE]).await.unwrap();
    let in_progress = usize::from(test_store::shows_uploads_in_progress());
    wait_for_blobs(folder.path(), 12 + in_progress).await;
    // Everything that starts a collection. No row references the blob of the upload yet.
    client.ok("ClearContext", &[("id", &cleared)]).await;
    client.upload(&kept, "/g", large(b'y')).await;
    let file = [("contextId", &*kept), ("filePath", "/f")];
    client.ok("DeleteContextFile", &file).await;
    client.wait_available(&cleared).await;
    wait_for_blobs(folder.path(), 1 + in_progress).await;
    upload.write_all(&[b'n'; PIECE]).await.unwrap();
    assert_eq!(raw::read(&mut upload).await.0, 200);
    client.upload(&kept, "/g", large(b'z')).await;
    wait_for_blobs(folder.path(), 2).await;
    assert!(client.download(&kept, "/f").await == vec![b'n'; 2 * PIECE]);
    assert_eq!(client.download(&kept, "/g").await, large(b'z'));
    server.shutdown().await;
}

/// The number of inline contents.
fn contents(folder: &Path) -> i64 {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = Connection::open_with_flags(folder.join("agb.sqlite3"), flags).unwrap();
    db.query_row("SELECT count(*) FROM contents", [], |row| row.get(0))
        .unwrap()
}

#[tokio::test]
async fn a_clear_continues_after_a_restart() {
    if test_store::is_skipped_in_memory() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let long = || test_store::builder_in(folder.path()).clear_delay(Duration::from_secs(3600));
    let (server, client) = start_with(long()).await;
    let id = client.create("c").await;
    client.upload(&id, "/a", large(b'x')).await;
    client.ok("ClearContext", &[("id", &id)]).await;
    drop(server);
    let (server, client) = start_with(long()).await;
    assert_eq!(client.state(&id).await, "clearing");
    assert_eq!(client.list(&id, "/").await.1, 0);
    server.shutdown().await;
    let (_server, client) = start_in(folder.path()).await;
    client.wait_available(&id).await;
    wait_for_blobs(folder.path(), 0).await;
    client.upload(&id, "/a", "again").await;
}

#[tokio::test]
async fn a_blob_that_can_not_be_deleted_delays_nothing_else() {
    if test_store::is_skipped_without_blob_folder() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (_server, client) = start_in(folder.path()).await;
    let id = client.create("stuck").await;
    client.upload(&id, "/stuck", large(1)).await;
    let parts = std::fs::read_dir(folder.path().join("blobs")).unwrap();
    let parts = parts.map(|part| part.unwrap().path());
    let parts = parts.filter(|part| part.is_dir());
    let mut files = parts.flat_map(|part| std::fs::read_dir(part).unwrap());
    let stuck = files.next().unwrap().unwrap().path();
    std::fs::remove_file(&stuck).unwrap();
    std::fs::create_dir_all(stuck.join("in the way")).unwrap();
    for n in 0..5 {
        client.upload(&id, &format!("/{n}"), large(2)).await;
    }
    client.ok("ClearContext", &[("id", &id)]).await;
    client.wait_available(&id).await;
    let other = client.create("other").await;
    client.upload(&other, "/a", large(3)).await;
    client.ok("ClearContext", &[("id", &other)]).await;
    client.wait_available(&other).await;
    wait_for_blobs(folder.path(), 1).await;
}
