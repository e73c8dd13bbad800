//! Leases of uploads, and the deletion of blobs by several replicas.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::metadata::StoreError;
use crate::{Server, Storage};

/// The lease of slow uploads, in seconds.
const LEASE: u64 = 3;

const EXPIRE: &str = "UPDATE uploads SET expires = clock_timestamp() - interval '1 second'";

#[tokio::test]
async fn a_claimed_upload_can_not_be_published_or_renewed() {
    let Some(url) = database() else { return };
    let (store, other) = (open(&url).await, open(&url).await);
    let tenant = tenant("a");
    let context = store
        .create_context(&tenant, "r", "c", Micros(1))
        .await
        .unwrap();
    let key = key(&tenant, &context.id, "/f");
    // Never registered.
    let unknown = put(&store, &key, blob("00/unknown", b"x")).await;
    assert_eq!(unknown, Err(StoreError::UploadExpired));

    for name in ["00/late", "00/in-time"] {
        store.register_upload(&upload(name)).await.unwrap();
    }
    store.sql(EXPIRE).await.unwrap();
    // Expired and not claimed: a late renewal still helps.
    store.renew_upload(&upload("00/in-time")).await.unwrap();
    let multipart = UploadId {
        multipart: Some("m".to_owned()),
        ..upload("00/late")
    };
    store.renew_upload(&multipart).await.unwrap();
    assert_eq!(other.expired_uploads(10).await.unwrap(), []);
    store
        .sql(&format!("{EXPIRE} WHERE blob = '00/late'"))
        .await
        .unwrap();
    assert_eq!(
        other.expired_uploads(10).await.unwrap(),
        std::slice::from_ref(&multipart)
    );
    // Claimed for a minute.
    assert_eq!(store.expired_uploads(10).await.unwrap(), []);
    let late = put(&store, &key, blob("00/late", b"x")).await;
    assert_eq!(late, Err(StoreError::UploadExpired));
    assert_eq!(
        store.renew_upload(&multipart).await,
        Err(StoreError::UploadExpired)
    );
    assert_eq!(put(&store, &key, blob("00/in-time", b"x")).await, Ok(false));
    assert_eq!(store.number("SELECT count(*) FROM uploads").await, 1);

    let names = vec!["00/late".to_owned(), "00/in-time".to_owned()];
    other
        .discard_uploads(names, Duration::from_secs(3600))
        .await
        .unwrap();
    assert_eq!(store.number("SELECT count(*) FROM uploads").await, 0);
    assert_eq!(store.deletion_backlog(10).await, Ok(1));
    // Not before the time in quarantine is over.
    assert_eq!(store.dead_blobs(10).await.unwrap(), [""; 0]);
    store
        .sql("UPDATE dead_blobs SET not_before = clock_timestamp()")
        .await
        .unwrap();
    assert_eq!(store.dead_blobs(10).await.unwrap(), ["00/late"]);
}

#[tokio::test]
async fn a_forgotten_upload_is_not_collected() {
    let Some(url) = database() else { return };
    let store = open(&url).await;
    store.register_upload(&upload("00/x")).await.unwrap();
    store.forget_upload("00/x").await.unwrap();
    store.sql(EXPIRE).await.unwrap();
    assert_eq!(store.expired_uploads(10).await.unwrap(), []);
}

#[tokio::test]
async fn replicas_collect_trees_and_blobs_together() {
    let Some(url) = database() else { return };
    let replicas = [open(&url).await, open(&url).await, open(&url).await];
    let (store, tenant) = (&replicas[0], tenant("a"));
    for name in 0..12 {
        let name = name.to_string();
        let context = store
            .create_context(&tenant, "r", &name, Micros(1))
            .await
            .unwrap();
        for file in 0..10 {
            let blob_name = format!("00/{name}-{file}");
            store.register_upload(&upload(&blob_name)).await.unwrap();
            let key = key(&tenant, &context.id, &format!("/d{}/{file}", file % 3));
            put(store, &key, blob(&blob_name, b"x")).await.unwrap();
        }
        match name.len() {
            1 => store
                .clear_context(&tenant, &context.id, Micros(2))
                .await
                .unwrap(),
            _ => store.delete_context(&tenant, &context.id).await.unwrap(),
        }
    }
    store.check_counts().await;
    let tasks: Vec<_> = replicas
        .iter()
        .map(|replica| {
            let replica = replica.clone();
            tokio::spawn(async move {
                let mut claimed = Vec::new();
                loop {
                    let collected = replica.collect_files().await.unwrap();
                    for clear in replica.finished_clears().await.unwrap() {
                        replica.finish_clear(&clear).await.unwrap();
                    }
                    let dead = replica.dead_blobs(7).await.unwrap();
                    if !collected && dead.is_empty() {
                        return claimed;
                    }
                    claimed.extend(dead);
                }
            })
        })
        .collect();
    let mut claimed = Vec::new();
    for task in tasks {
        claimed.extend(task.await.unwrap());
    }
    // What a replica had locked when others looked may be left.
    while store.collect_files().await.unwrap() {}
    for clear in store.finished_clears().await.unwrap() {
        store.finish_clear(&clear).await.unwrap();
    }
    claimed.extend(store.dead_blobs(1000).await.unwrap());
    claimed.sort();
    let all = claimed.len();
    claimed.dedup();
    assert_eq!((all, claimed.len()), (120, 120));
    store.remove_dead_blobs(claimed).await.unwrap();
    assert_eq!(store.deletion_backlog(10).await, Ok(0));
    let left = "SELECT (SELECT count(*) FROM trees WHERE doomed) + (SELECT count(*) FROM entries WHERE NOT folder)";
    assert_eq!(store.number(left).await, 0);
    let clearing = "SELECT count(*) FROM contexts WHERE state = 'clearing'";
    assert_eq!(store.number(clearing).await, 0);
    store.check_counts().await;
}

#[tokio::test]
async fn a_referenced_blob_is_not_dead() {
    let Some(url) = database() else { return };
    let (store, tenant) = (open(&url).await, tenant("a"));
    let context = store
        .create_context(&tenant, "r", "c", Micros(1))
        .await
        .unwrap();
    store.register_upload(&upload("00/live")).await.unwrap();
    put(
        &store,
        &key(&tenant, &context.id, "/f"),
        blob("00/live", b"x"),
    )
    .await
    .unwrap();
    store
        .sql("INSERT INTO dead_blobs (blob) VALUES ('00/live'), ('00/dead')")
        .await
        .unwrap();
    assert_eq!(store.dead_blobs(10).await.unwrap(), ["00/dead"]);
    let both = vec!["00/dead".to_owned(), "00/live".to_owned()];
    store.remove_dead_blobs(both.clone()).await.unwrap();
    assert_eq!(store.deletion_backlog(10).await, Ok(1));
    assert_eq!(store.unreferenced_blobs(both).await.unwrap(), ["00/dead"]);
    assert_eq!(
        store.referenced_blobs(String::new(), 10).await.unwrap(),
        ["00/live"]
    );
}

/// A server, and an upload of 64 KiB whose last byte is missing.
struct SlowUpload {
    server: Server,
    stream: TcpStream,
    context: String,
    blobs: tempfile::TempDir,
}

async fn request(server: &Server, head: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let request = format!("{head}\r\nhost: x\r\nauthorization: Bearer k\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = vec![0; 8192];
    let read = stream.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

/// Returns a text field of the answer to a control call.
async fn call(server: &Server, head: &str, field: &str) -> String {
    let mut stream = request(server, head).await;
    stream
        .write_all(b"content-length: 0\r\n\r\n")
        .await
        .unwrap();
    let answer = answer(&mut stream).await;
    let value = answer.split(&format!("\"{field}\":\"")).nth(1);
    let value = value.unwrap_or_else(|| panic!("{answer}"));
    value.split('"').next().unwrap().to_owned()
}

impl SlowUpload {
    async fn begin(url: &str) -> Self {
        let blobs = tempfile::tempdir().unwrap();
        let url = &with(url, &format!("lease={LEASE}"));
        let folder = format!("file:{}", blobs.path().display());
        let storage = Storage::parse(Some(url), Some(&folder)).unwrap();
        let server = Server::builder().storage(storage).start().await.unwrap();
        let get = "GET /sdk/GetContext?name=c&allowCreate=true HTTP/1.1";
        let context = call(&server, get, "id").await;
        let sign =
            format!("POST /sdk/GetContextFileUploadUrl?contextId={context}&filePath=/f HTTP/1.1");
        let url = call(&server, &sign, "url").await;
        let target = url.strip_prefix(server.url()).unwrap().to_owned();
        let mut stream = request(&server, &format!("PUT {target} HTTP/1.1")).await;
        stream
            .write_all(b"content-length: 65536\r\n\r\n")
            .await
            .unwrap();
        stream.write_all(&[b'x'; 65535]).await.unwrap();
        Self {
            server,
            stream,
            context,
            blobs,
        }
    }

    fn blob_files(&self) -> usize {
        let folders = std::fs::read_dir(self.blobs.path()).unwrap().flatten();
        let folders = folders.filter(|folder| folder.path().is_dir());
        folders
            .map(|folder| std::fs::read_dir(folder.path()).unwrap().count())
            .sum()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_takes_longer_than_a_lease_keeps_it() {
    let Some(url) = database() else { return };
    let mut slow = SlowUpload::begin(&url).await;
    let store = open(&url).await;
    let end = Instant::now() + Duration::from_secs(2 * LEASE);
    while Instant::now() < end {
        assert_eq!(store.expired_uploads(10).await.unwrap(), []);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    slow.stream.write_all(b"y").await.unwrap();
    let answer = answer(&mut slow.stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(store.number("SELECT count(*) FROM uploads").await, 0);
    assert_eq!(
        store
            .number("SELECT count(*) FROM entries WHERE NOT folder")
            .await,
        1
    );
    assert_eq!(slow.blob_files(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_whose_lease_is_lost_is_rejected_and_its_bytes_are_deleted() {
    let Some(url) = database() else { return };
    let mut slow = SlowUpload::begin(&url).await;
    let store = open(&url).await;
    // As if the process had stalled, and another one had collected the upload.
    while store.number("SELECT count(*) FROM uploads").await == 0 {}
    store.sql(EXPIRE).await.unwrap();
    let expired = store.expired_uploads(10).await.unwrap();
    assert_eq!(expired.len(), 1);
    let answer = answer(&mut slow.stream).await;
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.to_lowercase().contains("retry-after: 1"),
        "{answer}"
    );
    let files = store
        .number("SELECT count(*) FROM entries WHERE NOT folder")
        .await;
    assert_eq!((files, slow.blob_files()), (0, 0));
    assert!(!slow.context.is_empty());
    slow.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_whose_row_is_lost_leaves_no_bytes() {
    let Some(url) = database() else { return };
    let mut slow = SlowUpload::begin(&url).await;
    let store = open(&url).await;
    // As after a crash of the database: the row was not durable yet. So nothing else would ever delete the bytes.
    while store.number("SELECT count(*) FROM uploads").await == 0 {}
    store.sql("DELETE FROM uploads").await.unwrap();
    slow.stream.write_all(b"y").await.unwrap();
    let answer = answer(&mut slow.stream).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert_eq!(slow.blob_files(), 0);
    slow.server.shutdown().await;
}
