//! A service whose store fails. Also needs a PostgreSQL server, which `AGB_TEST_POSTGRES` names.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::proxy::{CUT, HANG, PASS, proxy, recording_proxy};
use super::*;
use crate::metadata::UploadId;
use crate::metadata::postgres::Postgres;
use crate::open_storage::open_storage;
use crate::{Durability, FsckMode, Server, Storage, fsck_storage, test_store};

/// Returns the URLs of a new database and of a new prefix. `None` without servers.
fn test_urls(test: &str) -> Option<(String, String)> {
    let url = test_url(test)?;
    if std::env::var_os("AGB_TEST_POSTGRES").is_none() {
        eprintln!("skipped: AGB_TEST_POSTGRES names no PostgreSQL server");
        return None;
    }
    Some((format!("{}&lease=2", test_store::new_database()), url))
}

/// A service and a client of it.
struct Service {
    server: Server,
    client: reqwest::Client,
}

impl Service {
    async fn start(database: &str, bucket: &str) -> Self {
        let storage = Storage::parse(Some(database), Some(bucket)).unwrap();
        Self {
            server: Server::builder().storage(storage).start().await.unwrap(),
            client: reqwest::Client::new(),
        }
    }

    /// Returns the data of a response.
    async fn call(&self, request: &str) -> serde_json::Value {
        let url = format!("{}/sdk/{request}", self.server.url());
        let call = match request.starts_with("GetContext?") {
            true => self.client.get(url),
            false => self.client.post(url).header("content-length", "0"),
        };
        let text = call.bearer_auth("key").send().await.unwrap();
        let text = text.text().await.unwrap();
        let mut answer: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["success"], true, "{request}: {text}");
        answer["data"].take()
    }

    async fn context(&self) -> String {
        let context = self.call("GetContext?name=c&allowCreate=true").await;
        context["id"].as_str().unwrap().to_owned()
    }

    async fn url(&self, operation: &str, context: &str, path: &str) -> String {
        let query = format!("{operation}?contextId={context}&filePath={path}");
        let data = self.call(&query).await;
        data["url"].as_str().unwrap().to_owned()
    }

    async fn upload(&self, context: &str, path: &str, content: Bytes) {
        let url = self.url("GetContextFileUploadUrl", context, path).await;
        let uploaded = self.client.put(url).body(content).send().await.unwrap();
        assert_eq!(uploaded.status(), 200);
    }

    async fn download(&self, context: &str, path: &str) -> reqwest::Response {
        let url = self.url("GetContextFileDownloadUrl", context, path).await;
        self.client.get(url).send().await.unwrap()
    }
}

/// Whether damage is reported.
async fn is_held(database: &str) -> bool {
    let opened = Postgres::open_for_check(database, |_| None, false).await;
    opened.unwrap().is_quarantine_held().await.unwrap()
}

async fn wait_until(what: &str, seconds: u64, mut reached: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !reached().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_broken_download_of_a_replaced_file_is_no_damage() {
    let Some((database, url)) = test_urls("replaced") else {
        return;
    };
    let (mode, cuts) = (
        Arc::new(AtomicUsize::new(PASS)),
        Arc::new(AtomicUsize::new(0)),
    );
    let address = proxy(endpoint(&url), mode.clone(), cuts.clone()).await;
    let service = Service::start(&database, &with_endpoint(&url, address)).await;
    let context = service.context().await;
    // More than the buffers of the connections contain.
    let content = pattern(50 << 20);
    service.upload(&context, "/f", content.clone()).await;
    let blobs = Blobs::unprobed_bucket(&url).unwrap();
    let stored: Vec<_> = blobs.list().try_collect().await.unwrap();
    let mut download = service.download(&context, "/f").await;
    let mut received = download.chunk().await.unwrap().unwrap().to_vec();
    service
        .upload(&context, "/f", Bytes::from_static(b"new"))
        .await;
    wait_until("the previous content stays", 20, async || {
        blobs.size(&stored[0].blob).await.unwrap().is_none()
    })
    .await;
    mode.store(CUT, Ordering::SeqCst);
    cuts.store(usize::MAX, Ordering::SeqCst);
    let end = loop {
        match download.chunk().await {
            Ok(Some(bytes)) => received.extend_from_slice(&bytes),
            end => break end,
        }
    };
    assert!(end.is_err() && content.starts_with(&received));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!is_held(&database).await);
    service.server.shutdown().await;
}

#[tokio::test]
async fn a_damaged_or_missing_content_holds_the_quarantine() {
    let Some((database, url)) = test_urls("held") else {
        return;
    };
    let service = Service::start(&database, &url).await;
    let context = service.context().await;
    service.upload(&context, "/f", pattern(100_000)).await;
    let downloaded = service.download(&context, "/f").await;
    assert_eq!(downloaded.bytes().await.unwrap(), pattern(100_000));
    assert!(!is_held(&database).await);
    let blobs = Blobs::unprobed_bucket(&url).unwrap();
    let stored: Vec<_> = blobs.list().try_collect().await.unwrap();
    blobs.delete(&stored[0].blob).await.unwrap();
    assert_eq!(service.download(&context, "/f").await.status(), 500);
    wait_until("the quarantine is not held", 10, async || {
        is_held(&database).await
    })
    .await;
    service.server.shutdown().await;
}

#[tokio::test]
async fn a_clear_ends_while_the_store_does_not_respond() {
    let Some((database, url)) = test_urls("hanging") else {
        return;
    };
    let mode = Arc::new(AtomicUsize::new(PASS));
    let address = proxy(endpoint(&url), mode.clone(), Arc::default()).await;
    let service = Service::start(&database, &with_endpoint(&url, address)).await;
    let context = service.context().await;
    service.upload(&context, "/small", pattern(10)).await;
    service.upload(&context, "/large", pattern(100_000)).await;
    mode.store(HANG, Ordering::SeqCst);
    let other = Postgres::open_for_check(&database, |_| None, false).await;
    let other = other.unwrap();
    for number in 0..40 {
        let upload = UploadId {
            blob: format!("00/0123456789ab-{number:032x}"),
            multipart: Some("gone".to_owned()),
        };
        crate::metadata::Metadata::register_upload(&other, &upload)
            .await
            .unwrap();
    }
    // Their leases expire, and the collector waits for the store.
    tokio::time::sleep(Duration::from_secs(5)).await;
    service.call(&format!("ClearContext?id={context}")).await;
    let started = Instant::now();
    wait_until("the clear waits for the store", 10, async || {
        service.call("GetContext?name=c").await["state"] == "available"
    })
    .await;
    println!("cleared in {:?}", started.elapsed());
    service.server.shutdown().await;
}

#[tokio::test]
async fn a_check_writes_nothing_to_the_bucket() {
    let Some((database, url)) = test_urls("read-only") else {
        return;
    };
    let storage = |bucket: &str| Storage::parse(Some(&database), Some(bucket)).unwrap();
    let service = Service::start(&database, &url).await;
    let context = service.context().await;
    service.upload(&context, "/f", pattern(100_000)).await;
    service.server.shutdown().await;
    for (mode, writes) in [(FsckMode::Check, false), (FsckMode::Repair, true)] {
        let (address, requests) = recording_proxy(endpoint(&url), "").await;
        let storage = storage(&with_endpoint(&url, address));
        let report = fsck_storage(&storage, mode).await.unwrap();
        assert!(report.is_clean() && report.bytes == 100_000, "{report:?}");
        let requests = requests.lock().unwrap();
        let is_read =
            |request: &String| request.starts_with("GET ") || request.starts_with("HEAD ");
        assert!(requests.len() >= 4, "{requests:#?}");
        // Only a repair checks what the store guarantees.
        assert_eq!(!requests.iter().all(is_read), writes, "{requests:#?}");
    }
    // The store is unchanged.
    let opened = open_storage(storage(&url), Durability::Strict).await;
    opened.unwrap();
}
