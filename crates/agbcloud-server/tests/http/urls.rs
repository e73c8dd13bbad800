//! Presigned URLs allow one method on one file until they expire.

use std::sync::Arc;
use std::time::Duration;

use agbcloud_server::{ManualClock, test_store};
use reqwest::Method;

use crate::client::{Client, start, start_at, start_with, xml_code};
use crate::raw;

#[tokio::test]
async fn a_url_expires_by_the_clock() {
    let clock = ManualClock::starting_now();
    let (_server, client) = start_at(&clock).await;
    let id = client.create("c").await;
    client.upload(&id, "/f", "x").await;
    let answer = client
        .ok(
            "GetContextFileUploadUrl",
            &[("contextId", &id), ("filePath", "/f")],
        )
        .await;
    assert_eq!(answer["data"]["expireTime"], 3600);
    let (put, get) = (
        client.upload_url(&id, "/f").await,
        client.download_url(&id, "/f").await,
    );
    clock.advance(Duration::from_secs(3598));
    assert_eq!(client.http.get(&get).send().await.unwrap().status(), 200);
    assert_eq!(client.put(&put, "y").await.status(), 200);
    clock.advance(Duration::from_secs(2));
    for response in [
        client.http.get(&get).send().await.unwrap(),
        client.put(&put, "z").await,
    ] {
        let text = response.text().await.unwrap();
        assert!(
            text.contains("<Code>AccessDenied</Code>") && text.contains("Request has expired"),
            "{text}"
        );
    }
    assert_eq!(client.download(&id, "/f").await, b"y");
}

#[tokio::test]
async fn a_url_is_valid_for_one_method() {
    let (_server, client) = start().await;
    let id = client.create("c").await;
    client.upload(&id, "/f", "x").await;
    let (put, get) = (
        client.upload_url(&id, "/f").await,
        client.download_url(&id, "/f").await,
    );
    let rejected = (403, "SignatureDoesNotMatch".to_owned());
    for (url, good) in [
        (&put, vec![Method::PUT]),
        (&get, vec![Method::GET, Method::HEAD]),
    ] {
        for method in [
            Method::GET,
            Method::PUT,
            Method::POST,
            Method::DELETE,
            Method::PATCH,
            Method::OPTIONS,
        ] {
            let response = client
                .http
                .request(method.clone(), url)
                .body("y")
                .send()
                .await
                .unwrap();
            if good.contains(&method) {
                assert_eq!(response.status(), 200, "{method}");
            } else {
                assert_eq!(xml_code(response).await, rejected, "{method}");
            }
        }
    }
    assert_eq!(client.http.head(&put).send().await.unwrap().status(), 403);
    assert_eq!(client.http.head(&get).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn no_character_of_a_url_can_be_altered() {
    let (server, client) = start().await;
    let id = client.create("c").await;
    client.upload(&id, "/dir/f", "x").await;
    client.upload(&id, "/dir/g", "other").await;
    for url in [
        client.download_url(&id, "/dir/f").await,
        client.upload_url(&id, "/dir/f").await,
    ] {
        let method = if url.contains("method=PUT") {
            Method::PUT
        } else {
            Method::GET
        };
        let (base, target) = url.split_at(url.len() - raw::target(&url).len());
        let send = async |target: &str| {
            client
                .http
                .request(method.clone(), format!("{base}{target}"))
                .body("y")
                .send()
                .await
                .unwrap()
                .status()
                .as_u16()
        };
        assert_eq!(send(target).await, 200);
        for at in 1..target.len() {
            let (before, now, after) = (&target[..at], target.as_bytes()[at], &target[at + 1..]);
            let flipped = char::from(if now == b'A' { b'B' } else { b'A' });
            let swapped = if now.is_ascii_lowercase() {
                char::from(now.to_ascii_uppercase())
            } else {
                '0'
            };
            for altered in [
                format!("{before}{after}"),
                format!("{before}{flipped}{after}"),
                format!("{before}{swapped}{after}"),
            ] {
                if altered != target {
                    let status = send(&altered).await;
                    assert!(status == 403 || status == 404, "{status} {altered}");
                }
            }
        }
        // The same bytes in another encoding, and additions of clients.
        for altered in [
            target.replace("method=", "m%65thod="),
            target.replacen("/objects/", "//objects/", 1),
            target.replacen("/v1/", "/v1/./", 1),
            format!("{target}&x=y"),
            format!("{target}&response-content-type=text/html"),
            target.replace('?', "?x=y&"),
        ] {
            // Written to the socket, because a client library would normalize some of them.
            let request =
                format!("{method} {altered} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
            let (status, _) = raw::exchange(&server, request.as_bytes()).await;
            assert!(status == 403 || status == 404, "{status} {altered}");
        }
        // Also without its path.
        let (_, query) = target.split_once('?').unwrap();
        for altered in ["/objects/v1/", &format!("/objects/v1/?{query}")] {
            let request =
                format!("{method} {altered} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
            let (status, answer) = raw::exchange(&server, request.as_bytes()).await;
            assert_eq!(status, 403, "{altered}");
            assert!(
                answer.contains("<Code>SignatureDoesNotMatch</Code>"),
                "{answer}"
            );
        }
        assert_eq!(send(target).await, 200);
    }
}

#[tokio::test]
async fn a_url_requires_no_key_and_gives_no_other_access() {
    let (_server, client) = start_with(test_store::builder().api_key(crate::client::KEY)).await;
    let id = client.create("c").await;
    client.upload(&id, "/f", "x").await;
    let url = client.download_url(&id, "/f").await;
    assert_eq!(client.http.get(&url).send().await.unwrap().status(), 200);
    // Another server has another secret.
    let (_other, stranger) = start().await;
    let elsewhere = format!("{}{}", stranger.url, raw::target(&url));
    assert_eq!(
        xml_code(client.http.get(&elsewhere).send().await.unwrap())
            .await
            .0,
        403
    );
    let with_key = client
        .http
        .get(&elsewhere)
        .bearer_auth("k")
        .send()
        .await
        .unwrap();
    assert_eq!(xml_code(with_key).await.1, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn urls_begin_with_the_public_url_independent_of_the_host_header() {
    let builder = test_store::builder()
        .public_url("https://agb.example.com/base/")
        .url_ttl(Duration::from_secs(60));
    let (server, client) = start_with(builder.clock(Arc::new(ManualClock::starting_now()))).await;
    let id = client.create("c").await;
    let target = format!("/sdk/GetContextFileUploadUrl?contextId={id}&filePath=/f");
    let request = client
        .request(&Method::POST, &target)
        .bearer_auth(&client.key);
    let answer = client
        .send(
            request
                .header("host", "evil.example")
                .header("x-forwarded-host", "evil.example"),
        )
        .await;
    let url = answer.body["data"]["url"].as_str().unwrap();
    assert!(
        url.starts_with("https://agb.example.com/base/objects/v1/"),
        "{url}"
    );
    assert_eq!(answer.body["data"]["expireTime"], 60);
    assert!(
        url.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~:/?&=".contains(&b)),
        "{url}"
    );
    // As forwarded by a proxy that removes the base path.
    let inside = format!(
        "{}{}",
        server.url(),
        url.strip_prefix("https://agb.example.com/base").unwrap()
    );
    assert_eq!(client.put(&inside, "x").await.status(), 200);
}

#[tokio::test]
async fn different_paths_have_different_urls() {
    let (_server, client) = start().await;
    let id = client.create("c").await;
    let paths = [
        "/a",
        "/a/b",
        "/#1",
        "/%2e",
        "/.%2e/x",
        "/é",
        "/e\u{301}",
        "/😀",
        "/a?b",
        "/a&b=c",
        "/a+b",
        "/a b",
        "/\"<>",
    ];
    for path in paths {
        client.upload(&id, path, path).await;
    }
    for path in paths {
        assert_eq!(client.download(&id, path).await, path.as_bytes(), "{path}");
    }
    assert_eq!(
        Client::new(&client.url, "other")
            .ok("ListContexts", &[])
            .await["totalCount"],
        0
    );
}
