//! Transfers with a bandwidth limit, in the paused time of tokio.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{join_all, try_join_all};
use reqwest::Method;
use serde_json::json;
use tokio::time::Instant;

use crate::{
    Client, ErrorKind, Files, UploadSource,
    testing::{Script, Step},
};

const RATE: u64 = 16 * 1024;

/// Files in a store that sends `content` and fails the first requests.
fn files_of(content: Vec<u8>, rate: u64, failures: usize) -> (Files, Arc<AtomicUsize>) {
    let content = Bytes::from(content);
    let received = Arc::new(AtomicUsize::new(0));
    let (count, failed) = (received.clone(), AtomicUsize::new(0));
    let store = move |request: http::Request<Bytes>| {
        count.fetch_add(request.body().len(), Ordering::Relaxed);
        let mut response = http::Response::new(match *request.method() {
            Method::PUT => Bytes::new(),
            _ => content.clone(),
        });
        if failed.fetch_add(1, Ordering::Relaxed) < failures {
            *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
        }
        Ok::<_, crate::Error>(response)
    };
    let url = json!({"url": "https://store.test/a?signature=1", "expireTime": 3600});
    let script = Script::new([]).then_always(Step::ok(url));
    let builder = Client::builder().stub(script).stub_store(store);
    let builder = builder.idle_timeout(Duration::from_secs(5)).jitter(|| 0.0);
    let client = builder.max_bytes_per_second(rate).build().unwrap();
    (client.contexts().files("SdkCtx-1"), received)
}

/// Asserts that transferring the bytes at the rate takes this long. A piece of an eighth of a second may be sent at once.
fn assert_takes(elapsed: Duration, bytes: usize, rate: u64) {
    let expected = bytes as f64 / rate as f64;
    let difference = expected - elapsed.as_secs_f64();
    assert!(
        (-0.01..=0.3).contains(&difference),
        "{bytes} bytes at {rate}/s took {elapsed:?}, expected {expected} s"
    );
}

#[tokio::test(start_paused = true)]
async fn concurrent_uploads_share_the_rate() {
    let (files, received) = files_of(Vec::new(), RATE, 0);
    let start = Instant::now();
    // Larger than a chunk, an exact chunk, small, and a reader.
    let uploads = [300_000, 131_072, 10, 1, 0].map(|size| files.upload("/a", vec![1; size]));
    let reader = UploadSource::reader(&[1; 200_000][..], 200_000);
    let uploads = uploads.into_iter().chain([files.upload("/b", reader)]);
    let sent = try_join_all(uploads.map(IntoFuture::into_future));
    let total: u64 = sent.await.unwrap().iter().map(|sent| sent.bytes).sum();
    assert_eq!(total, received.load(Ordering::Relaxed) as u64);
    assert_takes(start.elapsed(), total as usize, RATE);
}

#[tokio::test(start_paused = true)]
async fn no_second_of_concurrent_downloads_has_more_bytes_than_the_rate() {
    let content: Vec<u8> = (0..100_000_u32).map(|byte| byte as u8).collect();
    let (files, _) = files_of(content.clone(), RATE, 0);
    let start = Instant::now();
    let download = async |_| {
        let mut file = files.open("/a").await.unwrap();
        let (mut received, mut arrivals) = (Vec::new(), Vec::new());
        while let Some(chunk) = file.next().await {
            let chunk = chunk.unwrap();
            arrivals.push((start.elapsed(), chunk.len()));
            received.extend_from_slice(&chunk);
        }
        assert_eq!(received, content);
        arrivals
    };
    let arrivals = join_all((0..3).map(download)).await.concat();
    assert_takes(start.elapsed(), 300_000, RATE);
    for (from, _) in &arrivals {
        let second = *from..*from + Duration::from_secs(1);
        let bytes = arrivals.iter().filter(|(at, _)| second.contains(at));
        let bytes: usize = bytes.map(|(_, bytes)| bytes).sum();
        // The allowance is a tenth of a second, and a piece for each download.
        let most = RATE as usize * 11 / 10 + 3 * RATE as usize / 8;
        assert!(bytes <= most, "{bytes} after {from:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_transfer_that_waits_for_the_limit_is_not_idle() {
    // Twenty transfers at a byte a second: each waits four times as long as the idle timeout.
    let (files, _) = files_of(vec![7; 5], 1, 0);
    let start = Instant::now();
    let uploads = (0..20).map(|_| files.upload("/a", &b"12345"[..]).into_future());
    try_join_all(uploads).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(99));
    let start = Instant::now();
    try_join_all((0..20).map(|_| files.read("/a").into_future()))
        .await
        .unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(99));
}

#[tokio::test(start_paused = true)]
async fn both_directions_have_the_rate() {
    let (files, _) = files_of(vec![7; 100_000], RATE, 0);
    let start = Instant::now();
    let upload = files.upload("/a", vec![1; 100_000]);
    let (sent, read) = tokio::join!(upload.into_future(), files.read("/a").into_future());
    assert_eq!(sent.unwrap().bytes, 100_000);
    assert_eq!(read.unwrap().len(), 100_000);
    assert_takes(start.elapsed(), 100_000, RATE);
}

#[tokio::test(start_paused = true)]
async fn the_bytes_of_a_failed_attempt_count() {
    let (files, received) = files_of(Vec::new(), RATE, 1);
    let start = Instant::now();
    files.upload("/a", vec![1; 160_000]).await.unwrap();
    assert_eq!(received.load(Ordering::Relaxed), 320_000);
    assert_takes(start.elapsed(), 320_000, RATE);
}

#[test]
fn a_rate_of_zero_is_refused() {
    let builder = Client::builder().api_key("k").endpoint("localhost:1");
    let error = builder.max_bytes_per_second(0).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("at least 1"), "{error}");
}
