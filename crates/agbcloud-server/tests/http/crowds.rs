//! Many concurrent connections: idle ones do not block others.

use std::net::SocketAddr;
use std::time::Duration;

use agbcloud_server::{Limits, Server, test_store};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::start_with;
use crate::load::{CALL, TIMEOUT, start_within, until_closed};
use crate::raw;

const UNKNOWN: &[u8] = b"GET /sdk/ListContexts HTTP/1.1\r\nhost: x\r\n\r\n";

/// Longer than any test, so that no connection times out.
const EVER: Duration = Duration::from_secs(3600);

/// Fails if the work waits for a connection to close.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(TIMEOUT, work).await;
    done.expect("the connection is accepted")
}

async fn connect(server: &Server, request: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(request).await.unwrap();
    stream
}

/// Returns a connection that received a response and is idle.
async fn answered(server: &Server, request: &[u8], status: u16) -> TcpStream {
    let mut stream = connect(server, request).await;
    assert_eq!(soon(raw::read_status(&mut stream)).await, status);
    stream
}

async fn is_answered(server: &Server) {
    answered(server, CALL, 200).await;
}

#[tokio::test]
async fn a_new_connection_evicts_the_one_that_was_idle_longest() {
    let (server, client) = start_within(|limits| {
        limits.connections = 3;
        limits.head_time = EVER;
    })
    .await;
    let id = client.create("c").await;
    let urls = [
        client.upload_url(&id, "/0").await,
        client.upload_url(&id, "/1").await,
        client.upload_url(&id, "/2").await,
    ];
    // The next eviction is the connection of the client itself.
    let mut first = answered(&server, CALL, 200).await;
    let mut uploads = Vec::new();
    for url in &urls {
        uploads.push(soon(raw::begin_upload(server.local_addr(), url, 2)).await);
    }
    assert_eq!(until_closed(&mut first).await, b"");
    // All are busy, so the next connection waits.
    let mut waiting = connect(&server, CALL).await;
    for upload in &mut uploads {
        upload.write_all(b"h").await.unwrap();
    }
    let mut done = uploads.pop().unwrap();
    done.write_all(b"i").await.unwrap();
    assert_eq!(raw::read_status(&mut done).await, 200);
    // That connection is idle now and is evicted.
    assert_eq!(raw::read_status(&mut waiting).await, 200);
    assert_eq!(until_closed(&mut done).await, b"");
    for mut upload in uploads {
        upload.write_all(b"i").await.unwrap();
        assert_eq!(raw::read_status(&mut upload).await, 200);
    }
}

#[tokio::test]
async fn idle_connections_do_not_block_new_ones() {
    let (server, _) = start_within(|limits| {
        limits.connections = 8;
        limits.head_time = EVER;
    })
    .await;
    let mut open = Vec::new();
    for begun in [&b""[..], b"GET", b"GET /sdk/ListContexts HTTP/1.1\r\nx-"] {
        for _ in 0..10 {
            open.push(connect(&server, begun).await);
        }
        is_answered(&server).await;
    }
    for _ in 0..10 {
        open.push(answered(&server, UNKNOWN, 401).await);
    }
    is_answered(&server).await;
    for _ in 0..10 {
        open.push(answered(&server, CALL, 200).await);
    }
    is_answered(&server).await;
}

#[tokio::test]
async fn unauthenticated_connections_have_a_shorter_idle_time() {
    let (server, client) = start_with(test_store::builder()).await;
    let id = client.create("c").await;
    client.upload(&id, "/f", "x").await;
    let url = client.download_url(&id, "/f").await;
    let (target, altered) = (
        raw::target(&url),
        raw::target(&url).replace("expires=", "expires=1"),
    );
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n").into_bytes();
    let params = [("contextId", id.as_str()), ("filePath", "/gone")];
    client.upload(&id, "/gone", "x").await;
    let gone = client.download_url(&id, "/gone").await;
    client.ok("DeleteContextFile", &params).await;
    let mut known = answered(&server, CALL, 200).await;
    let mut by_url_of_nothing = answered(&server, &get(raw::target(&gone)), 404).await;
    let mut by_url = answered(&server, &get(target), 200).await;
    let mut unknown = Vec::new();
    for (request, status) in [
        (UNKNOWN.to_vec(), 401),
        (get(&altered), 403),
        (get("/nothing"), 404),
        (b"GET /sdk/ListContexts HTTP/1.1\r\n\r\n".to_vec(), 400),
    ] {
        unknown.push(answered(&server, &request, status).await);
    }
    for stream in &mut unknown {
        until_closed(stream).await;
    }
    for stream in [&mut known, &mut by_url, &mut by_url_of_nothing] {
        stream.write_all(CALL).await.unwrap();
        assert_eq!(raw::read_status(stream).await, 200);
    }
}

#[tokio::test]
async fn connections_per_address_are_limited() {
    let mut limits = Limits::default();
    limits.address_connections = Some(2);
    limits.head_time = EVER;
    let builder = test_store::builder()
        .limits(limits)
        .metrics_listen("127.0.0.1:0".parse().unwrap());
    let (server, client) = start_with(builder).await;
    let id = client.create("c").await;
    let urls = [
        client.upload_url(&id, "/0").await,
        client.upload_url(&id, "/1").await,
    ];
    // An idle connection is evicted for one of the same address.
    let mut uploads = Vec::new();
    for url in &urls {
        uploads.push(soon(raw::begin_upload(server.local_addr(), url, 2)).await);
    }
    let mut rejected = TcpStream::connect(server.local_addr()).await.unwrap();
    assert_eq!(until_closed(&mut rejected).await, b"");
    let mut done = uploads.pop().unwrap();
    done.write_all(b"hi").await.unwrap();
    assert_eq!(raw::read_status(&mut done).await, 200);
    is_answered(&server).await;
    assert_eq!(until_closed(&mut done).await, b"");
    let metrics = format!("http://{}/metrics", server.metrics_addr().unwrap());
    let text = client.http.get(metrics).send().await.unwrap();
    let text = text.text().await.unwrap();
    assert!(text.contains("agb_refused_connections_total 1\n"), "{text}");
    let evicted = text.split("agb_evicted_connections_total ").nth(1).unwrap();
    assert!(!evicted.starts_with("0\n"), "{text}");
}

#[tokio::test]
async fn health_responds_while_all_client_connections_are_busy() {
    let mut limits = Limits::default();
    limits.connections = 1;
    limits.head_time = EVER;
    let builder = test_store::builder()
        .limits(limits)
        .metrics_listen("127.0.0.1:0".parse().unwrap());
    let (server, client) = start_with(builder).await;
    let metrics: SocketAddr = server.metrics_addr().unwrap();
    let id = client.create("c").await;
    let url = client.upload_url(&id, "/f").await;
    let _busy = soon(raw::begin_upload(server.local_addr(), &url, 2)).await;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(connect(&server, CALL).await);
    }
    for _ in 0..400 {
        waiting.push(TcpStream::connect(metrics).await.unwrap());
    }
    let health = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
    assert_eq!(raw::exchange_with(metrics, health).await.0, 200);
}
