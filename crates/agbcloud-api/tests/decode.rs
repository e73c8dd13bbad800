//! Every response keeps its status, its headers and the start of its body, whatever a service or a gateway sends.

use agbcloud_api::{BodyFault, Client, Error, RequestHook, types};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A client of a server that sends these bytes on each connection, and closes it.
async fn client_of(response: String) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if !matches!(connection.read(&mut byte).await, Ok(1)) {
                    break;
                }
                request.push(byte[0]);
            }
            connection.write_all(response.as_bytes()).await.unwrap();
            connection.shutdown().await.unwrap();
        }
    });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    Client::new_with_client(&endpoint, http, RequestHook::default())
}

fn response_text(status: &str, headers: &[(&str, &str)], body: &str) -> String {
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// The untouched response of a call that must not succeed.
async fn unexpected(response: String) -> reqwest::Response {
    let client = client_of(response).await;
    match client.get_context().name("a").send().await {
        Err(Error::UnexpectedResponse(response)) => response,
        other => panic!("expected an unexpected response, got {other:?}"),
    }
}

fn header<'a>(response: &'a reqwest::Response, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn a_successful_response_is_decoded_with_its_headers() {
    let body = r#"{"success": true, "requestId": "r1", "data": {"id": "c1", "state": "new"}}"#;
    let client = client_of(response_text("200 OK", &[("x-request-id", "r1")], body)).await;
    let got = client.get_context().name("a").send().await.unwrap();
    assert_eq!(got.status(), 200);
    assert_eq!(got.headers()["x-request-id"], "r1");
    assert_eq!(got.data.as_ref().unwrap().id.as_deref(), Some("c1"));
}

#[tokio::test]
async fn an_unexpected_body_with_status_200_keeps_everything() {
    let response = unexpected(response_text(
        "200 OK",
        &[("x-request-id", "r1")],
        "<html>hello",
    ))
    .await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "x-request-id"), "r1");
    assert!(response.extensions().get::<BodyFault>().is_none());
    assert_eq!(response.url().path(), "/sdk/GetContext");
    assert_eq!(response.text().await.unwrap(), "<html>hello");
}

#[tokio::test]
async fn unexpected_json_keeps_everything() {
    let body = r#"{"success": "yes"}"#;
    let response = unexpected(response_text("200 OK", &[("x-request-id", "r1")], body)).await;
    assert_eq!(header(&response, "x-request-id"), "r1");
    assert_eq!(response.text().await.unwrap(), body);
}

#[tokio::test]
async fn an_incomplete_body_is_kept_and_reported() {
    let complete = response_text("200 OK", &[("x-request-id", "r1")], r#"{"success": true"#);
    let longer = complete.replace("content-length: 16", "content-length: 1000");
    assert_ne!(complete, longer);
    let response = unexpected(longer).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "x-request-id"), "r1");
    let fault = response.extensions().get::<BodyFault>();
    assert!(matches!(fault, Some(BodyFault::Broken(_))), "{fault:?}");
    assert_eq!(response.text().await.unwrap(), r#"{"success": true"#);
}

#[tokio::test]
async fn html_of_a_gateway_keeps_its_retry_after() {
    let headers = [("retry-after", "7"), ("content-type", "text/html")];
    let response = unexpected(response_text(
        "503 Service Unavailable",
        &headers,
        "<h1>busy</h1>",
    ))
    .await;
    assert_eq!(response.status(), 503);
    assert_eq!(header(&response, "retry-after"), "7");
    assert_eq!(response.text().await.unwrap(), "<h1>busy</h1>");
}

#[tokio::test]
async fn throttling_keeps_its_envelope_and_its_headers() {
    let body = r#"{"requestId": "r1", "success": false, "code": "Throttling", "message": "later"}"#;
    let headers = [("x-request-id", "r1"), ("retry-after", "1")];
    let response = unexpected(response_text("429 Too Many Requests", &headers, body)).await;
    assert_eq!(response.status(), 429);
    assert_eq!(header(&response, "retry-after"), "1");
    assert_eq!(header(&response, "x-request-id"), "r1");
    let failure: types::Failure = response.json().await.unwrap();
    assert_eq!(failure.code.as_deref(), Some("Throttling"));
}

#[tokio::test]
async fn a_failure_without_a_body_keeps_its_status() {
    let response = unexpected(response_text("502 Bad Gateway", &[], "")).await;
    assert_eq!(response.status(), 502);
    assert_eq!(response.text().await.unwrap(), "");
}
