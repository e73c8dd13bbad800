//! No answer loses its status, its headers or the start of its body, whatever a service or a gateway sends.

use agbcloud_api::{BodyFault, Client, Error, types};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A client of a server that gives each connection this answer, byte for byte, and closes it.
async fn client_of(answer: String) -> Client {
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
            connection.write_all(answer.as_bytes()).await.unwrap();
            connection.shutdown().await.unwrap();
        }
    });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    Client::new_with_client(&endpoint, http)
}

fn answer(status: &str, headers: &[(&str, &str)], body: &str) -> String {
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
async fn unexpected(answer: String) -> reqwest::Response {
    let client = client_of(answer).await;
    match client.get_context().name("a").send().await {
        Err(Error::UnexpectedResponse(response)) => response,
        other => panic!("expected an unexpected response, got {other:?}"),
    }
}

fn header<'a>(response: &'a reqwest::Response, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn a_good_answer_is_read_with_its_headers() {
    let body = r#"{"success": true, "requestId": "r1", "data": {"id": "c1", "state": "new"}}"#;
    let client = client_of(answer("200 OK", &[("x-request-id", "r1")], body)).await;
    let got = client.get_context().name("a").send().await.unwrap();
    assert_eq!(got.status(), 200);
    assert_eq!(got.headers()["x-request-id"], "r1");
    assert_eq!(got.data.as_ref().unwrap().id.as_deref(), Some("c1"));
}

#[tokio::test]
async fn a_good_status_with_garbage_keeps_everything() {
    let response = unexpected(answer("200 OK", &[("x-request-id", "r1")], "<html>hello")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "x-request-id"), "r1");
    assert!(response.extensions().get::<BodyFault>().is_none());
    assert_eq!(response.url().path(), "/sdk/GetContext");
    assert_eq!(response.text().await.unwrap(), "<html>hello");
}

#[tokio::test]
async fn json_of_another_form_keeps_everything() {
    let body = r#"{"success": "yes"}"#;
    let response = unexpected(answer("200 OK", &[("x-request-id", "r1")], body)).await;
    assert_eq!(header(&response, "x-request-id"), "r1");
    assert_eq!(response.text().await.unwrap(), body);
}

#[tokio::test]
async fn a_body_that_breaks_off_keeps_what_came_and_says_so() {
    let whole = answer("200 OK", &[("x-request-id", "r1")], r#"{"success": true"#);
    let longer = whole.replace("content-length: 16", "content-length: 1000");
    assert_ne!(whole, longer);
    let response = unexpected(longer).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "x-request-id"), "r1");
    let fault = response.extensions().get::<BodyFault>();
    assert!(matches!(fault, Some(BodyFault::Broken(_))), "{fault:?}");
    assert_eq!(response.text().await.unwrap(), r#"{"success": true"#);
}

#[tokio::test]
async fn a_gateway_that_answers_with_html_keeps_its_retry_after() {
    let headers = [("retry-after", "7"), ("content-type", "text/html")];
    let response = unexpected(answer("503 Service Unavailable", &headers, "<h1>busy</h1>")).await;
    assert_eq!(response.status(), 503);
    assert_eq!(header(&response, "retry-after"), "7");
    assert_eq!(response.text().await.unwrap(), "<h1>busy</h1>");
}

#[tokio::test]
async fn throttling_keeps_its_envelope_and_its_headers() {
    let body = r#"{"requestId": "r1", "success": false, "code": "Throttling", "message": "later"}"#;
    let headers = [("x-request-id", "r1"), ("retry-after", "1")];
    let response = unexpected(answer("429 Too Many Requests", &headers, body)).await;
    assert_eq!(response.status(), 429);
    assert_eq!(header(&response, "retry-after"), "1");
    assert_eq!(header(&response, "x-request-id"), "r1");
    let failure: types::Failure = response.json().await.unwrap();
    assert_eq!(failure.code.as_deref(), Some("Throttling"));
}

#[tokio::test]
async fn a_failure_without_a_body_keeps_its_status() {
    let response = unexpected(answer("502 Bad Gateway", &[], "")).await;
    assert_eq!(response.status(), 502);
    assert_eq!(response.text().await.unwrap(), "");
}
