//! Retries of each kind of failure, in paused time.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::{
    Attempt, Client, Context, ContextId, Error, ErrorKind, Operation, Response, Result, StoppedBy,
    testing::{Script, Step},
};

const SECOND: Duration = Duration::from_secs(1);

/// A client of a scripted service, with the longest waits.
fn scripted(steps: impl IntoIterator<Item = Step>) -> (Client, Script) {
    let script = Script::new(steps);
    (Client::on(script.clone()), script)
}

fn good() -> Step {
    let data = json!({"id": "SdkCtx-1", "name": "one"});
    Step::json(json!({"success": true, "data": data, "requestId": "good"}))
}

fn busy() -> Step {
    Step::status(503).header("x-request-id", "busy")
}

fn gone() -> Step {
    Step::error(200, "InvalidContext.NotFound", "no such context")
}

fn id() -> ContextId {
    ContextId::new("SdkCtx-1").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_leaves_the_result_open_is_retried() {
    let (client, _) = scripted([]);
    let throttled = || Error::new(ErrorKind::Throttled, "busy");
    for failure in [
        Error::no_connection as fn() -> Error,
        throttled,
        Error::connection_closed,
        Error::no_response,
    ] {
        let once = |before: &[Attempt]| {
            let first = before.is_empty();
            async move { if first { Err(failure()) } else { Ok(()) } }
        };
        let result = run(client.retry_context(), once, |_, error| Err(error)).await;
        assert!(result.is_ok(), "{result:?}");
    }
}

async fn get(client: &Client) -> Result<Response<Context>> {
    client.contexts().get(id()).with_response().await
}

/// The fields of an attempt, with the wait in milliseconds.
fn fields(attempt: &Attempt) -> (ErrorKind, Option<u16>, Option<&str>, Option<u128>) {
    (
        attempt.kind,
        attempt.status,
        attempt.request_id.as_deref(),
        attempt.wait.map(|wait| wait.as_millis()),
    )
}

#[tokio::test(start_paused = true)]
async fn transient_failures_are_retried_with_doubling_waits() {
    let start = Instant::now();
    let (client, script) = scripted([busy(), Step::connection_reset(), Step::status(429), good()]);
    let response = get(&client).await.unwrap();
    assert_eq!(response.request_id(), Some("good"));
    assert_eq!(start.elapsed().as_millis(), 200 + 400 + 800);
    assert_eq!(script.calls(), [Operation::GetContext; 4]);
}

#[tokio::test(start_paused = true)]
async fn the_error_has_all_attempts_and_why_they_stopped() {
    let (client, script) = scripted([busy(), busy(), Step::connection_reset(), busy(), good()]);
    let error = get(&client).await.unwrap_err();
    assert_eq!(error.stopped_by(), Some(StoppedBy::Attempts));
    let busy = |wait| (ErrorKind::Unavailable, Some(503), Some("busy"), wait);
    assert_eq!(
        error.attempts().iter().map(fields).collect::<Vec<_>>(),
        [
            busy(Some(200)),
            busy(Some(400)),
            (ErrorKind::Connection, None, None, Some(800)),
            busy(None)
        ]
    );
    let end = "(HTTP 503, request busy, 4 attempts)";
    assert!(error.to_string().ends_with(end), "{error}");
    assert_eq!(script.steps_left(), 1);
}

/// Every kind of failure, whether it is retried, and the fields of its attempt.
#[tokio::test(start_paused = true)]
async fn every_failure_has_its_kind() {
    use ErrorKind::*;
    let html = || {
        Step::status(502)
            .header("content-type", "text/html")
            .body("<html>")
    };
    let doubled = Step::status(503)
        .header("retry-after", "1")
        .header("retry-after", "9")
        .header("x-request-id", "first")
        .header("x-request-id", "second");
    let cut = Step::status(200)
        .header("x-request-id", "half")
        .body(r#"{"success":true"#)
        .truncated();
    let garbage = || Step::status(200).body("garbage");
    let large = || Step::status(500).body("x".repeat(1 << 20));
    for (step, again, kind, status, id) in [
        (Step::connection_refused(), true, Connection, None, None),
        (Step::connection_reset(), true, Connection, None, None),
        (cut, true, Connection, Some(200), Some("half")),
        (Step::status(408), true, Timeout, Some(408), None),
        (Step::status(429), true, Throttled, Some(429), None),
        (Step::status(500), true, Unavailable, Some(500), None),
        (html(), true, Unavailable, Some(502), None),
        (doubled, true, Unavailable, Some(503), Some("first")),
        (Step::status(504), true, Unavailable, Some(504), None),
        (large(), true, Unavailable, Some(500), None),
        (
            Step::error(200, "Throttling.User", "slow down"),
            true,
            Throttled,
            Some(200),
            None,
        ),
        (
            Step::error(200, "ServiceUnavailable", ""),
            true,
            Unavailable,
            Some(200),
            None,
        ),
        (garbage(), false, InvalidResponse, Some(200), None),
        (
            Step::json(json!({"success": false})),
            false,
            Rejected,
            Some(200),
            None,
        ),
        (
            Step::json(json!({"success": false, "httpStatusCode": 501})),
            false,
            Rejected,
            Some(200),
            None,
        ),
        (gone(), false, NotFound, Some(200), None),
        (Step::status(302), false, Redirected, Some(302), None),
        (Step::status(304), false, InvalidResponse, Some(304), None),
        (
            Step::status(407),
            false,
            ProxyAuthentication,
            Some(407),
            None,
        ),
        (Step::status(400), false, Rejected, Some(400), None),
        (Step::status(401), false, Unauthorized, Some(401), None),
        (Step::status(501), false, Unavailable, Some(501), None),
    ] {
        let (client, script) = scripted([step.clone(), good()]);
        let result = get(&client).await;
        assert_eq!(result.is_ok(), again, "{step:?}");
        assert_eq!(script.steps_left(), usize::from(!again), "{step:?}");

        let never = Client::builder().stub(Script::new([step.clone()]));
        let alone = never.retry(RetryPolicy::never()).build().unwrap();
        let error = get(&alone).await.unwrap_err();
        let seen = fields(&error.attempts()[0]);
        assert_eq!(seen, (kind, status, id, None), "{step:?}");
        assert!(error.body_start().unwrap_or_default().len() <= 1024);
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_waited_for_within_the_deadline() {
    let start = Instant::now();
    let (client, _) = scripted([Step::status(503).header("retry-after", "7"), good()]);
    get(&client).await.unwrap();
    // With the longest jitter.
    assert_eq!(start.elapsed(), SECOND * 21 / 2);

    let start = Instant::now();
    let (client, script) = scripted([Step::status(429).header("retry-after", "3600"), good()]);
    let error = get(&client).await.unwrap_err();
    assert_eq!(error.stopped_by(), Some(StoppedBy::Deadline));
    assert_eq!(error.retry_after(), Some(SECOND * 3600));
    assert_eq!((start.elapsed(), script.steps_left()), (Duration::ZERO, 1));
}

#[tokio::test(start_paused = true)]
async fn a_date_in_retry_after_is_parsed() {
    let start = Instant::now();
    let past = "Sun, 06 Nov 1994 08:49:37 GMT";
    let (client, _) = scripted([Step::status(503).header("retry-after", past), good()]);
    get(&client).await.unwrap();
    assert_eq!(start.elapsed().as_millis(), 200);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_ends_at_its_timeout_and_the_call_at_its_deadline() {
    let start = Instant::now();
    let late = Step::ok(json!({"id": "SdkCtx-1"})).after(SECOND * 70);
    let (client, _) = scripted([Step::no_response(), late, Step::no_response(), good()]);
    let error = get(&client).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.stopped_by()),
        (ErrorKind::Timeout, Some(StoppedBy::Deadline))
    );
    assert_eq!(start.elapsed(), SECOND * 180);
    let waits: Vec<_> = error.attempts().iter().map(|one| fields(one).3).collect();
    assert_eq!(waits, [Some(200), Some(400), None]);

    let patient = Client::builder().timeout(SECOND * 100).jitter(|| 1.0);
    let late = good().after(SECOND * 70);
    let client = patient.stub(Script::new([late])).build().unwrap();
    assert!(get(&client).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn clones_share_a_retry_budget() {
    let script = Script::new([]).then_always(busy());
    let client = Client::on(script);
    let mut calls = 0;
    let stopped = loop {
        let error = get(&client.clone()).await.unwrap_err();
        calls += 1;
        if error.stopped_by() != Some(StoppedBy::Attempts) {
            break error;
        }
    };
    assert_eq!(stopped.stopped_by(), Some(StoppedBy::Budget));
    assert_eq!(calls, 34, "a hundred retries, three a call");
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_finds_nothing_on_a_retry_succeeds() {
    for first in [busy(), Step::connection_reset(), Step::no_response()] {
        let (client, _) = scripted([first, gone()]);
        client.contexts().delete(id()).await.unwrap();
    }
    // A call that was throttled or not sent was not executed, so the context was missing before.
    for first in [
        None,
        Some(Step::status(429)),
        Some(Step::connection_refused()),
    ] {
        let (client, _) = scripted(first.into_iter().chain([gone()]));
        let error = client.contexts().delete(id()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    let (client, _) = scripted([busy(), gone()]);
    let error = client.contexts().clear(id()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "only deletions remove");
}

#[tokio::test(start_paused = true)]
async fn without_retries_there_is_one_attempt() {
    let builder = Client::builder().retry(RetryPolicy::never());
    let script = Script::new([busy(), good()]);
    let client = builder.stub(script.clone()).build().unwrap();
    let error = get(&client).await.unwrap_err();
    assert_eq!(error.stopped_by(), Some(StoppedBy::Attempts));
    assert_eq!(script.steps_left(), 1);
}
