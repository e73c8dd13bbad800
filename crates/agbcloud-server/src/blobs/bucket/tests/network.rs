//! A store that ends, does not respond, or breaks connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::proxy::{CUT, GONE, PASS, STALL, proxy, recording_proxy};
use super::*;
use crate::blobs::StoreCapability;

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

/// Starts a server that sends `response` to each request, or nothing.
async fn serve(response: Option<&'static str>) -> SocketAddr {
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
    address
}

/// Opens a bucket at a server that sends `response` to each request, or nothing.
async fn open_at(response: Option<&'static str>) -> (BlobStoreError, Duration) {
    let address = serve(response).await;
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

#[tokio::test]
async fn a_probe_that_fails_leaves_no_parts() {
    let Some(url) = test_url("half-probed") else {
        return;
    };
    for refused in ["partNumber=2", "partNumber=1&", "uploads"] {
        let (address, requests) = recording_proxy(endpoint(&url), refused).await;
        let opened = Bucket::open(&with_endpoint(&url, address), BlobMetrics::default()).await;
        let error = opened.unwrap_err();
        assert!(
            matches!(&error, BlobStoreError::Lacks { capability, .. } if *capability == StoreCapability::Multipart),
            "{error}"
        );
        let requests = requests.lock().unwrap();
        let upload = |request: &String| Some(request.split("uploadId=").nth(1)?.to_owned());
        let aborted = requests
            .iter()
            .filter(|request| request.starts_with("DELETE "))
            .filter_map(upload);
        let aborted: Vec<_> = aborted.collect();
        let begun = requests
            .iter()
            .filter(|request| request.starts_with("PUT "))
            .filter_map(upload);
        for upload in begun {
            let id = upload.split('&').next().unwrap();
            assert!(
                aborted.iter().any(|aborted| aborted.starts_with(id)),
                "{refused}: {requests:#?}"
            );
        }
        assert_eq!(aborted.is_empty(), refused == "uploads", "{requests:#?}");
    }
}

#[tokio::test]
async fn an_invalid_response_to_a_deletion_is_an_error() {
    const UNKNOWN_KEY: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 109\r\n\r\n<DeleteResult><Error><Key>other/key</Key><Code>AccessDenied</Code><Message>-</Message></Error></DeleteResult>";
    let (_, body) = UNKNOWN_KEY.split_once("\r\n\r\n").unwrap();
    assert_eq!(body.len(), 109);
    let address = serve(Some(UNKNOWN_KEY)).await;
    let environment = AmazonS3Builder::new()
        .with_access_key_id("id")
        .with_secret_access_key("secret");
    let url = format!("s3://bucket?endpoint=http://{address}&timeout=1");
    let metrics = BlobMetrics::default();
    let bucket = Bucket::unchecked(environment, &url, metrics.clone()).unwrap();
    let blobs = Blobs::of_bucket(bucket, metrics).unwrap();
    let names = vec!["00/one".to_owned(), "00/two".to_owned()];
    let outcome = blobs.delete_all(names).await.unwrap();
    assert!(outcome.failed.is_some() && outcome.blobs.is_empty());
}
