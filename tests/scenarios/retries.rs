//! Retries over real sockets, against a service that fails before it responds.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use agbcloud::{
    Client, ContextId, Error, ErrorDetail, ErrorKind, Operation, RetryPolicy, StoppedBy,
};
use serde_json::Value;

use crate::{
    support::scripted_server::{ScriptedServer, Turn},
    support::{KEY, World},
};

const GOOD: &str =
    r#"{"success":true,"data":{"id":"SdkCtx-1","name":"one"},"requestId":"good-one"}"#;

/// A successful response with this body.
fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A client that hardly waits between attempts.
async fn client<T: Into<Turn>>(turns: impl IntoIterator<Item = T>) -> (Client, ScriptedServer) {
    let service = ScriptedServer::new(turns).await;
    let client = with_short_waits(&service.endpoint);
    (client, service)
}

fn with_short_waits(endpoint: &str) -> Client {
    let short = Duration::from_millis(1);
    Client::builder()
        .api_key(KEY)
        .endpoint(endpoint)
        .timeout(Duration::from_secs(1))
        .retry(RetryPolicy::default().backoff(short, short))
        .build()
        .unwrap()
}

fn id() -> ContextId {
    ContextId::new("SdkCtx-1").unwrap()
}

#[tokio::test]
async fn every_temporary_failure_is_retried() {
    for failure in [
        Turn::ResetBeforeRequest,
        Turn::ResetAfterRequest,
        Turn::Stall,
        Turn::from(""),
        "nonsense\r\n\r\n".into(),
        "HTTP/1.1 200 OK\r\ncontent-length: 75\r\n\r\n{\"success\":true".into(),
        "HTTP/1.1 503 Busy\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n".into(),
        "HTTP/1.1 429 Slow\r\ncontent-length: 0\r\n\r\n".into(),
        "HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>"
            .into(),
        "HTTP/1.1 504 Late\r\nx-request-id: a\r\nx-request-id: b\r\ncontent-length: 0\r\n\r\n"
            .into(),
        Turn::from(&ok(r#"{"success":false,"code":"Throttling","data":""}"#)),
    ] {
        let good = Turn::from(&ok(GOOD));
        let (client, service) = client([failure.clone(), failure.clone(), good]).await;
        let context = client
            .contexts()
            .get(id())
            .with_response()
            .await
            .unwrap_or_else(|error| panic!("{failure:?}: {error:?}"));
        assert_eq!(
            (context.get_ref().name.as_str(), context.request_id()),
            ("one", Some("good-one"))
        );
        assert_eq!(service.requests().len(), 3, "{failure:?}");
    }
}

#[tokio::test]
async fn permanent_failures_are_not_retried() {
    for (failure, kind) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\ngarbage",
            ErrorKind::InvalidResponse,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{\"success\":false}",
            ErrorKind::Rejected,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 18\r\n\r\n{\"error\":\"log in\"}",
            ErrorKind::InvalidResponse,
        ),
        (
            "HTTP/1.1 501 No\r\ncontent-length: 0\r\n\r\n",
            ErrorKind::Unavailable,
        ),
        (
            "HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n",
            ErrorKind::Redirected,
        ),
    ] {
        let (client, service) = client([failure, &ok(GOOD)]).await;
        let error = client.contexts().get(id()).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.stopped_by()),
            (kind, Some(StoppedBy::NotRetryable)),
            "{error}"
        );
        assert_eq!(service.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_large_error_body_is_truncated() {
    let body = "x".repeat(1 << 20);
    let head = format!("HTTP/1.1 400 Bad\r\ncontent-length: {}\r\n\r\n", body.len());
    let answer = format!("{head}{body}");
    let (client, _service) = client([&answer]).await;
    let error = client.contexts().get(id()).await.unwrap_err();
    assert_eq!(error.body_start().map(str::len), Some(1024));
    assert!(error.to_string().len() < 1000);
}

#[tokio::test]
async fn a_refused_connection_is_retried_up_to_the_limit() {
    let world = World::new().await;
    let endpoint = world.server.url().to_owned();
    world.server.shutdown().await;
    let client = with_short_waits(&endpoint);
    let error = client.contexts().get(id()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.stopped_by()),
        (ErrorKind::Connection, Some(StoppedBy::Attempts))
    );
    assert_eq!(error.attempts().len(), 4);
}

/// A client whose first call is executed and loses its response. Further calls are forwarded to the service.
async fn with_lost_response(world: &World) -> (Client, ScriptedServer) {
    let address = world.server.url()["http://".len()..].to_owned();
    let rest = std::iter::repeat_n(Turn::Forward(address.clone()), 10);
    client([Turn::DropResponse(address)].into_iter().chain(rest)).await
}

#[tokio::test]
async fn a_creation_with_a_lost_response_creates_one_context() {
    let world = World::new().await;
    let (client, service) = with_lost_response(&world).await;
    let made = client.contexts().get_or_create("one").await.unwrap();
    assert_eq!(service.requests().len(), 2);
    let page = world.client.contexts().list().send().await.unwrap();
    assert_eq!((page.contexts.len(), &page.contexts[0].id), (1, &made.id));
}

#[tokio::test]
async fn a_deletion_with_a_lost_response_succeeds() {
    let world = World::new().await;
    let (id, files) = world.files("one").await;
    files.upload("/a", &b"x"[..]).await.unwrap();

    let (client, service) = with_lost_response(&world).await;
    client.contexts().files(&id).delete("/a").await.unwrap();
    assert_eq!(service.requests().len(), 2);

    let (client, service) = with_lost_response(&world).await;
    client.contexts().delete(&id).await.unwrap();
    assert_eq!(service.requests().len(), 2);
    let error = world.client.contexts().get(&id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn every_operation_is_idempotent_in_the_specification() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/context-api.yaml");
    let spec: Value = serde_norway::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let items = spec["paths"].as_object().unwrap().values();
    let specified: BTreeMap<&str, bool> = items
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| {
            let name = operation["operationId"].as_str().unwrap();
            (name, operation["x-idempotent"].as_bool().unwrap())
        })
        .collect();
    let known = [
        Operation::ListContexts,
        Operation::GetContext,
        Operation::ModifyContext,
        Operation::DeleteContext,
        Operation::ClearContext,
        Operation::DescribeContextFiles,
        Operation::GetContextFileUploadUrl,
        Operation::GetContextFileDownloadUrl,
        Operation::DeleteContextFile,
    ];
    let known = known.map(|operation| (operation.as_str(), true));
    assert_eq!(BTreeMap::from(known), specified);
}

/// A gateway can return 404 if it does not reach the service.
#[tokio::test]
async fn a_404_from_a_gateway_is_not_a_successful_deletion() {
    let lost = "HTTP/1.1 404 Not Found\r\ncontent-length: 6\r\n\r\n<html>";
    let unknown = r#"{"success":false,"code":"InvalidAction.NotFound"}"#;
    let unknown = format!(
        "HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\n\r\n{unknown}",
        unknown.len()
    );
    for (answer, kind) in [
        (lost, ErrorKind::WrongEndpoint),
        (&unknown, ErrorKind::WrongEndpoint),
    ] {
        let turns = [Turn::ResetAfterRequest, answer.into()];
        let (client, _service) = client(turns).await;
        let error = client.contexts().delete(id()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

/// The error of a call to this endpoint, and how often it was sent.
async fn rejected(endpoint: &str) -> Error {
    let error = with_short_waits(endpoint).contexts().get(id()).await;
    let error = error.unwrap_err();
    assert_eq!(
        error.stopped_by(),
        Some(StoppedBy::NotRetryable),
        "{error:?}"
    );
    assert!(!error.is_transient());
    error
}

#[tokio::test]
async fn tls_on_a_port_without_tls_is_permanent() {
    let world = World::new().await;
    let error = rejected(&world.server.url().replace("http://", "https://")).await;
    assert_eq!(
        (error.kind(), error.detail()),
        (ErrorKind::Tls, Some(ErrorDetail::NotTls)),
        "{error:?}"
    );
    assert!(error.message().contains("use http://"), "{error}");
}

#[tokio::test]
async fn a_redirect_is_permanent_and_names_the_address_without_its_query() {
    for status in [301, 302, 303, 307, 308] {
        let response = format!(
            "HTTP/1.1 {status} Moved\r\nlocation: https://new.example/sdk?token=secret-1\r\ncontent-length: 0\r\n\r\n"
        );
        let service = ScriptedServer::new([&response]).await;
        let error = rejected(&service.endpoint).await;
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::Redirected, Some(status))
        );
        assert!(
            error.message().contains("https://new.example/sdk"),
            "{error}"
        );
        assert!(!format!("{error} {error:?}").contains("secret-1"));
        assert_eq!(service.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_407_of_a_proxy_is_permanent() {
    let response = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>";
    let proxy = ScriptedServer::new([response]).await;
    let error = rejected(&proxy.endpoint).await;
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::ProxyAuthentication, Some(407))
    );
    assert!(error.message().contains("set user and password"), "{error}");
    assert_eq!(error.body_start(), Some("<html>"));
}

/// A 429 of a gateway, which knows no envelope.
#[tokio::test]
async fn a_429_without_json_is_throttling_and_says_how_long_to_wait() {
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(4_133_894_400);
    let left = date.duration_since(SystemTime::now()).unwrap().as_secs();
    let seconds = |header: &str| {
        header
            .parse()
            .map_or(left - 10..left + 1, |wait| wait..wait + 1)
    };
    for header in ["90", "Fri, 31 Dec 2100 00:00:00 GMT"] {
        for body in ["", "<html>slow down"] {
            let head = format!("HTTP/1.1 429 Too Many Requests\r\nretry-after: {header}\r\n");
            let response = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
            let service = ScriptedServer::new([&response]).await;
            let client = with_short_waits(&service.endpoint).with_retry(RetryPolicy::never());
            let error = client.contexts().get(id()).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.status()),
                (ErrorKind::Throttled, Some(429))
            );
            let wait = error.retry_after().unwrap().as_secs();
            assert!(seconds(header).contains(&wait), "{wait}");
            assert!(
                error.to_string().contains(&format!("retry after {wait} s")),
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn a_client_with_another_timeout_shares_connections() {
    let world = World::new().await;
    let slow = ScriptedServer::new([Turn::Stall, Turn::Stall]).await;
    let client = with_short_waits(&slow.endpoint).with_retry(RetryPolicy::never());
    for (timeout, elapsed) in [(100, 100..900), (1500, 1500..10_000)] {
        let client = client.with_timeout(Duration::from_millis(timeout));
        let start = std::time::Instant::now();
        let error = client.contexts().get(id()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        let waited = start.elapsed().as_millis();
        assert!(elapsed.contains(&waited), "{waited} ms");
    }

    // Accepts one connection.
    let address = world.server.url()["http://".len()..].to_owned();
    let service = ScriptedServer::new([Turn::Forward(address)]).await;
    let client = with_short_waits(&service.endpoint);
    let other = client.with_timeout(Duration::from_secs(5));
    for client in [&client, &other, &client.with_retry(RetryPolicy::never())] {
        client.contexts().get_or_create("one").await.unwrap();
    }
    assert_eq!(service.requests().len(), 1);
}
