//! Authentication and authorization: each rejected request beside an accepted one.

use std::sync::Arc;
use std::time::Duration;

use agbcloud_server::{ManualClock, Server, test_store};
use reqwest::Method;
use tokio::io::AsyncWriteExt;

use crate::client::{Client, start, start_at, start_with};
use crate::raw;

/// Returns a download URL and an upload URL, each with its method.
async fn signed(client: &Client) -> [(Method, String); 2] {
    let id = client.create("c").await;
    let put = client.upload_url(&id, "/dir/f").await;
    // The public URL has another host, but the server listens here.
    let here = format!("{}{}", client.url, raw::target(&put));
    assert_eq!(client.put(&here, "x").await.status(), 200);
    let get = client.download_url(&id, "/dir/f").await;
    [(Method::GET, get), (Method::PUT, put)]
}

/// Sends a request with an unchanged target and additional header lines.
async fn send(server: &Server, method: &str, target: &str, lines: &str) -> (u16, String) {
    let body = if method == "PUT" { "x" } else { "" };
    let length = body.len();
    let request = format!(
        "{method} {target} HTTP/1.1\r\n{lines}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    raw::exchange(server, request.as_bytes()).await
}

const HOST: &str = "host: x\r\n";

async fn assert_accepted(server: &Server, method: &Method, target: &str) {
    let (status, text) = send(server, method.as_str(), target, HOST).await;
    assert_eq!(status, 200, "{text}");
}

async fn assert_rejected(server: &Server, method: &str, target: &str) {
    let (status, text) = send(server, method, target, HOST).await;
    assert!(
        status == 403 && text.contains("<Code>SignatureDoesNotMatch</Code>"),
        "{method} {target}: {text}"
    );
}

#[tokio::test]
async fn a_change_to_any_parameter_of_a_url_is_rejected() {
    let (server, client) = start().await;
    for (method, url) in signed(&client).await {
        let target = raw::target(&url);
        assert_accepted(&server, &method, target).await;
        let (path, query) = target.split_once('?').unwrap();
        let parameters: Vec<&str> = query.split('&').collect();
        let names: Vec<_> = parameters
            .iter()
            .map(|parameter| parameter.split('=').next().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "method",
                "tenant",
                "generation",
                "expires",
                "issuer",
                "key",
                "signature"
            ]
        );
        let mut altered: Vec<Vec<String>> = Vec::new();
        let with = |at: usize, instead: &[String]| {
            let mut all: Vec<String> = parameters.iter().map(|one| (*one).to_owned()).collect();
            all.splice(at..=at, instead.iter().cloned());
            all
        };
        for (at, parameter) in parameters.iter().enumerate() {
            let (name, value) = parameter.split_once('=').unwrap();
            let other = match name {
                "method" if value == "GET" => "PUT".to_owned(),
                "method" => "GET".to_owned(),
                "generation" | "expires" => (value.parse::<i64>().unwrap() + 1).to_string(),
                _ => value.chars().rev().collect(),
            };
            let one = |text: String| vec![text];
            let good = (*parameter).to_owned();
            altered.extend([
                // Changed.
                with(at, &one(format!("{name}={other}"))),
                with(at, &one(format!("{name}={value}0"))),
                with(at, &one(format!("{name}="))),
                with(at, &one(format!("{}={value}", name.to_uppercase()))),
                with(
                    at,
                    &one(format!(
                        "{name}=%{:02x}{}",
                        value.as_bytes()[0],
                        &value[1..]
                    )),
                ),
                // Removed.
                with(at, &[]),
                // Repeated, with the same and with another value, before and after.
                with(at, &[good.clone(), good.clone()]),
                with(at, &[good.clone(), format!("{name}={other}")]),
                with(at, &[format!("{name}={other}"), good]),
            ]);
            // Reordered.
            let mut swapped = with(at, &one((*parameter).to_owned()));
            swapped.swap(at, (at + 1) % parameters.len());
            altered.push(swapped);
        }
        let mut added = with(0, &[parameters[0].to_owned()]);
        added.push("x=y".to_owned());
        altered.push(added);
        assert_eq!(altered.len(), 71);
        for parameters in altered {
            let target = format!("{path}?{}", parameters.join("&"));
            assert_rejected(&server, method.as_str(), &target).await;
        }
        assert_rejected(&server, method.as_str(), path).await;
        assert_accepted(&server, &method, target).await;
    }
}

#[tokio::test]
async fn a_method_override_does_not_change_what_a_url_allows() {
    let (server, client) = start().await;
    for (method, url) in signed(&client).await {
        let target = raw::target(&url);
        assert_accepted(&server, &method, target).await;
        let other = if method == Method::GET { "PUT" } else { "GET" };
        for wrong in [
            other, "POST", "DELETE", "PATCH", "OPTIONS", "get", "put", "X",
        ] {
            assert_rejected(&server, wrong, target).await;
        }
        let pretended = format!("{HOST}x-http-method-override: {method}\r\n");
        let (status, text) = send(&server, other, target, &pretended).await;
        assert_eq!(status, 403, "{text}");
        assert_accepted(&server, &method, target).await;
    }
}

#[tokio::test]
async fn a_url_expires_by_the_clock_of_the_server() {
    let clock = ManualClock::starting_now();
    let (server, client) = start_at(&clock).await;
    let urls = signed(&client).await;
    clock.advance(Duration::from_secs(3598));
    for (method, url) in &urls {
        assert_accepted(&server, method, raw::target(url)).await;
    }
    clock.advance(Duration::from_secs(2));
    for (method, url) in &urls {
        let (status, text) = send(&server, method.as_str(), raw::target(url), HOST).await;
        assert_eq!(status, 403);
        assert!(text.contains("Request has expired"), "{text}");
        // The time of the client is ignored.
        let dated = format!("{HOST}date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
        let (status, _) = send(&server, method.as_str(), raw::target(url), &dated).await;
        assert_eq!(status, 403);
    }
}

#[tokio::test]
async fn a_transfer_in_progress_completes_after_its_url_expires() {
    let clock = ManualClock::starting_now();
    let (server, client) = start_at(&clock).await;
    let id = client.create("c").await;
    let url = client.upload_url(&id, "/f").await;
    let mut stream = raw::begin_upload(server.local_addr(), &url, 5).await;
    stream.write_all(b"he").await.unwrap();
    clock.advance(Duration::from_secs(3600));
    assert_eq!(client.put(&url, "other").await.status(), 403);
    stream.write_all(b"llo").await.unwrap();
    let (status, text) = raw::read(&mut stream).await;
    assert_eq!(status, 200, "{text}");
    assert_eq!(client.download(&id, "/f").await, b"hello");
}

#[tokio::test]
async fn the_host_header_does_not_affect_access_or_urls() {
    let settings = test_store::builder().public_url("https://agb.example.com");
    let (server, client) = start_with(settings).await;
    for (method, url) in signed(&client).await {
        let target = raw::target(&url);
        for lines in [
            "host: evil.example\r\n",
            "host: agb.example.com\r\nx-forwarded-host: evil.example\r\n",
            "host: x\r\nx-forwarded-proto: gopher\r\nforwarded: host=evil.example\r\n",
            "host: x\r\nx-original-url: /sdk/ListContexts\r\nx-rewrite-url: /sdk/ListContexts\r\n",
        ] {
            let (status, text) = send(&server, method.as_str(), target, lines).await;
            assert_eq!(status, 200, "{text}");
            let altered = target.replace("&key=", "&key=0");
            let (status, text) = send(&server, method.as_str(), &altered, lines).await;
            assert_eq!(status, 403, "{text}");
            assert!(!text.contains("evil.example"), "{text}");
        }
    }
    let authorized = "host: evil.example\r\nx-forwarded-host: evil.example\r\nauthorization: Bearer akm-test\r\n";
    let id = client.create("c").await;
    let target = format!("/sdk/GetContextFileDownloadUrl?contextId={id}&filePath=/dir/f");
    let (status, text) = send(&server, "POST", &target, authorized).await;
    assert_eq!(status, 200, "{text}");
    assert!(
        text.contains("\"https://agb.example.com/objects/v1/") && !text.contains("evil"),
        "{text}"
    );
}

#[tokio::test]
async fn a_page_token_is_valid_only_for_its_tenant_and_store() {
    let builder = || test_store::builder().clock(Arc::new(ManualClock::starting_now()));
    let (_server, mine) = start_with(builder()).await;
    let (_elsewhere, stranger) = start_with(builder()).await;
    let other = mine.with_key("other-key");
    let mut tokens = Vec::new();
    for client in [&mine, &other, &stranger] {
        client.create("a").await;
        client.create("b").await;
        let page = client.ok("ListContexts", &[("maxResults", "1")]).await;
        tokens.push(page["nextToken"].as_str().unwrap().to_owned());
    }
    for (owner, client) in [&mine, &other, &stranger].into_iter().enumerate() {
        for (whose, token) in tokens.iter().enumerate() {
            let params = [("nextToken", token.as_str())];
            if whose == owner {
                let rest = client.ok("ListContexts", &params).await;
                assert_eq!(rest["data"].as_array().unwrap().len(), 1);
            } else {
                client
                    .fails("ListContexts", &params, 400, "InvalidParameter.NextToken")
                    .await;
            }
        }
    }
}

#[tokio::test]
async fn responses_allow_no_other_origin() {
    let (_server, client) = start().await;
    let [(_, get), (_, put)] = signed(&client).await;
    let list = format!("{}/sdk/ListContexts", client.url);
    for url in [&list, &get, &put] {
        for method in [Method::GET, Method::PUT, Method::OPTIONS] {
            let request = client
                .http
                .request(method.clone(), url)
                .bearer_auth(&client.key)
                .header("origin", "https://evil.example")
                .header("access-control-request-method", "GET")
                .header("access-control-request-headers", "authorization");
            let response = request.body("{}").send().await.unwrap();
            // The request itself is valid. Only the permission to read the response is missing.
            let is_good = (url == &list || url == &get) && method == Method::GET
                || url == &put && method == Method::PUT;
            assert_eq!(response.status() == 200, is_good, "{method} {url}");
            let mut names = response.headers().keys();
            assert!(names.all(|name| !name.as_str().starts_with("access-control")));
        }
    }
}

#[tokio::test]
async fn keys_are_compared_exactly() {
    let settings = test_store::builder().api_key("akm-One").api_key("akm-Two");
    let (_server, client) = start_with(settings).await;
    for key in ["akm-One", "akm-Two"] {
        let good = client.with_key(key);
        good.ok("ListContexts", &[]).await;
        for wrong in [
            key.to_lowercase(),
            key.to_uppercase(),
            key[..key.len() - 1].to_owned(),
            format!("{key}x"),
            format!("{key},{key}"),
            key.chars().rev().collect(),
        ] {
            good.with_key(&wrong)
                .fails("ListContexts", &[], 401, "Unauthorized")
                .await;
        }
        good.ok("ListContexts", &[]).await;
    }
}
