//! Too many, too slow, too large and invalid requests do not affect other clients.

use std::time::Duration;

use agbcloud_server::{InvalidLimit, Limits, Server, StartError, test_store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Client, start, start_with, xml_code};
use crate::raw;
use crate::stores::{assert_blobs, large};

/// Longer than any wait in these tests, and shorter than the timeout of a test.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) async fn start_within(set: impl FnOnce(&mut Limits)) -> (Server, Client) {
    let mut limits = Limits::default();
    set(&mut limits);
    start_with(test_store::builder().limits(limits)).await
}

/// Returns everything received until the server closes the connection.
pub(crate) async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    // A reset ends the connection, too.
    let _ = tokio::time::timeout(TIMEOUT, stream.read_to_end(&mut all))
        .await
        .expect("the server closes");
    all
}

pub(crate) const CALL: &[u8] =
    b"GET /sdk/ListContexts HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\n\r\n";

#[tokio::test]
async fn incomplete_heads_time_out() {
    let (server, client) = start_within(|limits| {
        limits.connections = 3;
        limits.head_time = Duration::from_millis(300);
    })
    .await;
    let mut slow = Vec::new();
    for begun in [&b""[..], b"GET", b"GET /sdk/ListContexts HTTP/1.1\r\nx-"] {
        let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
        stream.write_all(begun).await.unwrap();
        slow.push(stream);
    }
    // Each byte arrives soon after its predecessor. Only the total takes too long.
    let mut slow_head = slow.pop().unwrap();
    let writing = async {
        while slow_head.write_all(b"a").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, writing)
        .await
        .expect("the server closes");
    for mut stream in slow {
        until_closed(&mut stream).await;
    }
    // Idle connections time out, too.
    let mut idle = TcpStream::connect(server.local_addr()).await.unwrap();
    idle.write_all(CALL).await.unwrap();
    let answer = until_closed(&mut idle).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    client.create("c").await;
}

#[tokio::test]
async fn a_download_that_is_not_read_is_aborted_and_releases_its_permit() {
    const SIZE: usize = 64 * 1024 * 1024;
    let (server, client) = start_within(|limits| {
        limits.idle_time = Duration::from_millis(500);
        limits.tenant_requests = 1;
    })
    .await;
    let id = client.create("c").await;
    client.upload(&id, "/f", vec![7; SIZE]).await;
    let url = client.download_url(&id, "/f").await;
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let head = format!("GET {} HTTP/1.1\r\nhost: x\r\n\r\n", raw::target(&url));
    stream.write_all(head.as_bytes()).await.unwrap();
    // The download in progress is the only request that the tenant may have.
    stream.peek(&mut [0]).await.unwrap();
    client.fails("ListContexts", &[], 429, "Throttling").await;
    let freed = async {
        while client.call("ListContexts", "").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, freed)
        .await
        .expect("the server closes the connection");
    let received = until_closed(&mut stream).await.len();
    assert!(received < SIZE, "{received}");
    // A client that reads receives everything.
    assert_eq!(client.download(&id, "/f").await.len(), SIZE);
}

#[tokio::test]
async fn a_slow_upload_times_out() {
    let drip = async |least_rate| {
        let (server, client) = start_within(|limits| {
            limits.idle_time = Duration::from_millis(500);
            limits.least_rate = least_rate;
        })
        .await;
        let id = client.create("c").await;
        let url = client.upload_url(&id, "/f").await;
        let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
        let target = raw::target(&url);
        let head = format!("PUT {target} HTTP/1.1\r\nhost: x\r\ncontent-length: 40\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let (mut answer, mut writing) = stream.split();
        let writing = async {
            for _ in 0..40 {
                // Writing may fail after the rejection.
                let _ = writing.write_all(b"x").await;
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        };
        let mut status = [0; 12];
        let (_, read) = tokio::join!(writing, answer.read_exact(&mut status));
        read.unwrap();
        (
            String::from_utf8_lossy(&status).into_owned(),
            client.list(&id, "/").await.1,
        )
    };
    assert_eq!(drip(0).await, ("HTTP/1.1 200".to_owned(), 1));
    assert_eq!(drip(1000).await, ("HTTP/1.1 408".to_owned(), 0));
}

#[tokio::test]
async fn each_tenant_has_its_own_request_limit() {
    let (server, client) = start_within(|limits| limits.tenant_requests = 1).await;
    let id = client.create("c").await;
    let (one, two) = (
        client.upload_url(&id, "/one").await,
        client.upload_url(&id, "/two").await,
    );
    let mut stream = raw::begin_upload(server.local_addr(), &one, 5).await;

    let rejected = client.call("ListContexts", "").await;
    rejected.assert_failure(429, "Throttling", "one is in progress");
    assert_eq!(rejected.headers["retry-after"], "1");
    let rejected = client.put(&two, "x").await;
    assert_eq!(rejected.headers()["retry-after"], "1");
    assert_eq!(xml_code(rejected).await, (503, "SlowDown".to_owned()));
    client.with_key("another").create("c").await;

    stream.write_all(b"hello").await.unwrap();
    assert_eq!(raw::read(&mut stream).await.0, 200);
    assert_eq!(client.download(&id, "/one").await, b"hello");
    assert_eq!(client.put(&two, "x").await.status(), 200);
}

#[tokio::test]
async fn invalid_http_is_a_400() {
    let (server, client) = start().await;
    for bytes in [
        &b"\r\n\r\nnonsense\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /sdk/ListContexts HTTP/9.9\r\n\r\n",
        b"GET /sdk/ListContexts HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /sdk/ListContexts HTTP/1.1\r\nx: a\0b\r\n\r\n",
        b"GET /sdk/ListContexts HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /sdk/ClearContext HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &[0xff; 300],
    ] {
        let (status, text) = raw::exchange(&server, bytes).await;
        assert_eq!(status, 400, "{:?}: {text}", String::from_utf8_lossy(bytes));
    }
    // HTTP/2 with prior knowledge gets no HTTP/1 response.
    let (status, text) = raw::exchange(&server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert_eq!((status, &*text), (0, ""));
    client.create("c").await;
}

#[tokio::test]
async fn heads_above_the_limit_are_rejected_with_a_code() {
    let (server, client) = start().await;
    let send = async |target: String, headers: String| {
        let head =
            format!("GET {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\n{headers}\r\n");
        raw::exchange(&server, head.as_bytes()).await
    };
    let long = |size: usize| format!("x: {}\r\n", "a".repeat(size));
    let many = |count: usize| "x: a\r\n".repeat(count);
    let target = |start: &str, size: usize| format!("{start}{}", "a".repeat(size));
    let control = || "/sdk/ListContexts".to_owned();
    assert_eq!(send(control(), long(60_000)).await.0, 200);
    assert_eq!(send(control(), many(98)).await.0, 200);
    let (headers, uri) = ((431, "RequestHeadersTooLarge"), (414, "RequestUriTooLong"));
    for (start, rest, (status, code)) in [
        ("", long(70_000), headers),
        ("", many(200), headers),
        ("a", long(30_000), uri),
    ] {
        let size = 40_000 * start.len();
        for (target, code) in [
            (
                target("/sdk/ListContexts?", size),
                format!("\"code\":\"{code}\""),
            ),
            (target("/objects/v1/", size), format!("<Code>{code}</Code>")),
        ] {
            let (found, text) = send(target, rest.clone()).await;
            assert_eq!(found, status, "{text}");
            assert!(text.contains(&code), "{text}");
            let (_, after) = text.split_once("x-request-id: ").unwrap();
            let id = after.split_once("\r\n").unwrap().0;
            assert!(!id.is_empty() && after.matches(id).count() == 2, "{text}");
        }
    }
    // The parser itself rejects this head, without a code.
    assert_eq!(send(control(), long(200_000)).await.0, 431);
    assert_eq!(send(control(), many(600)).await.0, 431);
    assert_eq!(send(target("/sdk/", 66_000), String::new()).await.0, 414);
    client.create("c").await;
}

#[tokio::test]
async fn size_limits_apply() {
    let (_server, client) = start_within(|limits| {
        limits.object_bytes = 10;
        limits.body_bytes = 2;
    })
    .await;
    let id = client.create("c").await;
    client.upload(&id, "/f", vec![0; 10]).await;
    let url = client.upload_url(&id, "/f").await;
    let rejected = client.put(&url, vec![0; 11]).await;
    assert_eq!(xml_code(rejected).await, (413, "EntityTooLarge".to_owned()));
    let target = format!("/sdk/ClearContext?id={id}");
    let call = client
        .request(&reqwest::Method::POST, &target)
        .bearer_auth(&client.key);
    let answer = client.send(call.body("{ }")).await;
    answer.assert_failure(413, "RequestTooLarge", "three bytes");
}

#[tokio::test]
async fn the_number_of_files_is_limited_but_files_can_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let start = async |files| {
        let mut limits = Limits::default();
        limits.context_files = files;
        start_with(test_store::builder_in(folder.path()).limits(limits)).await
    };
    let (server, client) = start(2).await;
    let (id, other) = (client.create("c").await, client.create("other").await);
    let put = async |client: &Client, id: &str, path: &str| {
        let url = client.upload_url(id, path).await;
        let response = client.put(&url, "x").await;
        match response.status().as_u16() {
            200 => String::new(),
            409 => xml_code(response).await.1,
            status => panic!("{status}"),
        }
    };
    let rejected = "TooManyFiles";
    for path in ["/a", "/d/b", "/a"] {
        assert_eq!(put(&client, &id, path).await, "", "{path}");
    }
    assert_eq!(put(&client, &id, "/new/c").await, rejected);
    assert_eq!(put(&client, &id, "/d/c").await, rejected);
    let url = client.upload_url(&id, "/large").await;
    assert_eq!(client.put(&url, large(b'l')).await.status(), 409);
    assert_blobs(folder.path(), 0);
    assert_eq!(client.list(&id, "/").await.1, 2, "no folder was left");
    assert_eq!(client.list(&id, "/d").await.1, 1);
    assert_eq!(put(&client, &other, "/c").await, "");
    // A deletion makes room.
    let params = [("contextId", id.as_str()), ("filePath", "/a")];
    client.ok("DeleteContextFile", &params).await;
    assert_eq!(put(&client, &id, "/c").await, "");
    assert_eq!(put(&client, &id, "/a").await, rejected);
    client.ok("ClearContext", &[("id", &id)]).await;
    client.wait_available(&id).await;
    for path in ["/a", "/b"] {
        assert_eq!(put(&client, &id, path).await, "", "{path}");
    }
    server.shutdown().await;
    if test_store::is_skipped_in_memory() {
        return;
    }
    // A lower limit keeps existing files.
    let (_server, client) = start(1).await;
    assert_eq!(client.list(&id, "/").await.1, 2);
    assert_eq!(put(&client, &id, "/a").await, "");
    assert_eq!(put(&client, &id, "/c").await, rejected);
}

#[tokio::test]
async fn invalid_limits_are_rejected() {
    let mut limits = Limits::default();
    limits.connections = 0;
    let error = test_store::builder()
        .limits(limits)
        .start()
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            StartError::InvalidLimit(InvalidLimit::Value {
                name: "connections",
                ..
            })
        ),
        "{error}"
    );
}
