//! Quotas: bytes and files of tenants and contexts, also by key.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use agbcloud_server::{
    FindingKind, FsckMode, KeyFile, KeyLimits, Limits, Server, StoredUsage, fsck, test_store,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Client, start_with, xml_code};
use crate::raw::target;
use crate::stores::{assert_blobs, assert_clean, wait_for_blobs};

/// Larger than what fits into a row.
const LARGE: usize = 40_000;

fn limits(set: &[(&str, &str)]) -> Limits {
    let mut limits = Limits::default();
    for (name, value) in set {
        limits.set(name, value).unwrap();
    }
    limits
}

async fn start_limited(set: &[(&str, &str)]) -> (Server, Client) {
    start_with(test_store::builder().limits(limits(set))).await
}

/// Uploads a file of this size. Returns the code of the error, or nothing.
async fn put(client: &Client, id: &str, path: &str, size: usize) -> String {
    let url = client.upload_url(id, path).await;
    let response = client.put(&url, vec![7; size]).await;
    match response.status().as_u16() {
        200 => String::new(),
        409 => xml_code(response).await.1,
        status => panic!("{status}"),
    }
}

async fn delete(client: &Client, id: &str, path: &str) {
    let params = [("contextId", id), ("filePath", path)];
    client.ok("DeleteContextFile", &params).await;
}

#[tokio::test]
async fn the_quota_of_a_tenant_spans_its_contexts_and_no_other_tenant() {
    let (_server, client) = start_limited(&[("tenant-bytes", "100"), ("tenant-files", "4")]).await;
    let other = client.with_key("akm-other");
    let (a, b) = (client.create("a").await, client.create("b").await);
    let foreign = other.create("a").await;
    assert_eq!(put(&client, &a, "/1", 60).await, "");
    assert_eq!(put(&client, &b, "/1", 41).await, "QuotaExceeded");
    assert_eq!(put(&client, &b, "/1", 40).await, "");
    assert_eq!(put(&client, &b, "/2", 1).await, "QuotaExceeded");
    assert_eq!(client.list(&b, "/").await.1, 1);
    assert_eq!(put(&other, &foreign, "/1", 100).await, "");
    // Empty files need no bytes, but count.
    assert_eq!(put(&client, &b, "/2", 0).await, "");
    assert_eq!(put(&client, &b, "/3", 0).await, "");
    assert_eq!(put(&client, &b, "/4", 0).await, "TooManyFiles");
    assert_eq!(put(&other, &foreign, "/2", 0).await, "");
}

#[tokio::test]
async fn the_quota_of_a_context_is_its_own() {
    let (_server, client) = start_limited(&[("context-bytes", "100")]).await;
    let (a, b) = (client.create("a").await, client.create("b").await);
    assert_eq!(put(&client, &a, "/1", 100).await, "");
    assert_eq!(put(&client, &a, "/2", 1).await, "QuotaExceeded");
    assert_eq!(put(&client, &b, "/1", 100).await, "");
}

#[tokio::test]
async fn the_message_names_the_limit_its_value_and_the_usage() {
    let (_server, client) = start_limited(&[("tenant-bytes", "1k"), ("context-files", "1")]).await;
    let id = client.create("c").await;
    client.upload(&id, "/a", vec![0; 1000]).await;
    let message = async |path: &str| {
        let url = client.upload_url(&id, path).await;
        let response = client.put(&url, vec![0; 1025]).await;
        assert_eq!(response.status(), 409);
        response.text().await.unwrap()
    };
    let text = message("/a").await;
    assert!(text.contains("<Code>QuotaExceeded</Code>"), "{text}");
    assert!(text.contains("tenant-bytes: 1000 of 1024 bytes"), "{text}");
    let text = message("/b").await;
    assert!(text.contains("<Code>TooManyFiles</Code>"), "{text}");
    assert!(text.contains("context-files: 1 of 1"), "{text}");
}

#[tokio::test]
async fn replaced_deleted_and_cleared_files_free_their_share_at_once() {
    // No collection runs during the test.
    let builder = test_store::builder()
        .limits(limits(&[("tenant-bytes", "100"), ("tenant-files", "2")]))
        .clear_delay(Duration::from_secs(3600));
    let (_server, client) = start_with(builder).await;
    let (a, b) = (client.create("a").await, client.create("b").await);
    assert_eq!(put(&client, &a, "/1", 90).await, "");
    // A replacement counts its growth.
    assert_eq!(put(&client, &a, "/1", 100).await, "");
    assert_eq!(put(&client, &a, "/1", 101).await, "QuotaExceeded");
    assert_eq!(put(&client, &a, "/1", 30).await, "");
    assert_eq!(put(&client, &b, "/1", 70).await, "");
    assert_eq!(put(&client, &b, "/2", 0).await, "TooManyFiles");
    delete(&client, &a, "/1").await;
    assert_eq!(put(&client, &b, "/2", 30).await, "");
    assert_eq!(put(&client, &a, "/1", 0).await, "TooManyFiles");
    // Although the files of the context are not deleted yet.
    client.ok("ClearContext", &[("id", &b)]).await;
    assert_eq!(client.state(&b).await, "clearing");
    assert_eq!(put(&client, &a, "/1", 100).await, "");
    client.ok("DeleteContext", &[("id", &a)]).await;
    let c = client.create("c").await;
    assert_eq!(put(&client, &c, "/1", 50).await, "");
    assert_eq!(put(&client, &c, "/2", 50).await, "");
    assert_eq!(put(&client, &c, "/3", 0).await, "TooManyFiles");
}

#[tokio::test]
async fn concurrent_uploads_use_a_quota_exactly() {
    if test_store::is_skipped_in_memory() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (size, set) in [
        (100, ("tenant-bytes", "1050")),
        (LARGE, ("tenant-bytes", "400100")),
        (100, ("tenant-files", "10")),
        (100, ("context-files", "10")),
        (100, ("context-bytes", "1000")),
    ] {
        let builder = test_store::builder_in(folder.path()).limits(limits(&[set]));
        let (server, client) = start_with(builder).await;
        let id = client.create("c").await;
        let uploads = (0..32).map(|number| {
            let (client, id) = (client.clone(), id.clone());
            tokio::spawn(async move { put(&client, &id, &format!("/{number}"), size).await })
        });
        let uploads: Vec<_> = uploads.collect();
        let mut stored = 0;
        for upload in uploads {
            let code = upload.await.unwrap();
            stored += usize::from(code.is_empty());
            assert!(["", "QuotaExceeded", "TooManyFiles"].contains(&&*code));
        }
        assert_eq!(stored, 10, "{set:?}");
        assert_eq!(client.list(&id, "/").await.1, 10);
        let on_disk = if size == LARGE { 10 } else { 0 };
        assert_blobs(folder.path(), on_disk);
        client.ok("DeleteContext", &[("id", &id)]).await;
        wait_for_blobs(folder.path(), 0).await;
        server.shutdown().await;
        assert_clean(folder.path()).await;
    }
}

#[tokio::test]
async fn an_upload_is_rejected_before_its_body_and_leaves_nothing() {
    if test_store::is_skipped_in_memory() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let builder = test_store::builder_in(folder.path()).limits(limits(&[("tenant-bytes", "100k")]));
    let (server, client) = start_with(builder).await;
    let id = client.create("c").await;
    client.upload(&id, "/a", vec![1; 100 * 1024]).await;
    let url = client.upload_url(&id, "/new/b").await;
    for (header, body) in [("expect: 100-continue\r\n", ""), ("", "the first bytes")] {
        let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
        let head = format!(
            "PUT {} HTTP/1.1\r\nhost: x\r\ncontent-length: {LARGE}\r\n{header}\r\n{body}",
            target(&url)
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let read = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..read]);
        assert!(answer.starts_with("HTTP/1.1 409 "), "{answer}");
        assert!(answer.contains("<Code>QuotaExceeded</Code>"), "{answer}");
    }
    assert_blobs(folder.path(), 1);
    assert_eq!(client.list(&id, "/").await.1, 1, "no folder is left");
}

/// Begins an upload of a file of this size. Returns when the server waits for the body.
async fn begin(server: &Server, url: &str, size: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let head = format!(
        "PUT {} HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\nexpect: 100-continue\r\n\r\n",
        target(url)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]);
    assert!(answer.starts_with("HTTP/1.1 100 "), "{answer}");
    stream
}

#[tokio::test]
async fn uploads_in_progress_count() {
    for (name, limit, used) in [
        ("tenant-bytes", "100k", "40000 of 102400 bytes"),
        ("context-bytes", "100k", "40000 of 102400 bytes"),
        ("tenant-files", "1", "1 of 1"),
        ("context-files", "1", "1 of 1"),
    ] {
        let (server, client) = start_limited(&[(name, limit)]).await;
        let id = client.create("c").await;
        let first = client.upload_url(&id, "/first").await;
        let upload = begin(&server, &first, LARGE).await;
        let url = client.upload_url(&id, "/second").await;
        let size = 2 * LARGE;
        let response = client.put(&url, vec![7; size]).await;
        assert_eq!(response.status(), 409, "{name}");
        let text = response.text().await.unwrap();
        assert!(text.contains(&format!("{name}: {used}")), "{text}");
        // A client that disconnects frees its share.
        drop(upload);
        let freed = async { while !put(&client, &id, "/second", size).await.is_empty() {} };
        tokio::time::timeout(Duration::from_secs(10), freed)
            .await
            .unwrap();
        // Files that replace each other reserve nothing.
        let uploads = [
            begin(&server, &url, size).await,
            begin(&server, &url, size).await,
        ];
        assert_eq!(put(&client, &id, "/second", size).await, "");
        drop(uploads);
    }
}

#[tokio::test]
async fn a_condition_that_is_not_met_comes_before_the_quota() {
    let (_server, client) = start_limited(&[("tenant-bytes", "10")]).await;
    let id = client.create("c").await;
    client.upload(&id, "/a", vec![1; 10]).await;
    let url = client.upload_url(&id, "/a").await;
    let put = async |value: &str| {
        let request = client.http.put(&url).header("if-none-match", value);
        let response = request.body(vec![2; 20]).send().await.unwrap();
        xml_code(response).await.1
    };
    assert_eq!(put("*").await, "PreconditionFailed");
    assert_eq!(
        put("\"00000000000000000000000000000000\"").await,
        "QuotaExceeded"
    );
}

fn add(path: &Path, tenant: &str, max: Option<(u64, u64)>) -> String {
    let key = KeyFile::edit(path, |keys| {
        let key = keys.add(tenant, UNIX_EPOCH)?;
        if let Some((bytes, files)) = max {
            let mut limits = KeyLimits::default();
            (limits.max_bytes, limits.max_files) = (Some(bytes), Some(files));
            keys.set_limits(key.id(), limits)?;
        }
        Ok(key)
    });
    key.unwrap().secret().to_owned()
}

#[tokio::test]
async fn a_key_limits_what_its_tenant_holds_when_it_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let (low, high) = (add(&path, "team", Some((100, 2))), add(&path, "team", None));
    let higher = add(&path, "team", Some((9000, 9000)));
    let builder = test_store::builder()
        .key_file(&path)
        .limits(limits(&[("tenant-bytes", "1000")]));
    let (_server, client) = start_with(builder).await;
    let [low, high, higher] = [low, high, higher].map(|key| client.with_key(&key));
    let id = low.create("c").await;
    assert_eq!(put(&low, &id, "/a", 101).await, "QuotaExceeded");
    assert_eq!(put(&low, &id, "/a", 100).await, "");
    assert_eq!(put(&low, &id, "/b", 1).await, "QuotaExceeded");
    // The files of all keys of the tenant count.
    assert_eq!(put(&high, &id, "/b", 800).await, "");
    assert_eq!(put(&low, &id, "/c", 0).await, "TooManyFiles");
    assert_eq!(put(&low, &id, "/a", 90).await, "", "it shrinks");
    // The limit of the server applies to a key with a higher one.
    assert_eq!(put(&higher, &id, "/c", 200).await, "QuotaExceeded");
    assert_eq!(put(&higher, &id, "/c", 110).await, "");
    // A URL has the limits of the key that requested it, also if they change later.
    let url = high.upload_url(&id, "/d").await;
    let of_low = low.upload_url(&id, "/d").await;
    assert_eq!(client.put(&of_low, "").await.status(), 409);
    assert_eq!(client.put(&url, "").await.status(), 200);
    KeyFile::edit(&path, |keys| {
        let ids: Vec<_> = keys.keys().iter().map(|key| key.id().to_owned()).collect();
        ids.iter()
            .try_for_each(|id| keys.set_limits(id, KeyLimits::default()))
    })
    .unwrap();
    delete(&low, &id, "/d").await;
    assert_eq!(client.put(&of_low, "").await.status(), 200);
}

#[tokio::test]
async fn the_usage_of_a_tenant_is_readable_while_the_server_runs_and_after() {
    let folder = tempfile::tempdir().unwrap();
    let (path, data) = (folder.path().join("keys"), folder.path().join("data"));
    let key = add(&path, "team", None);
    let builder = Server::builder().key_file(&path).data_dir(&data);
    let (server, client) = start_with(builder).await;
    let client = client.with_key(&key);
    let id = client.create("c").await;
    let usage = |tenant: &str| {
        let usage = StoredUsage::open(&data).unwrap().tenant(tenant).unwrap();
        (usage.files, usage.bytes)
    };
    assert_eq!(usage("team"), (0, 0));
    for number in 1..=20 {
        client
            .upload(&id, &format!("/{number}"), vec![1; 100])
            .await;
        assert_eq!(usage("team"), (number, 100 * number));
    }
    assert_eq!(usage("other"), (0, 0));
    delete(&client, &id, "/1").await;
    assert_eq!(usage("team"), (19, 1900));
    server.shutdown().await;
    assert_eq!(usage("team"), (19, 1900));
    // Reading leaves nothing in the folder.
    for suffix in ["-wal", "-shm"] {
        let path = data.join(format!("agb.sqlite3{suffix}"));
        assert!(!path.exists(), "{suffix}");
    }
    assert!(fsck(&data, FsckMode::Check).unwrap().is_clean());
}

#[tokio::test]
async fn wrong_counts_are_found_and_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let set = || limits(&[("tenant-bytes", "100")]);
    let (server, client) =
        start_with(Server::builder().data_dir(folder.path()).limits(set())).await;
    let id = client.create("c").await;
    client.upload(&id, "/a", vec![1; 60]).await;
    client.upload(&id, "/b", vec![1; 20]).await;
    client.with_key("akm-other").create("c").await;
    server.shutdown().await;
    for (damage, context, others) in [
        ("UPDATE file_counts SET bytes = bytes + 1", true, 0),
        ("UPDATE file_counts SET files = 0", true, 0),
        ("DELETE FROM file_counts", true, 0),
        ("UPDATE tenants SET files = files + 1", false, 3),
        ("UPDATE tenants SET bytes = -1", false, 3),
        ("DELETE FROM tenants WHERE files > 0", false, 1),
        ("UPDATE total_usage SET bytes = 7", false, 1),
        ("DELETE FROM total_usage", false, 1),
    ] {
        let db = rusqlite::Connection::open(folder.path().join("agb.sqlite3")).unwrap();
        db.execute_batch(damage).unwrap();
        drop(db);
        let count = |mode| {
            let report = fsck(folder.path(), mode).unwrap();
            let count = |kind| {
                let findings = report.findings.iter();
                findings.filter(|finding| finding.kind == kind).count()
            };
            (
                count(FindingKind::WrongFileCount),
                count(FindingKind::WrongUsage),
            )
        };
        for mode in [FsckMode::Check, FsckMode::Repair] {
            let (found, usage) = count(mode);
            assert_eq!(found == 1, context, "{damage}");
            assert!(usage >= others, "{damage}: {usage}");
        }
        let report = fsck(folder.path(), FsckMode::Check).unwrap();
        assert!(report.is_clean(), "{damage}: {report:?}");
    }
    // The repaired counts are those that quotas use.
    let (_server, client) =
        start_with(Server::builder().data_dir(folder.path()).limits(set())).await;
    assert_eq!(put(&client, &id, "/c", 21).await, "QuotaExceeded");
    assert_eq!(put(&client, &id, "/c", 20).await, "");
}

#[tokio::test]
async fn metrics_count_rejections_and_what_is_stored() {
    let builder = test_store::builder()
        .metrics_listen("127.0.0.1:0".parse().unwrap())
        .limits(limits(&[("tenant-bytes", "100"), ("context-files", "2")]));
    let (server, client) = start_with(builder).await;
    let url = format!("http://{}/metrics", server.metrics_addr().unwrap());
    let id = client.create("c").await;
    client.upload(&id, "/a", vec![1; 60]).await;
    let other = client.with_key("akm-other");
    let foreign = other.create("c").await;
    other.upload(&foreign, "/a", vec![1; 7]).await;
    assert_eq!(put(&client, &id, "/b", 41).await, "QuotaExceeded");
    assert_eq!(put(&client, &id, "/b", 0).await, "");
    assert_eq!(put(&client, &id, "/c", 0).await, "TooManyFiles");
    let text = client.http.get(&url).send().await.unwrap().text().await;
    let text = text.unwrap();
    for line in [
        "agb_stored_files 3",
        "agb_stored_bytes 67",
        "agb_quota_rejected_uploads_total{limit=\"tenant-bytes\"} 1",
        "agb_quota_rejected_uploads_total{limit=\"context-files\"} 1",
        "agb_quota_rejected_uploads_total{limit=\"tenant-files\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
}
