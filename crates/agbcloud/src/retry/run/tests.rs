use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::{
    Agb, ContextId, ErrorKind,
    wire::{MockWire, RawResult, answer},
};

/// What a service does on one try.
#[derive(Clone, Copy)]
enum Does {
    Answers(&'static str),
    Says(u16, &'static [(&'static str, &'static str)]),
    HangsUp,
    IsSilent,
}

const GOOD: Does = Does::Answers(r#"{"success":true,"data":{"id":"SdkCtx-1"},"requestId":"good"}"#);
const BUSY: Does = Does::Says(503, &[("x-request-id", "busy")]);
const GONE: Does = Does::Answers(r#"{"success":false,"code":"InvalidContext.NotFound"}"#);

/// A client of a service that does these things one after the other.
fn client(script: &[Does]) -> (Agb, Arc<Mutex<VecDeque<Does>>>) {
    let left = Arc::new(Mutex::new(script.iter().copied().collect::<VecDeque<_>>()));
    let mut wire = MockWire::new();
    let script = left.clone();
    wire.expect_get_context()
        .returning(move |_| play(script.lock().unwrap().pop_front().unwrap()));
    let script = left.clone();
    wire.expect_delete_context()
        .returning(move |_| play(script.lock().unwrap().pop_front().unwrap()));
    (Agb::on(wire), left)
}

fn play<T: serde::de::DeserializeOwned + Send + 'static>(
    does: Does,
) -> crate::wire::Answer<'static, T> {
    match does {
        Does::Answers(body) => answer(serde_json::from_str(body).unwrap()),
        Does::IsSilent => Box::pin(std::future::pending()),
        Does::Says(status, headers) => Box::pin(async move {
            let mut response = http::Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            let response = response.body("<html>").unwrap();
            RawResult::<T>::Err(agbcloud_api::Error::UnexpectedResponse(response.into()))
        }),
        Does::HangsUp => Box::pin(async {
            // The one way to an error of reqwest without a network: a body that breaks.
            let broken = std::io::Error::other("reset");
            let stream = futures_util::stream::once(async { Err::<&str, _>(broken) });
            let response = http::Response::new(reqwest::Body::wrap_stream(stream));
            let error = reqwest::Response::from(response).bytes().await.unwrap_err();
            RawResult::<T>::Err(agbcloud_api::Error::ResponseBodyError(error))
        }),
    }
}

fn id() -> ContextId {
    ContextId::new("SdkCtx-1").unwrap()
}

#[tokio::test(start_paused = true)]
async fn passing_failures_are_tried_again_with_doubling_waits() {
    let start = Instant::now();
    let (agb, left) = client(&[BUSY, Does::HangsUp, Does::Says(429, &[]), GOOD]);
    let response = agb.contexts().get(&id()).await.unwrap();
    assert_eq!(response.request_id(), Some("good"));
    assert_eq!(start.elapsed().as_millis(), 200 + 400 + 800);
    assert!(left.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_error_tells_every_try_and_why_there_was_no_more() {
    let (agb, _) = client(&[BUSY, BUSY, Does::HangsUp, BUSY, GOOD]);
    let error = agb.contexts().get(&id()).await.unwrap_err();
    assert_eq!(error.stopped_by(), Some(StoppedBy::Attempts));
    let tries: Vec<_> = error
        .attempts()
        .iter()
        .map(|attempt| {
            (
                attempt.status,
                attempt.request_id.as_deref(),
                attempt.wait.map(|wait| wait.as_millis()),
            )
        })
        .collect();
    let busy = |wait| (Some(503), Some("busy"), wait);
    assert_eq!(
        tries,
        [
            busy(Some(200)),
            busy(Some(400)),
            (None, None, Some(800)),
            busy(None)
        ]
    );
    assert!(
        error
            .to_string()
            .ends_with("(HTTP 503, request busy, tried 4 times)"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_can_not_pass_is_not_tried_again() {
    for does in [
        GONE,
        Does::Says(400, &[]),
        Does::Says(401, &[]),
        Does::Says(501, &[]),
        Does::Answers(r#"{"success":false,"code":"InvalidParameter.Name"}"#),
    ] {
        let (agb, left) = client(&[does, GOOD]);
        let error = agb.contexts().get(&id()).await.unwrap_err();
        assert_eq!(error.stopped_by(), Some(StoppedBy::NotRetryable), "{error}");
        assert_eq!((error.attempts().len(), left.lock().unwrap().len()), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttling_code_inside_a_good_answer_counts() {
    let throttled = Does::Answers(r#"{"success":false,"code":"Throttling.User"}"#);
    let (agb, _) = client(&[throttled, GOOD]);
    assert!(agb.contexts().get(&id()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_waited_for_but_never_past_the_deadline() {
    let start = Instant::now();
    let (agb, _) = client(&[Does::Says(503, &[("retry-after", "7")]), GOOD]);
    agb.contexts().get(&id()).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(7));

    let start = Instant::now();
    let (agb, left) = client(&[Does::Says(429, &[("retry-after", "3600")]), GOOD]);
    let error = agb.contexts().get(&id()).await.unwrap_err();
    assert_eq!(error.stopped_by(), Some(StoppedBy::Deadline));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    assert_eq!(
        (start.elapsed(), left.lock().unwrap().len()),
        (Duration::ZERO, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_service_ends_at_the_deadline() {
    let start = Instant::now();
    let (agb, _) = client(&[Does::IsSilent]);
    let error = agb.contexts().get(&id()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.stopped_by()),
        (ErrorKind::Timeout, Some(StoppedBy::Deadline))
    );
    assert_eq!(start.elapsed(), Duration::from_secs(180));
}

#[tokio::test(start_paused = true)]
async fn clones_share_a_budget_that_runs_out() {
    let (agb, _) = client(&[BUSY; 500]);
    let mut calls = 0;
    let stopped = loop {
        let error = agb.clone().contexts().get(&id()).await.unwrap_err();
        calls += 1;
        if error.stopped_by() != Some(StoppedBy::Attempts) {
            break error;
        }
    };
    assert_eq!(stopped.stopped_by(), Some(StoppedBy::Budget));
    assert_eq!(calls, 34, "a hundred retries, three a call");
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_finds_nothing_left_on_a_retry_has_succeeded() {
    for first in [BUSY, Does::HangsUp] {
        let (agb, _) = client(&[first, GONE]);
        agb.contexts().delete(&id()).await.unwrap();
    }
    // Nothing was there before, as far as is known: a call that was throttled was not carried out.
    for script in [&[GONE][..], &[Does::Says(429, &[]), GONE]] {
        let (agb, _) = client(script);
        let error = agb.contexts().delete(&id()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}

#[tokio::test(start_paused = true)]
async fn one_try_is_one_try() {
    let mut wire = MockWire::new();
    wire.expect_get_context()
        .times(1)
        .returning(|_| answer(json!({"success": false, "code": "ServiceUnavailable"})));
    let agb = Agb::on(wire);
    let policy = RetryPolicy::never();
    let with = Retrying {
        policy: &policy,
        ..agb.retrying()
    };
    let error = run(with, |_| agb_once(&agb)).await.unwrap_err();
    assert_eq!(error.stopped_by(), Some(StoppedBy::Attempts));
}

async fn agb_once(agb: &Agb) -> Result<()> {
    match agb.0.wire.get_context(crate::wire::Lookup::Id(id())).await {
        Ok(_) => Err(Error::new(ErrorKind::Unavailable, "scripted")),
        Err(_) => Ok(()),
    }
}
