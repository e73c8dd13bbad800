//! Invalid keys, operations, methods and bodies, and invalid HTTP.

use agbcloud_server::test_store;
use reqwest::Method;

use crate::client::{encode, start};
use crate::raw;

#[tokio::test]
async fn keys() {
    let (_server, any) = start().await;
    let with_keys = test_store::builder()
        .api_key("akm-one")
        .api_key("akm-two")
        .start()
        .await
        .unwrap();
    let client = crate::client::Client::new(with_keys.url(), "akm-one");
    client.create("c").await;
    client.with_key("akm-two").create("c").await;
    for wrong in ["akm-three", "akm-on", "akm-onee", "AKM-ONE"] {
        let answer = client.with_key(wrong).call("ListContexts", "").await;
        answer.assert_failure(401, "Unauthorized", wrong);
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    for client in [&any, &client] {
        for header in [
            "",
            "Bearer",
            "Bearer ",
            "Basic YTpi",
            "akm-one",
            "Bearer akm-one akm-one",
            "Bearer k\u{e9}y",
        ] {
            for (method, path) in [
                (Method::GET, "/sdk/ListContexts"),
                (Method::PUT, "/sdk/ListContexts"),
                (Method::GET, "/sdk/Nothing"),
            ] {
                let value = reqwest::header::HeaderValue::from_bytes(header.as_bytes()).unwrap();
                let request = client.request(&method, path).header("authorization", value);
                client
                    .send(request)
                    .await
                    .assert_failure(401, "Unauthorized", header);
            }
        }
        client
            .send(client.request(&Method::GET, "/sdk/ListContexts"))
            .await
            .assert_failure(401, "Unauthorized", "none");
        let twice = client
            .request(&Method::GET, "/sdk/ListContexts")
            .header("authorization", format!("Bearer {}", client.key))
            .header("authorization", format!("Bearer {}", client.key));
        client
            .send(twice)
            .await
            .assert_failure(401, "Unauthorized", "twice");
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let request = client.request(&Method::GET, "/sdk/ListContexts");
            let answer = client
                .send(request.header("authorization", format!("{scheme} {}", client.key)))
                .await;
            assert_eq!(answer.status, 200);
        }
    }
}

#[tokio::test]
async fn operations_and_methods() {
    let (_server, client) = start().await;
    for path in [
        "/sdk/Nothing",
        "/sdk/",
        "/sdk/listcontexts",
        "/sdk/ListContexts/",
        "/sdk/ListContexts/x",
        "/sdk/SyncContext",
    ] {
        let request = client.request(&Method::GET, path).bearer_auth(&client.key);
        client
            .send(request)
            .await
            .assert_failure(404, "InvalidAction.NotFound", path);
    }
    for path in [
        "/",
        "/sdk",
        "/nothing",
        "/objects",
        "/objects/v2/a/b",
        "/%ff",
    ] {
        let request = client.request(&Method::POST, path).bearer_auth(&client.key);
        client
            .send(request)
            .await
            .assert_failure(404, "InvalidAction.NotFound", path);
    }
    for operation in agbcloud_server::operations() {
        for method in [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::PATCH,
            Method::OPTIONS,
        ] {
            let answer = client
                .send(
                    client
                        .request(&method, operation.path)
                        .bearer_auth(&client.key),
                )
                .await;
            if method == operation.method {
                assert!(
                    answer.status == 200 || answer.status == 400,
                    "{method} {}",
                    operation.name
                );
                assert_ne!(answer.code(), "InvalidMethod");
            } else {
                answer.assert_failure(405, "InvalidMethod", operation.name);
                assert_eq!(answer.headers["allow"], operation.method);
            }
        }
    }
}

#[tokio::test]
async fn bodies() {
    let (server, client) = start().await;
    let id = client.create("c").await;
    let target = format!("/sdk/DescribeContextFiles?contextId={}", encode(&id));
    let post = |body: Vec<u8>| {
        client
            .request(&Method::POST, &target)
            .bearer_auth(&client.key)
            .body(body)
    };
    let padded = |size: usize| format!("{{{}}}", " ".repeat(size - 2)).into_bytes();
    for valid in [
        b"".to_vec(),
        b"{}".to_vec(),
        b" null ".to_vec(),
        b"[1, \"x\"]".to_vec(),
        padded(64 * 1024),
    ] {
        assert_eq!(client.send(post(valid)).await.status, 200);
    }
    for bad in [
        b"{".to_vec(),
        b"{} x".to_vec(),
        b"\xff".to_vec(),
        b"\"\xff\"".to_vec(),
        b"{\"a\": \"\xed\xa0\x80\"}".to_vec(),
        b"a=b".to_vec(),
        b" ".to_vec(),
        b"[".repeat(60_000),
    ] {
        client
            .send(post(bad))
            .await
            .assert_failure(400, "InvalidParameter.Body", "not JSON");
    }
    for large in [64 * 1024 + 1, 1024 * 1024] {
        client
            .send(post(padded(large)))
            .await
            .assert_failure(413, "RequestTooLarge", "announced");
        let chunks = padded(large)
            .chunks(1000)
            .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
            .collect::<Vec<_>>();
        let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
        let request = client
            .request(&Method::POST, &target)
            .bearer_auth(&client.key)
            .body(stream);
        client
            .send(request)
            .await
            .assert_failure(413, "RequestTooLarge", "chunked");
    }
    // The rejection does not wait for the announced body.
    let head = format!(
        "POST {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\ncontent-length: 9999999999\r\n\r\n"
    );
    assert_eq!(raw::exchange(&server, head.as_bytes()).await.0, 413);
}

#[tokio::test]
async fn bodies_are_checked_for_all_methods() {
    let (server, client) = start().await;
    let send = async |method: Method, body: Vec<u8>| {
        let request = client.request(&method, "/sdk/ListContexts");
        client
            .send(request.bearer_auth(&client.key).body(body))
            .await
    };
    for valid in [&b""[..], b"{}"] {
        assert_eq!(send(Method::GET, valid.to_vec()).await.status, 200);
    }
    for bad in [&b"{"[..], b"\"\xff\""] {
        let answer = send(Method::GET, bad.to_vec()).await;
        answer.assert_failure(400, "InvalidParameter.Body", "not JSON");
    }
    let large = send(Method::GET, vec![b' '; 64 * 1024 + 1]).await;
    large.assert_failure(413, "RequestTooLarge", "one byte above the limit");
    let other = send(Method::DELETE, vec![b' '; 64 * 1024 + 1]).await;
    other.assert_failure(405, "InvalidMethod", "no such method");
    // The rejection does not wait for the announced body.
    for (method, status) in [("GET", 413), ("HEAD", 405), ("DELETE", 405)] {
        let head = format!(
            "{method} /sdk/ListContexts HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\ncontent-length: 9999999999\r\n\r\n"
        );
        let (found, text) = raw::exchange(&server, head.as_bytes()).await;
        assert_eq!(found, status, "{method}: {text}");
    }
}

#[tokio::test]
async fn malformed_http() {
    let (server, client) = start().await;
    for request in [
        "nonsense\r\n\r\n".to_owned(),
        "GET /sdk/ListContexts HTTP/9.9\r\n\r\n".to_owned(),
        "GET /sdk/ListContexts HTTP/1.1\r\nno colon\r\n\r\n".to_owned(),
        "POST /sdk/ClearContext HTTP/1.1\r\ncontent-length: -1\r\n\r\n".to_owned(),
        format!(
            "GET /sdk/GetContext?name={} HTTP/1.1\r\nhost: x\r\n\r\n",
            "a".repeat(100_000)
        ),
        format!(
            "GET /sdk/ListContexts HTTP/1.1\r\nx: {}\r\n\r\n",
            "a".repeat(200_000)
        ),
        format!(
            "GET /sdk/ListContexts HTTP/1.1\r\n{}\r\n",
            "x: y\r\n".repeat(5_000)
        ),
    ] {
        let (status, text) = raw::exchange(&server, request.as_bytes()).await;
        assert!((400..500).contains(&status), "{}: {text}", &request[..40]);
    }
    client.create("still alive").await;
}

#[tokio::test]
async fn a_body_of_any_length_is_rejected() {
    let (server, client) = start().await;
    let id = client.create("c").await;
    let url = client.upload_url(&id, "/f").await;
    let upload = format!("PUT {} HTTP/1.1\r\nhost: x\r\n", raw::target(&url));
    let call = format!(
        "POST /sdk/ClearContext?id={id} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n",
        client.key
    );
    for (head, code) in [(upload, "EntityTooLarge"), (call, "RequestTooLarge")] {
        // The parser reserves the last two numbers and rejects them without a code.
        for (length, status) in [
            (i64::MAX as u128, 413),
            (u128::from(u64::MAX) - 2, 413),
            (u128::from(u64::MAX) - 1, 431),
            (u128::from(u64::MAX), 431),
            (u128::from(u64::MAX) + 1, 400),
        ] {
            let request = format!("{head}content-length: {length}\r\n\r\n");
            let (found, text) = raw::exchange(&server, request.as_bytes()).await;
            assert_eq!(found, status, "{length}: {text}");
            assert_eq!(text.contains(code), status == 413, "{length}: {text}");
        }
    }
    assert_eq!(client.list(&id, "/").await.1, 0);
    assert_eq!(client.state(&id).await, "available");
}
