//! Requirements of RFC 9110 and RFC 9112, and responses to invalid requests.

use agbcloud_server::test_store;
use reqwest::Method;

use crate::client::start_with;
use crate::raw;

#[tokio::test]
async fn every_listener_requires_one_host_header() {
    let builder = test_store::builder().metrics_listen("127.0.0.1:0".parse().unwrap());
    let (server, client) = start_with(builder).await;
    let id = client.create("c").await;
    client.upload(&id, "/f", "x").await;
    let url = client.download_url(&id, "/f").await;
    let (clients, metrics) = (server.local_addr(), server.metrics_addr().unwrap());
    let key = "authorization: Bearer akm-test\r\nconnection: close\r\n";
    for (listener, target, code) in [
        (clients, "/sdk/ListContexts", "\"code\":\"InvalidRequest\""),
        (clients, raw::target(&url), "<Code>InvalidRequest</Code>"),
        (metrics, "/health", "send one header Host"),
    ] {
        let send = async |target: &str, version: &str, hosts: &str| {
            let request = format!("GET {target} HTTP/{version}\r\n{hosts}{key}\r\n");
            raw::exchange_with(listener, request.as_bytes()).await
        };
        assert_eq!(send(target, "1.1", "host: x\r\n").await.0, 200, "{target}");
        assert_eq!(send(target, "1.0", "").await.0, 200, "{target}");
        // In the absolute form, the path is used and the header is still required.
        let absolute = format!("http://other{target}");
        let (status, text) = send(&absolute, "1.1", "host: x\r\n").await;
        assert_eq!(status, 200, "{text}");
        for (target, hosts) in [
            (target, ""),
            (&absolute, ""),
            (target, "host: x\r\nhost: x\r\n"),
            (target, "host: \r\n"),
            (target, "host: a b\r\n"),
            (target, "host: u@x\r\n"),
            (target, "host: x:port\r\n"),
        ] {
            let (status, text) = send(target, "1.1", hosts).await;
            assert_eq!(status, 400, "{target} {hosts}: {text}");
            assert!(text.contains(code), "{text}");
        }
    }
}

#[tokio::test]
async fn invalid_requests_are_4xx() {
    let builder = test_store::builder().metrics_listen("127.0.0.1:0".parse().unwrap());
    let (server, client) = start_with(builder).await;
    let id = client.create("c").await;
    client.upload(&id, "/f", "x").await;
    let put = client.upload_url(&id, "/f").await;
    let get = client.download_url(&id, "/f").await;
    let (put, get, call) = (raw::target(&put), raw::target(&get), "/sdk/ListContexts");
    for (method, target, lines, expected) in [
        (
            "PUT",
            put,
            "content-encoding: gzip\r\ncontent-length: 1\r\n",
            415,
        ),
        (
            "PUT",
            put,
            "content-encoding: identity, br\r\ncontent-length: 1\r\n",
            415,
        ),
        (
            "PUT",
            put,
            "content-range: bytes 0-0/2\r\ncontent-length: 1\r\n",
            400,
        ),
        (
            "PUT",
            put,
            "x-amz-checksum-crc32c: x\r\ncontent-length: 1\r\n",
            400,
        ),
        (
            "PUT",
            put,
            "x-amz-copy-source: /a\r\ncontent-length: 1\r\n",
            400,
        ),
        (
            "PUT",
            put,
            "if-unmodified-since: x\r\ncontent-length: 1\r\n",
            400,
        ),
        ("PUT", put, "transfer-encoding: chunked\r\n", 411),
        ("PUT", put, "transfer-encoding: gzip, chunked\r\n", 411),
        ("PUT", put, "expect: 200-ok\r\ncontent-length: 1\r\n", 417),
        ("GET", get, "expect: x\r\n", 417),
        ("GET", get, "range: bytes=9-\r\n", 416),
        ("GET", get, "if-match: nonsense\r\n", 400),
        ("BREW", get, "", 403),
        ("GET", call, "expect: x\r\n", 417),
        (
            "GET",
            call,
            "content-encoding: gzip\r\ncontent-length: 1\r\n",
            415,
        ),
        ("BREW", call, "", 405),
        ("TRACE", call, "", 405),
        ("OPTIONS", "*", "", 404),
    ] {
        let request = format!(
            "{method} {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer akm-test\r\nconnection: close\r\n{lines}\r\nx"
        );
        let (status, text) = raw::exchange(&server, request.as_bytes()).await;
        assert_eq!(status, expected, "{method} {lines}: {text}");
    }
    let metrics = format!("http://{}/metrics", server.metrics_addr().unwrap());
    let text = client.http.get(metrics).send().await.unwrap();
    let text = text.text().await.unwrap();
    assert!(
        text.contains("status=\"4xx\"") && !text.contains("status=\"5xx\""),
        "{text}"
    );
    assert_eq!(client.download(&id, "/f").await, b"x");
}

#[tokio::test]
async fn a_range_of_an_empty_file_is_the_whole_file() {
    let (_server, client) = start_with(test_store::builder()).await;
    let id = client.create("c").await;
    client.upload(&id, "/empty", "").await;
    let url = client.download_url(&id, "/empty").await;
    for method in [Method::GET, Method::HEAD] {
        for (range, expected) in [
            ("bytes=-5", 200),
            ("bytes=-1", 200),
            ("bytes=-0", 416),
            ("bytes=0-", 416),
            ("bytes=0-0", 416),
            ("bytes=5-9", 416),
            ("bytes=9-5", 200),
            ("bytes=-", 200),
        ] {
            let request = client.http.request(method.clone(), &url);
            let response = request.header("range", range).send().await.unwrap();
            assert_eq!(response.status(), expected, "{method} {range}");
            let part = response.headers().get("content-range").cloned();
            let part = part.as_ref().map(|value| value.to_str().unwrap());
            let unsatisfied = (expected == 416).then_some("bytes */0");
            assert_eq!(part, unsatisfied, "{method} {range}");
            if expected == 200 {
                assert_eq!(response.headers()["content-length"], "0");
                assert!(response.bytes().await.unwrap().is_empty());
            }
        }
    }
}
