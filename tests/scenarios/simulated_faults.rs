//! Simulated faults of the service, and how the SDK handles them.

use std::{collections::BTreeSet, time::Duration};

use agbcloud::{Client, ErrorKind, RetryPolicy};
use agbcloud_server::{Server, StartError};

use crate::support::{KEY, World};

async fn world(faults: &[&str]) -> World {
    World::with(|mut builder| {
        for fault in faults {
            builder = builder.fault(fault.parse().unwrap());
        }
        builder
    })
    .await
}

/// A client that does not retry, so that each failure is visible, and is not slowed by throttling.
fn without_retries(world: &World) -> Client {
    let builder = Client::builder().api_key(KEY).endpoint(world.server.url());
    let builder = builder.retry(RetryPolicy::never());
    builder.adaptive_rate_limit(false).build().unwrap()
}

/// A client that hardly waits between attempts.
fn with_short_waits(world: &World) -> Client {
    let short = Duration::from_millis(1);
    let builder = Client::builder().api_key(KEY).endpoint(world.server.url());
    let policy = RetryPolicy::default().backoff(short, short);
    builder.retry(policy).build().unwrap()
}

#[tokio::test]
async fn temporary_errors_have_a_kind_and_are_retried() {
    for (fault, kind, code) in [
        (
            "status=429,retry-after=0",
            ErrorKind::Throttled,
            "Throttling",
        ),
        (
            "status=503,retry-after=0",
            ErrorKind::Unavailable,
            "ServiceUnavailable",
        ),
        ("status=500", ErrorKind::Unavailable, "InternalError"),
        ("html", ErrorKind::Unavailable, ""),
        ("cut=5", ErrorKind::Connection, ""),
    ] {
        let world = world(&[&format!("{fault},times=2,op=ListContexts")]).await;
        let error = without_retries(&world)
            .contexts()
            .list()
            .send()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{fault}: {error}");
        assert_eq!(error.code().unwrap_or_default(), code, "{fault}");
        // Other operations are not affected, and the second fault is retried.
        without_retries(&world)
            .contexts()
            .get_or_create("one")
            .await
            .unwrap();
        let page = with_short_waits(&world)
            .contexts()
            .list()
            .send()
            .await
            .unwrap();
        assert_eq!(page.contexts.len(), 1, "{fault}");
    }
}

#[tokio::test]
async fn a_refused_call_is_not_executed_and_a_cut_one_is() {
    for (fault, done) in [("status=503", false), ("html", false), ("cut=0", true)] {
        let world = world(&[&format!("{fault},times=1,op=GetContext")]).await;
        let contexts = without_retries(&world).contexts();
        contexts.get_or_create("one").await.unwrap_err();
        let count = contexts.list().send().await.unwrap().contexts.len();
        assert_eq!(count, usize::from(done), "{fault}");
    }
}

#[tokio::test]
async fn a_seed_makes_faults_reproducible() {
    let mut runs = BTreeSet::new();
    for seed in [1, 1, 2] {
        let world = world(&[&format!("status=503,rate=0.5,seed={seed}")]).await;
        let contexts = without_retries(&world).contexts();
        let mut run = Vec::new();
        for _ in 0..40 {
            run.push(contexts.list().send().await.is_ok());
        }
        assert!(run.contains(&true) && run.contains(&false));
        runs.insert(run);
    }
    assert_eq!(runs.len(), 2);
}

#[tokio::test]
async fn latency_of_one_operation_does_not_delay_another() {
    let world = world(&["latency=1h,op=ListContexts"]).await;
    let contexts = without_retries(&world).contexts();
    let slow = contexts.list();
    let slow = slow.send();
    tokio::select! {
        biased;
        _ = slow => panic!("it takes an hour"),
        made = contexts.get_or_create("one") => { made.unwrap(); }
    }
}

#[tokio::test]
async fn interrupted_transfers_are_resumed() {
    let world = world(&[
        "cut=100000,times=2,op=download",
        "status=503,times=1,retry-after=0,op=upload",
        "expired-urls,times=1,op=download",
    ])
    .await;
    let contexts = with_short_waits(&world).contexts();
    let id = contexts.get_or_create("one").await.unwrap().id;
    let files = contexts.files(&id);
    let content: Vec<u8> = (0..1_000_000_u32).map(|number| number as u8).collect();
    files.upload("/a", content.clone()).await.unwrap();
    assert!(files.read("/a").await.unwrap() == content);
}

#[tokio::test]
async fn a_url_that_always_expires_is_an_error() {
    let world = world(&["expired-urls"]).await;
    let files = world.files("one").await.1;
    let error = files.upload("/a", vec![1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UrlRejected, "{error}");
}

#[tokio::test]
async fn listings_lag_by_the_clock_of_the_server() {
    let world = world(&["lag=60s"]).await;
    let (id, files) = world.files("one").await;
    files.upload("/a", vec![1]).await.unwrap();
    let contexts = world.client.contexts();
    let listed = async || {
        (
            contexts.list().send().await.unwrap().contexts.len(),
            files.list().send().await.unwrap().entries.len(),
        )
    };
    assert_eq!(listed().await, (0, 0));
    // Contexts and files are accessible although they are not listed.
    contexts.get(&id).await.unwrap();
    assert_eq!(files.read("/a").await.unwrap(), vec![1]);
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(listed().await, (1, 1));
}

#[tokio::test]
async fn a_stuck_clear_never_ends() {
    let world = world(&["stuck-clear"]).await;
    let contexts = with_short_waits(&world).contexts();
    let id = contexts.get_or_create("one").await.unwrap().id;
    let state = async || contexts.get(&id).await.unwrap().state;
    contexts.clear(&id).start().await.unwrap();
    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(state().await.as_str(), "clearing");
    let waited = contexts
        .clear(&id)
        .timeout(Duration::from_millis(50))
        .poll_interval(Duration::from_millis(10))
        .await;
    assert_eq!(waited.unwrap_err().kind(), ErrorKind::ClearTimeout);
    let error = contexts.files(&id).upload("/a", vec![1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
}

#[tokio::test]
async fn a_slow_clear_ends_after_its_delay() {
    let world = world(&["slow-clear=60s"]).await;
    let contexts = with_short_waits(&world).contexts();
    let id = contexts.get_or_create("one").await.unwrap().id;
    contexts.clear(&id).start().await.unwrap();
    let state = async || contexts.get(&id).await.unwrap().state;
    assert_eq!(state().await.as_str(), "clearing");
    world.clock.advance(Duration::from_secs(61));
    while state().await.as_str() != "available" {
        tokio::task::yield_now().await;
    }
    contexts.files(&id).upload("/a", vec![1]).await.unwrap();
}

#[tokio::test]
async fn a_repeated_token_is_an_error() {
    let world = world(&["repeat-token"]).await;
    for number in 0..5 {
        let name = format!("context-{number}");
        world
            .client
            .contexts()
            .get_or_create(name.as_str())
            .await
            .unwrap();
    }
    let mut pages = world.client.contexts().list().page_size(2).by_page();
    let mut seen = 0;
    let error = loop {
        match pages.next().await.expect("it ends with an error") {
            Ok(page) => seen += page.contexts.len(),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::RepeatedToken, "{error}");
    assert!(seen <= 4, "{seen}");
}

#[tokio::test]
async fn faults_require_a_loopback_address() {
    let builder = Server::builder()
        .api_key(KEY)
        .listen("0.0.0.0:0".parse().unwrap());
    let faulty = builder.clone().fault("html".parse().unwrap());
    let error = faulty.start().await.unwrap_err();
    assert!(
        matches!(error, StartError::FaultsBeyondLoopback { .. }),
        "{error}"
    );
    builder.start().await.unwrap();
}

#[test]
fn every_documented_fault_can_be_parsed() {
    let page = include_str!("../../docs/faults.md");
    let mut found = 0;
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let shown = line.split('`').nth(1).unwrap();
        let is_option = ["op", "rate", "seed", "times", "retry-after"]
            .contains(&shown.split('=').next().unwrap());
        let spec = match is_option {
            true => format!("html,{shown}"),
            false => shown.to_owned(),
        };
        spec.parse::<agbcloud_server::Fault>()
            .unwrap_or_else(|error| panic!("{error}"));
        found += 1;
    }
    // Nine kinds, one of them three times, and five options.
    assert_eq!(found, 16);
}

#[tokio::test]
async fn a_cut_response_has_its_head_and_the_given_number_of_bytes() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    for size in [1_000, 200_000, 3_000_000] {
        let world = world(&["cut=100,op=download"]).await;
        let files = world.files("one").await.1;
        files.upload("/a", vec![b'x'; size]).await.unwrap();
        let url = files.download_url("/a").await.unwrap();
        let target = url.as_str().strip_prefix(world.server.url()).unwrap();
        let address = world.server.local_addr();
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nhost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut came = Vec::new();
        // The connection is reset or closed.
        let _ = stream.read_to_end(&mut came).await;
        let came = String::from_utf8(came).unwrap();
        let (head, body) = came.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(
            head.to_lowercase()
                .contains(&format!("content-length: {size}"))
        );
        assert_eq!(body.len(), 100, "of {size}");
    }
}
