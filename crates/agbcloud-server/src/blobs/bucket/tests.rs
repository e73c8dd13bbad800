//! Tests with an S3 server, which `AGB_TEST_S3` names: `s3://bucket?endpoint=…`, with credentials in `AWS_…`. If it is s3s-fs,
//! `AGB_TEST_S3_DIR` names its folder. The other tests use a server of their own that fails.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::blobs::{BlobError, Blobs, BlockChecksums, BlockHasher, Upload};

/// Returns the URL of a prefix of its own, or `None` without an S3 server.
fn test_url(test: &str) -> Option<String> {
    let Ok(url) = std::env::var("AGB_TEST_S3") else {
        eprintln!("skipped: AGB_TEST_S3 names no S3 server");
        return None;
    };
    let (bucket, query) = url.split_once('?').unwrap();
    let random: u64 = fastrand::u64(..);
    Some(format!(
        "{}/{test}-{random:x}?{query}&timeout=2",
        bucket.trim_end_matches('/')
    ))
}

/// Replaces the endpoint.
fn with_endpoint(url: &str, address: SocketAddr) -> String {
    let (bucket, query) = url.split_once('?').unwrap();
    let others = query
        .split('&')
        .filter(|pair| !pair.starts_with("endpoint="));
    let others: Vec<_> = others.collect();
    format!("{bucket}?endpoint=http://{address}&{}", others.join("&"))
}

fn endpoint(url: &str) -> SocketAddr {
    let endpoint = url.split("endpoint=http://").nth(1).unwrap();
    endpoint.split('&').next().unwrap().parse().unwrap()
}

/// The file of an object of s3s-fs.
fn stored_file(blobs: &Blobs, blob: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("AGB_TEST_S3_DIR")?;
    let url = std::env::var("AGB_TEST_S3").unwrap();
    let bucket = url
        .trim_start_matches("s3://")
        .split(['/', '?'])
        .next()
        .unwrap();
    Some(
        Path::new(&folder)
            .join(bucket)
            .join(blobs.key(blob).as_ref()),
    )
}

fn pattern(length: usize) -> Bytes {
    (0..length).map(|at| (at % 251) as u8).collect()
}

fn checksums(content: &[u8]) -> BlockChecksums {
    let mut hasher = BlockHasher::default();
    hasher.update(content);
    hasher.finish()
}

async fn write(upload: &mut Upload, content: &Bytes) -> Result<(), BlobError> {
    let mut left = content.clone();
    while !left.is_empty() {
        upload.write(left.split_to(left.len().min(100_003))).await?;
    }
    Ok(())
}

async fn store(blobs: &Blobs, content: &Bytes) -> Result<String, BlobError> {
    let mut upload = blobs.upload(content.len() as u64).await?;
    write(&mut upload, content).await?;
    upload.finish().await
}

/// Returns what is read before the end or the error.
async fn read(
    blobs: &Blobs,
    blob: &str,
    content: &Bytes,
    range: Range<u64>,
) -> (Vec<u8>, Result<(), BlobError>) {
    let opened = blobs.read(blob, content.len() as u64, range, checksums(content));
    let mut chunks = match opened.await {
        Ok(chunks) => chunks,
        Err(error) => return (Vec::new(), Err(error)),
    };
    let mut sent = Vec::new();
    loop {
        match chunks.try_next().await {
            Ok(Some(bytes)) => sent.extend_from_slice(&bytes),
            Ok(None) => return (sent, Ok(())),
            Err(error) => return (sent, Err(error)),
        }
    }
}

#[tokio::test]
async fn blobs_of_all_sizes_are_written_listed_read_and_deleted() {
    let Some(url) = test_url("sizes") else { return };
    let blobs = Blobs::bucket(&url).await.unwrap();
    let mut stored = Vec::new();
    for length in [1, 40_000, 8 << 20, (8 << 20) + 1, 20_000_000] {
        let content = pattern(length);
        let upload = blobs.upload(length as u64).await.unwrap();
        assert_eq!(upload.multipart().is_some(), length > 8 << 20);
        assert!(upload.abort().await);
        let blob = store(&blobs, &content).await.unwrap();
        let length = length as u64;
        for range in [0..length, length - 1..length, length / 3..length / 2 + 1] {
            let part = content.slice(range.start as usize..range.end as usize);
            let (sent, end) = read(&blobs, &blob, &content, range).await;
            assert!(end.is_ok() && sent == part, "{length}: {end:?}");
        }
        let counted = blobs.compute_checksums(&blob, 0, |size, bytes| *size += bytes.len() as u64);
        assert_eq!(counted.await.unwrap(), (length, checksums(&content)));
        assert_eq!(blobs.size(&blob).await.unwrap(), Some(length));
        stored.push((blob, length));
    }
    let marker = crate::markers::SharedMarker {
        store: [1; 16],
        sequence: 7,
    };
    assert_eq!(blobs.shared_marker().await.unwrap(), None);
    blobs.write_shared_marker(marker).await.unwrap();
    assert_eq!(blobs.shared_marker().await.unwrap(), Some(marker));
    let listed: Vec<_> = blobs.list().try_collect().await.unwrap();
    let mut listed: Vec<_> = listed
        .into_iter()
        .map(|found| (found.blob, found.size))
        .collect();
    listed.sort();
    stored.sort();
    assert_eq!(listed, stored);

    let mut names: Vec<_> = stored.into_iter().map(|(blob, _)| blob).collect();
    names.push("00/missing-blob".to_owned());
    let deleted = blobs.delete_all(names.clone()).await.unwrap();
    assert!(
        deleted.failed.is_none() && deleted.blobs == names,
        "{deleted:?}"
    );
    assert_eq!(blobs.list().try_collect::<Vec<_>>().await.unwrap(), []);
    assert_eq!(blobs.size(&names[0]).await.unwrap(), None);
    let (_, end) = read(&blobs, &names[0], &pattern(1), 0..1).await;
    assert!(matches!(end, Err(BlobError::Missing)));
}

#[tokio::test]
async fn the_probe_reports_the_store_and_leaves_no_object() {
    let Some(url) = test_url("probe") else { return };
    let bucket = Bucket::open(&url, BlobMetrics::default()).await.unwrap();
    assert!(
        bucket
            .report
            .clock_offset
            .is_some_and(|seconds| seconds.abs() < 60)
    );
    let shown = bucket.report.to_string();
    assert!(
        shown.contains("multipart") && !shown.contains("timeout"),
        "{shown}"
    );
    let left = object_store::ObjectStore::list(&*bucket.store, Some(&bucket.prefix));
    assert_eq!(left.try_collect::<Vec<_>>().await.unwrap(), []);
    let text = {
        let mut registry = prometheus_client::registry::Registry::with_prefix("agb");
        bucket.connector.metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    };
    for operation in [
        "put",
        "get",
        "head",
        "list",
        "put_part",
        "abort_multipart",
        "delete_many",
    ] {
        let line =
            format!("agb_blob_store_request_duration_seconds_count{{operation=\"{operation}\"}}");
        assert!(text.contains(&line), "{operation}: {text}");
    }
}

#[tokio::test]
async fn direct_downloads_are_checked_and_have_headers() {
    let Some(url) = test_url("direct") else {
        return;
    };
    let blobs = Blobs::bucket(&url).await.unwrap();
    blobs.probe_direct_downloads().await.unwrap();
    let content = pattern(100_000);
    let blob = store(&blobs, &content).await.unwrap();
    let headers = crate::blobs::DownloadHeaders {
        disposition: "attachment; filename=\"ä.txt\"; filename*=UTF-8''%C3%A4.txt",
        content_type: "application/octet-stream",
        cache_control: "private, no-store",
    };
    let headers = crate::blobs::DownloadHeaders {
        disposition: &headers.disposition.replace('ä', "_"),
        ..headers
    };
    let url = blobs
        .download_url(&blob, headers, Duration::from_secs(60))
        .await
        .unwrap();
    let response = reqwest::get(&url).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["content-disposition"],
        headers.disposition
    );
    assert_eq!(response.headers()["cache-control"], headers.cache_control);
    assert_eq!(response.bytes().await.unwrap(), content);
    let other = url.replace(&blob, "00/other");
    assert_eq!(reqwest::get(other).await.unwrap().status(), 403);
}

#[tokio::test]
async fn wrong_credentials_prevent_the_start() {
    let Some(url) = test_url("wrong") else { return };
    let environment = AmazonS3Builder::new()
        .with_access_key_id(std::env::var("AWS_ACCESS_KEY_ID").unwrap())
        .with_secret_access_key("wrong-secret");
    let opened = Bucket::open_with(environment, &url, BlobMetrics::default()).await;
    let refused = opened.unwrap_err().to_string();
    assert!(
        refused.contains("403") && !refused.contains("wrong-secret"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_damaged_or_truncated_object_is_not_sent() {
    let Some(url) = test_url("damaged") else {
        return;
    };
    let blobs = Blobs::bucket(&url).await.unwrap();
    let content = pattern(1_000_000);
    let blob = store(&blobs, &content).await.unwrap();
    let Some(path) = stored_file(&blobs, &blob) else {
        eprintln!("skipped: AGB_TEST_S3_DIR names no folder of s3s-fs");
        return;
    };
    let mut bytes = std::fs::read(&path).unwrap();
    assert!(bytes == content);
    bytes[600_000] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let (sent, end) = read(&blobs, &blob, &content, 1000..1_000_000).await;
    assert!(matches!(end, Err(BlobError::Damaged(_))), "{end:?}");
    assert!(sent == content[1000..2 * 256 * 1024]);
    // The other blocks are intact.
    let (sent, end) = read(&blobs, &blob, &content, 900_000..900_010).await;
    assert!(end.is_ok() && sent == content[900_000..900_010]);
    for bytes in [&content[..999_999], &content[..10]] {
        std::fs::write(&path, bytes).unwrap();
        let (sent, end) = read(&blobs, &blob, &content, 900_000..900_010).await;
        assert!(
            sent.is_empty() && matches!(end, Err(BlobError::Damaged(_))),
            "{end:?}"
        );
    }
}

/// The files of parts that s3s-fs keeps of an upload.
fn parts(multipart: &str) -> usize {
    let folder = std::env::var_os("AGB_TEST_S3_DIR").unwrap();
    let names = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| name.to_string_lossy().contains(multipart))
        .count()
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_no_parts() {
    let Some(url) = test_url("aborted") else {
        return;
    };
    if std::env::var_os("AGB_TEST_S3_DIR").is_none() {
        eprintln!("skipped: AGB_TEST_S3_DIR names no folder of s3s-fs");
        return;
    }
    let blobs = Blobs::bucket(&url).await.unwrap();
    let content = pattern(30 << 20);
    let start = async || {
        let mut upload = blobs.upload(content.len() as u64).await.unwrap();
        let multipart = upload.multipart().unwrap().to_owned();
        write(&mut upload, &content.slice(..25 << 20))
            .await
            .unwrap();
        assert!(parts(&multipart) > 0);
        (upload, multipart)
    };
    let (upload, multipart) = start().await;
    upload.abort().await;
    assert_eq!(parts(&multipart), 0);

    let (upload, multipart) = start().await;
    drop(upload);
    let deadline = Instant::now() + Duration::from_secs(20);
    while parts(&multipart) > 0 {
        assert!(Instant::now() < deadline, "the parts stay");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // A crash: nothing is dropped. Another process discards the upload, twice.
    let (upload, multipart) = start().await;
    let blob = upload.key().to_owned();
    let _crashed = std::mem::ManuallyDrop::new(upload);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let other = Blobs::bucket(&url).await.unwrap();
    for _ in 0..2 {
        other.discard_upload(&blob, Some(&multipart)).await.unwrap();
        assert_eq!(parts(&multipart), 0);
    }

    // A complete upload stays.
    let mut upload = blobs.upload(content.len() as u64).await.unwrap();
    let multipart = upload.multipart().unwrap().to_owned();
    write(&mut upload, &content).await.unwrap();
    let blob = upload.finish().await.unwrap();
    other.discard_upload(&blob, Some(&multipart)).await.unwrap();
    assert_eq!(blobs.size(&blob).await.unwrap(), Some(30 << 20));
}

/// What a proxy does with the responses.
const PASS: usize = 0;
/// Closes a connection after some bytes of a response.
const CUT: usize = 1;
/// Sends some bytes of a response and nothing more.
const STALL: usize = 2;
/// Closes all connections at once.
const GONE: usize = 3;

/// Starts a proxy. `cuts` is how many connections it cuts before it passes everything.
async fn proxy(to: SocketAddr, mode: Arc<AtomicUsize>, cuts: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let (mode, cuts) = (mode.clone(), cuts.clone());
            tokio::spawn(async move {
                if mode.load(Ordering::SeqCst) == GONE {
                    return;
                }
                let store = TcpStream::connect(to).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_store, mut to_store) = store.into_split();
                let sending = async {
                    let mut buffer = vec![0; 65_536];
                    while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
                        if mode.load(Ordering::SeqCst) == GONE
                            || to_store.write_all(&buffer[..read]).await.is_err()
                        {
                            return;
                        }
                    }
                };
                let receiving = async {
                    let (mut buffer, mut passed) = (vec![0; 65_536], 0);
                    while let Ok(read @ 1..) = from_store.read(&mut buffer).await {
                        passed += read;
                        match mode.load(Ordering::SeqCst) {
                            CUT if passed > 400_000 && take(&cuts) => return,
                            STALL if passed > 400_000 && take(&cuts) => {
                                std::future::pending::<()>().await;
                            }
                            _ => {}
                        }
                        if to_client.write_all(&buffer[..read]).await.is_err() {
                            return;
                        }
                    }
                };
                tokio::select! {
                    () = sending => {}
                    () = receiving => {}
                }
            });
        }
    });
    address
}

fn take(cuts: &AtomicUsize) -> bool {
    let less = |cuts: usize| cuts.checked_sub(1);
    cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
        .is_ok()
}

#[tokio::test]
async fn a_download_is_resumed_and_one_that_stays_broken_is_cut() {
    let Some(url) = test_url("broken") else {
        return;
    };
    let (mode, cuts) = (
        Arc::new(AtomicUsize::new(PASS)),
        Arc::new(AtomicUsize::new(0)),
    );
    let address = proxy(endpoint(&url), mode.clone(), cuts.clone()).await;
    let blobs = Blobs::bucket(&with_endpoint(&url, address)).await.unwrap();
    let content = pattern(3_000_000);
    let blob = store(&blobs, &content).await.unwrap();
    for broken in [CUT, STALL] {
        mode.store(broken, Ordering::SeqCst);
        cuts.store(2, Ordering::SeqCst);
        let (sent, end) = read(&blobs, &blob, &content, 0..3_000_000).await;
        assert!(end.is_ok() && sent == content, "{end:?}");
        assert_eq!(cuts.load(Ordering::SeqCst), 0);
    }
    mode.store(STALL, Ordering::SeqCst);
    cuts.store(usize::MAX, Ordering::SeqCst);
    // Each attempt receives some bytes, so that this ends in the last ones, or earlier.
    let started = Instant::now();
    let (sent, _) = read(&blobs, &blob, &content, 0..3_000_000).await;
    assert!(content.starts_with(&sent));
    assert!(
        started.elapsed() < Duration::from_secs(60),
        "{:?}",
        started.elapsed()
    );
    mode.store(GONE, Ordering::SeqCst);
    let started = Instant::now();
    let (sent, end) = read(&blobs, &blob, &content, 0..3_000_000).await;
    assert!(
        sent.is_empty() && matches!(end, Err(BlobError::Unavailable(_))),
        "{end:?}"
    );
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn an_upload_fails_in_bounded_time_if_the_store_goes_away() {
    let Some(url) = test_url("gone") else { return };
    let mode = Arc::new(AtomicUsize::new(PASS));
    let address = proxy(endpoint(&url), mode.clone(), Arc::default()).await;
    let blobs = Blobs::bucket(&with_endpoint(&url, address)).await.unwrap();
    let content = pattern(30 << 20);
    for length in [1 << 20, 30 << 20] {
        mode.store(PASS, Ordering::SeqCst);
        let content = content.slice(..length);
        let mut upload = blobs.upload(length as u64).await.unwrap();
        write(&mut upload, &content.slice(..length / 2))
            .await
            .unwrap();
        mode.store(GONE, Ordering::SeqCst);
        let started = Instant::now();
        let rest = write(&mut upload, &content.slice(length / 2..)).await;
        let end = match rest {
            Ok(()) => upload.finish().await.map(drop),
            error => error,
        };
        assert!(matches!(end, Err(BlobError::Unavailable(_))), "{end:?}");
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "{:?}",
            started.elapsed()
        );
    }
    mode.store(PASS, Ordering::SeqCst);
    assert_eq!(blobs.list().try_collect::<Vec<_>>().await.unwrap(), []);
}

/// Opens a bucket at a server that sends `response` to each request, or nothing.
async fn open_at(response: Option<&'static str>) -> (BlobStoreError, Duration) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut buffer = vec![0; 65_536];
                while let Ok(1..) = client.read(&mut buffer).await {
                    if let Some(response) = response {
                        client.write_all(response.as_bytes()).await.unwrap();
                    }
                }
            });
        }
    });
    let environment = AmazonS3Builder::new()
        .with_access_key_id("id")
        .with_secret_access_key("hidden");
    let url = format!("s3://bucket?endpoint=http://{address}&timeout=1");
    let started = Instant::now();
    let opened = Bucket::open_with(environment, &url, BlobMetrics::default()).await;
    (opened.unwrap_err(), started.elapsed())
}

#[tokio::test]
async fn a_store_that_does_not_respond_or_is_none_prevents_the_start_in_bounded_time() {
    const SLOW_DOWN: &str = "HTTP/1.1 503 Slow Down\r\nconnection: close\r\ncontent-length: 36\r\n\r\n<Error><Code>SlowDown</Code></Error>";
    const HTML: &str =
        "HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 13\r\n\r\n<html></html>";
    const NO_BUCKET: &str = "HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 40\r\n\r\n<Error><Code>NoSuchBucket</Code></Error>";
    for (response, reason) in [
        (None, "no response in time"),
        (Some(SLOW_DOWN), "status 503 SlowDown"),
        (Some(HTML), "status 404"),
        (Some(NO_BUCKET), "status 404 NoSuchBucket"),
    ] {
        let (error, took) = open_at(response).await;
        let BlobStoreError::Unusable { reason: found, .. } = &error else {
            panic!("{error:?}")
        };
        assert!(found.contains(reason), "{found}");
        assert!(took < Duration::from_secs(15), "{took:?}");
        assert!(!format!("{error:?} {error}").contains("hidden"));
    }
}
