//! Retries over real sockets: a service that fails in every way before it answers.

use std::{collections::BTreeMap, time::Duration};

use agbcloud::{Agb, ContextId, ErrorKind, Operation, RetryPolicy, StoppedBy};
use serde_json::Value;

use crate::support::{KEY, ScriptedStore, World};

const GOOD: &str =
    r#"{"success":true,"data":{"id":"SdkCtx-1","name":"one"},"requestId":"good-one"}"#;

/// A good answer with this body.
fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A client that waits next to nothing between tries.
async fn client(answers: &[&str]) -> (Agb, ScriptedStore) {
    let service = ScriptedStore::new(answers).await;
    let policy = RetryPolicy::default().backoff(Duration::from_millis(1), Duration::from_millis(1));
    let endpoint = service.url.split("/object").next().unwrap();
    let agb = Agb::builder()
        .api_key(KEY)
        .endpoint(endpoint)
        .retry(policy)
        .build()
        .unwrap();
    (agb, service)
}

fn id() -> ContextId {
    ContextId::new("SdkCtx-1").unwrap()
}

#[tokio::test]
async fn every_passing_failure_is_got_over() {
    for failure in [
        "",
        "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 75\r\n\r\n{\"success\":true",
        "HTTP/1.1 503 Busy\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 429 Slow\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>",
        "HTTP/1.1 504 Late\r\nx-request-id: a\r\nx-request-id: b\r\ncontent-length: 0\r\n\r\n",
        &ok(r#"{"success":false,"code":"Throttling","data":""}"#),
    ] {
        let (agb, service) = client(&[failure, failure, &ok(GOOD)]).await;
        let context = agb
            .contexts()
            .get(&id())
            .await
            .unwrap_or_else(|error| panic!("{failure:?}: {error:?}"));
        assert_eq!(
            (context.name.as_str(), context.request_id()),
            ("one", Some("good-one"))
        );
        assert_eq!(service.requests().len(), 3, "{failure:?}");
    }
}

#[tokio::test]
async fn what_will_fail_again_is_sent_once() {
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
            "HTTP/1.1 501 No\r\ncontent-length: 0\r\n\r\n",
            ErrorKind::Unavailable,
        ),
        (
            "HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n",
            ErrorKind::InvalidResponse,
        ),
    ] {
        let (agb, service) = client(&[failure, &ok(GOOD)]).await;
        let error = agb.contexts().get(&id()).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.stopped_by()),
            (kind, Some(StoppedBy::NotRetryable)),
            "{error}"
        );
        assert_eq!(service.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_megabyte_of_error_is_not_kept() {
    let body = "x".repeat(1 << 20);
    let head = format!("HTTP/1.1 400 Bad\r\ncontent-length: {}\r\n\r\n", body.len());
    let answer = format!("{head}{body}");
    let (agb, _service) = client(&[&answer]).await;
    let error = agb.contexts().get(&id()).await.unwrap_err();
    assert_eq!(error.body_start().map(str::len), Some(1024));
    assert!(error.to_string().len() < 1000);
}

#[tokio::test]
async fn a_refused_connection_is_tried_as_often_as_allowed() {
    let world = World::new().await;
    let endpoint = world.server.url().to_owned();
    world.server.shutdown().await;
    let policy = RetryPolicy::default().backoff(Duration::from_millis(1), Duration::from_millis(1));
    let agb = Agb::builder()
        .api_key(KEY)
        .endpoint(endpoint)
        .retry(policy)
        .build()
        .unwrap();
    let error = agb.contexts().get(&id()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.stopped_by()),
        (ErrorKind::Connection, Some(StoppedBy::Attempts))
    );
    assert_eq!(error.attempts().len(), 4);
}

#[test]
fn the_specification_and_the_sdk_agree_on_what_can_be_repeated() {
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
    let known = known.map(|operation| (operation.as_str(), operation.is_idempotent()));
    assert_eq!(BTreeMap::from(known), specified);
}
