//! Tests with an S3 server, which `AGB_TEST_S3` names: `s3://bucket?endpoint=…`, with credentials in `AWS_…`. If it is s3s-fs,
//! `AGB_TEST_S3_DIR` names its folder. The other tests use a server of their own that fails.

// The attribute lets clippy allow `unwrap` in these modules.
#[cfg(test)]
mod network;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod service;
#[cfg(test)]
mod tls;

use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::aws::AmazonS3Builder;

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

/// The number of files that s3s-fs keeps of an upload: its parts and what describes it.
fn kept(multipart: &str) -> usize {
    let folder = std::env::var_os("AGB_TEST_S3_DIR").unwrap();
    let names = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| name.to_string_lossy().contains(multipart))
        .count()
}

/// The number of parts of an upload that s3s-fs has received completely.
fn parts(multipart: &str) -> usize {
    kept(&format!(".upload_id-{multipart}.part-"))
}

async fn wait_for(what: &str, is_reached: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_reached() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
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
    // A part that is not stored in time would never appear.
    let url = url.replace("timeout=2", "timeout=30");
    let blobs = Blobs::bucket(&url).await.unwrap();
    let other = Blobs::bucket(&url).await.unwrap();
    let content = pattern(30 << 20);
    let start = async || {
        let mut upload = blobs.upload(content.len() as u64).await.unwrap();
        let multipart = upload.multipart().unwrap().to_owned();
        write(&mut upload, &content.slice(..25 << 20))
            .await
            .unwrap();
        (upload, multipart)
    };
    let start_and_wait = async || {
        let (upload, multipart) = start().await;
        wait_for("not all parts are stored", || parts(&multipart) == 3).await;
        (upload, multipart)
    };
    let (upload, multipart) = start_and_wait().await;
    upload.abort().await;
    assert_eq!(kept(&multipart), 0);

    let (upload, multipart) = start_and_wait().await;
    drop(upload);
    wait_for("the parts stay", || kept(&multipart) == 0).await;

    // A crash: nothing is dropped. Another process discards the upload, twice.
    let (upload, multipart) = start_and_wait().await;
    let blob = upload.key().to_owned();
    let _crashed = std::mem::ManuallyDrop::new(upload);
    for _ in 0..2 {
        other.discard_upload(&blob, Some(&multipart)).await.unwrap();
        assert_eq!(kept(&multipart), 0);
    }

    // The store may still write a part whose request was given up. Then `abort` returns false, and the upload is discarded later.
    let (upload, multipart) = start().await;
    let blob = upload.key().to_owned();
    if upload.abort().await {
        assert_eq!(kept(&multipart), 0);
    } else {
        let deadline = Instant::now() + Duration::from_secs(20);
        while kept(&multipart) > 0 {
            assert!(Instant::now() < deadline, "the parts stay");
            other.discard_upload(&blob, Some(&multipart)).await.unwrap();
        }
    }

    // A complete upload stays.
    let mut upload = blobs.upload(content.len() as u64).await.unwrap();
    let multipart = upload.multipart().unwrap().to_owned();
    write(&mut upload, &content).await.unwrap();
    let blob = upload.finish().await.unwrap();
    other.discard_upload(&blob, Some(&multipart)).await.unwrap();
    assert_eq!(blobs.size(&blob).await.unwrap(), Some(30 << 20));
}
