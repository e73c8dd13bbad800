//! Starting and stopping.

use std::time::{Duration, Instant};

use agbcloud_server::{Limits, StartError, test_store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Client, start, start_in, start_with};
use crate::raw;

#[tokio::test]
async fn each_invalid_setting_has_its_own_error() {
    let keys = test_store::builder().listen("0.0.0.0:0".parse().unwrap());
    assert!(matches!(
        keys.clone().start().await,
        Err(StartError::KeysRequired { .. })
    ));
    keys.api_key("k").start().await.unwrap().shutdown().await;
    for bad in ["", " ", "two words", "ümlaut"] {
        assert!(
            matches!(
                test_store::builder().api_key(bad).start().await,
                Err(StartError::InvalidApiKey)
            ),
            "{bad}"
        );
    }
    for bad in [
        Duration::ZERO,
        Duration::from_millis(999),
        Duration::from_secs(604_801),
    ] {
        assert!(matches!(
            test_store::builder().url_ttl(bad).start().await,
            Err(StartError::InvalidUrlTtl { .. })
        ));
    }
    for bad in ["", "agb.example.com", "ftp://a", "http://a?x"] {
        assert!(
            matches!(
                test_store::builder().public_url(bad).start().await,
                Err(StartError::InvalidPublicUrl)
            ),
            "{bad}"
        );
    }
    assert!(matches!(
        test_store::builder().regions([""; 0]).start().await,
        Err(StartError::InvalidRegion)
    ));
    let (server, _) = start().await;
    let error = test_store::builder()
        .listen(server.local_addr())
        .start()
        .await
        .unwrap_err();
    assert!(matches!(error, StartError::AddressInUse { .. }), "{error}");
}

#[tokio::test]
async fn several_servers_run_concurrently() {
    let (_one, a) = start().await;
    let (_two, b) = start().await;
    a.create("only here").await;
    assert_eq!(b.ok("ListContexts", &[]).await["totalCount"], 0);
    assert!(!a.url.ends_with('/') && a.url != b.url);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_waits_for_a_request_in_progress() {
    let (server, client) = start().await;
    let id = client.create("c").await;
    let url = client.upload_url(&id, "/f").await;
    let address = server.local_addr();
    let mut stream = raw::begin_upload(address, &url, 5).await;
    stream.write_all(b"he").await.unwrap();
    let stopping = tokio::spawn(server.shutdown());
    let closed = async { while TcpStream::connect(address).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(5), closed)
        .await
        .expect("new connections are rejected");
    stream.write_all(b"llo").await.unwrap();
    let (status, text) = raw::read(&mut stream).await;
    assert_eq!(status, 200, "{text}");
    tokio::time::timeout(Duration::from_secs(5), stopping)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_shutdown_aborts_requests_after_the_drain_time() {
    if test_store::is_skipped_in_memory() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut limits = Limits::default();
    limits.drain_time = Duration::from_millis(100);
    let builder = test_store::builder_in(folder.path()).limits(limits);
    let (server, client) = start_with(builder).await;
    let id = client.create("c").await;
    let url = client.upload_url(&id, "/f").await;
    let mut stream = raw::begin_upload(server.local_addr(), &url, 5).await;
    stream.write_all(b"he").await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), server.shutdown())
        .await
        .expect("the shutdown completes");
    // Reset or closed without a response.
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert_eq!(answer, b"");
    let (_server, client) = start_in(folder.path()).await;
    assert_eq!(client.list(&id, "/").await, (vec![], 0));
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_idle_connections() {
    let (server, client) = start().await;
    client.create("c").await;
    let idle = TcpStream::connect(server.local_addr()).await.unwrap();
    let began = Instant::now();
    server.shutdown().await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    drop(idle);
}

/// Clients that connected before the shutdown have a response, also those whose connection the server has not accepted yet.
#[tokio::test]
async fn a_shutdown_answers_the_first_request_of_each_connection() {
    use std::io::{Read, Write};
    let (server, client) = start().await;
    client.create("c").await;
    // The runtime has one thread, so the server accepts no connection before the shutdown.
    let streams: Vec<_> = (0..40)
        .map(|number| {
            let mut stream = std::net::TcpStream::connect(server.local_addr()).unwrap();
            if number % 2 == 0 {
                stream.write_all(LIST).unwrap();
            }
            stream
        })
        .collect();
    let readers = std::thread::spawn(move || {
        // The first request of some connections arrives after the shutdown began.
        for mut stream in streams.iter().skip(1).step_by(2) {
            stream.write_all(LIST).unwrap();
        }
        for (number, mut stream) in streams.into_iter().enumerate() {
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{number}: {answer}");
        }
    });
    server.shutdown().await;
    readers.join().unwrap();
}

const LIST: &[u8] =
    b"GET /sdk/ListContexts HTTP/1.1\r\nhost: agb.test\r\nauthorization: Bearer k\r\n\r\n";

#[tokio::test]
async fn a_dropped_server_stops() {
    let (server, client) = start().await;
    client.create("c").await;
    let address = server.local_addr();
    drop(server);
    tokio::task::yield_now().await;
    assert!(TcpStream::connect(address).await.is_err());
    assert!(
        client
            .http
            .get(format!("{}/sdk/ListContexts", client.url))
            .send()
            .await
            .is_err()
    );
}

#[test]
fn a_server_may_outlive_its_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let server = runtime.block_on(test_store::builder().start()).unwrap();
    drop(runtime);
    drop(server);
}

#[tokio::test]
async fn debug_output_contains_no_secret() {
    let server = test_store::builder()
        .api_key("akm-secret")
        .start()
        .await
        .unwrap();
    Client::new(server.url(), "akm-secret").create("c").await;
    assert!(!format!("{server:?}").contains("akm-secret"));
}
