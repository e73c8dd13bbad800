//! How the wait for a clear ends.

mod resumed;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use futures_core::FusedStream;
use futures_util::{FutureExt, StreamExt};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::*;
use crate::{
    Context, ContextState, Error, ErrorKind,
    testing::{MockContextApi, ResponseFuture, Script, Step, context, ok},
    wire::answer,
};

/// A service whose clear is `clearing` from `from` to `to` after its start.
pub(super) fn clearing_between(from: Duration, to: Duration) -> MockContextApi {
    let mut wire = MockContextApi::new();
    wire.expect_clear_context().returning(|_| ok(()));
    let start = Instant::now();
    wire.expect_get_context().returning(move |_| {
        let clearing = (from..to).contains(&start.elapsed());
        state(if clearing { "clearing" } else { "available" })
    });
    wire
}

fn state(state: &str) -> ResponseFuture<Context> {
    let mut context = context("SdkCtx-1", "one");
    context.state = ContextState::from(state.to_owned());
    ok(context)
}

pub(super) fn id() -> ContextId {
    ContextId::new("SdkCtx-1").unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_end_is_detected_soon() {
    for seconds in [0.3, 3.0, 20.0] {
        let to = Duration::from_secs_f64(seconds);
        let client = Client::on(clearing_between(Duration::ZERO, to));
        let cleared = client.contexts().clear(id()).await.unwrap();
        assert!(cleared.elapsed >= to, "{cleared:?}");
        assert!(
            cleared.elapsed < to * 9 / 8 + Duration::from_millis(230),
            "{cleared:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn available_before_clearing_was_seen_does_not_count() {
    let late = clearing_between(Duration::from_millis(500), Duration::from_secs(1));
    let cleared = Client::on(late).contexts().clear(id()).await.unwrap();
    assert!(cleared.elapsed >= Duration::from_secs(1), "{cleared:?}");
}

#[tokio::test(start_paused = true)]
async fn an_unseen_clear_ends_after_one_poll_interval() {
    let never = clearing_between(Duration::MAX, Duration::MAX);
    let cleared = Client::on(never).contexts().clear(id()).await.unwrap();
    assert_eq!(cleared.elapsed, DEFAULT_POLL_INTERVAL, "{cleared:?}");
}

#[tokio::test(start_paused = true)]
async fn the_last_poll_is_at_the_deadline() {
    let client = Client::on(clearing_between(Duration::ZERO, Duration::from_secs(5)));
    let clear = |timeout| {
        client
            .contexts()
            .clear(id())
            .timeout(timeout)
            .poll_interval(Duration::from_secs(60))
    };
    let start = Instant::now();
    let error = clear(Duration::from_secs(3)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ClearTimeout);
    assert_eq!(start.elapsed().as_millis(), 3000);
    assert!(
        error.to_string().contains("still clearing after 3.0 s"),
        "{error}"
    );

    let resumed = client.contexts().resume_clear(id()).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(5), "{resumed:?}");
    assert!(resumed.was_clearing());
}

/// A service that responds to polls after a delay.
fn slow(delay: Duration) -> Client {
    let mut wire = MockContextApi::new();
    wire.expect_clear_context().returning(|_| ok(()));
    wire.expect_get_context().returning(move |_| {
        Box::pin(async move {
            sleep(delay).await;
            state("available").await
        })
    });
    Client::on(wire)
}

#[tokio::test(start_paused = true)]
async fn stalled_polls_do_not_delay_the_timeout() {
    for (timeout, interval, end) in [(3, 60, 5), (60, 2, 62), (3, 0, 4)] {
        let start = Instant::now();
        let client = slow(Duration::MAX);
        let clear = client.contexts().clear(id());
        let clear = clear.timeout(Duration::from_secs(timeout));
        let error = clear.poll_interval(Duration::from_secs(interval)).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::ClearTimeout);
        assert_eq!(start.elapsed(), Duration::from_secs(end));
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_poll_has_a_minimum_timeout() {
    let client = slow(Duration::from_millis(900));
    let clear = client
        .contexts()
        .clear(id())
        .timeout(Duration::from_millis(500));
    clear.poll_interval(Duration::ZERO).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_poll_with_a_transient_error_is_repeated() {
    let mut wire = MockContextApi::new();
    wire.expect_clear_context().returning(|_| ok(()));
    let mut polls = 0;
    wire.expect_get_context().returning(move |_| {
        polls += 1;
        match polls {
            1 => state("clearing"),
            2 => answer(json!({"success": false, "code": "ServiceUnavailable"})),
            3 => state("hibernating"),
            _ => state("available"),
        }
    });
    let cleared = Client::on(wire).contexts().clear(id()).await.unwrap();
    assert_eq!(cleared.polls, 3, "the second failed, and was repeated");
}

#[tokio::test(start_paused = true)]
async fn extreme_options_are_accepted() {
    for (timeout, interval) in [
        (Duration::MAX, Duration::MAX),
        (Duration::MAX, Duration::ZERO),
    ] {
        let client = Client::on(clearing_between(Duration::ZERO, Duration::from_secs(2)));
        let clear = client
            .contexts()
            .clear(id())
            .timeout(timeout)
            .poll_interval(interval);
        clear.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_poll_does_not_hang_the_wait() {
    let mut wire = MockContextApi::new();
    wire.expect_clear_context().returning(|_| ok(()));
    wire.expect_get_context()
        .returning(|_| Box::pin(std::future::pending()));
    let start = Instant::now();
    let clear = Client::on(wire)
        .contexts()
        .clear(id())
        .timeout(Duration::from_secs(10));
    assert_eq!(clear.await.unwrap_err().kind(), ErrorKind::ClearTimeout);
    assert!(
        start.elapsed() <= Duration::from_secs(12),
        "{:?}",
        start.elapsed()
    );
}

/// A service that responds to polls with these in order, and repeats the last.
fn polls(script: Vec<PollResult>) -> (MockContextApi, Arc<AtomicU32>) {
    let count = Arc::new(AtomicU32::new(0));
    let seen = count.clone();
    let mut wire = MockContextApi::new();
    wire.expect_clear_context().returning(|_| ok(()));
    wire.expect_get_context().returning(move |_| {
        let at = seen.fetch_add(1, Ordering::Relaxed) as usize;
        match script[at.min(script.len() - 1)] {
            PollResult::State(name) => state(name),
            PollResult::Failure(code) => answer(json!({"success": false, "code": code})),
        }
    });
    (wire, count)
}

#[derive(Clone, Copy)]
enum PollResult {
    State(&'static str),
    Failure(&'static str),
}

use PollResult::{Failure, State};

async fn collect(statuses: ClearStatuses) -> (Vec<ContextState>, Option<Error>) {
    let mut states = Vec::new();
    let mut end = None;
    for status in statuses.collect::<Vec<_>>().await {
        assert!(end.is_none(), "the error is the last");
        match status {
            Ok(status) => states.push(status.state),
            Err(error) => end = Some(error),
        }
    }
    (states, end)
}

async fn start(wire: MockContextApi) -> ClearHandle {
    let contexts = Client::on(wire).contexts();
    contexts.clear(id()).start().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_stream_ends_when_the_clear_is_done() {
    let (wire, count) = polls(vec![State("clearing"), State("available")]);
    let mut statuses = start(wire).await.statuses();
    let first = statuses.next().await.unwrap().unwrap();
    assert_eq!((first.state, first.polls), (ContextState::Clearing, 1));
    assert_eq!(first.elapsed, Duration::from_millis(100));
    assert!(!statuses.is_terminated());
    let last = statuses.next().await.unwrap().unwrap();
    assert_eq!((last.state, last.polls), (ContextState::Available, 2));
    assert!(statuses.is_terminated());
    assert!(statuses.next().await.is_none());
    assert_eq!(count.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_status_has_its_request_id() {
    let mut wire = MockContextApi::new();
    wire.expect_get_context().returning(|_| {
        answer(json!({
            "success": true, "requestId": "r-1", "data": {"id": "SdkCtx-1", "state": "clearing"}
        }))
    });
    let mut statuses = Client::on(wire).contexts().resume_clear(id()).statuses();
    let status = statuses.next().await.unwrap().unwrap();
    assert_eq!(status.request_id.as_deref(), Some("r-1"));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_one_error_with_details() {
    let (wire, count) = polls(vec![State("clearing")]);
    let (states, error) = collect(start(wire).await.statuses()).await;
    let error = error.unwrap();
    assert_eq!(error.kind(), ErrorKind::ClearTimeout);
    let late = error.clear_timeout().unwrap();
    assert_eq!(late.elapsed, DEFAULT_CLEAR_TIMEOUT);
    assert_eq!(late.polls, count.load(Ordering::Relaxed));
    assert_eq!(late.polls as usize, states.len());
    assert_eq!(late.last_state, Some(ContextState::Clearing));
    assert_eq!(late.context_id(), &id());
}

#[tokio::test(start_paused = true)]
async fn a_resumed_wait_keeps_the_start() {
    let wire = clearing_between(Duration::ZERO, Duration::from_secs(7));
    let contexts = Client::on(wire).contexts();
    let clear = contexts.clear(id());
    let error = clear.timeout(Duration::from_secs(4)).await.unwrap_err();
    let handle = contexts.resume(error.clear_timeout().unwrap());
    let cleared = handle.wait().await.unwrap();
    assert!(cleared.elapsed >= Duration::from_secs(7), "{cleared:?}");
    assert!(cleared.elapsed <= Duration::from_secs(8), "{cleared:?}");
}

/// Otherwise, repeated waits with a timeout shorter than the poll interval would never succeed.
#[tokio::test(start_paused = true)]
async fn repeated_short_waits_detect_the_end() {
    let (wire, _) = polls(vec![State("available")]);
    let contexts = Client::on(wire).contexts();
    let clear = contexts.resume_clear(id());
    let error = clear.timeout(Duration::from_millis(900)).await.unwrap_err();
    let handle = contexts.resume(error.clear_timeout().unwrap());
    let cleared = handle.wait().await.unwrap();
    assert_eq!(cleared.elapsed, Duration::from_millis(1800));
    assert!(!cleared.seen_clearing);
}

#[tokio::test(start_paused = true)]
async fn an_unseen_clear_ends_at_a_deadline_before_the_poll_interval() {
    for (timeout, interval) in [(1500, 2000), (1000, 60_000), (30_000, 60_000)] {
        let (wire, _) = polls(vec![State("available")]);
        let clear = Client::on(wire).contexts().clear(id());
        let clear = clear.poll_interval(Duration::from_millis(interval));
        let timeout = Duration::from_millis(timeout);
        let cleared = clear.timeout(timeout).await.unwrap();
        assert_eq!(cleared.elapsed, timeout);
    }
    let (wire, _) = polls(vec![State("available")]);
    let clear = Client::on(wire).contexts().clear(id());
    let error = clear.timeout(Duration::ZERO).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ClearTimeout);
}

#[tokio::test(start_paused = true)]
async fn the_timeout_includes_the_start_and_its_retries() {
    for (timeout, end) in [(7.0, 7.0), (0.0, 1.0)] {
        let began = Instant::now();
        let script = Script::new([Step::status(503)]).then_always(Step::no_response());
        let clear = Client::on(script).contexts().clear(id());
        let timeout = Duration::from_secs_f64(timeout);
        let error = clear.timeout(timeout).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "it may not have started");
        assert_eq!(error.attempts().len(), 2);
        assert_eq!(began.elapsed(), Duration::from_secs_f64(end));
    }
    let mut wire = MockContextApi::new();
    wire.expect_clear_context().returning(|_| {
        Box::pin(async {
            sleep(Duration::from_secs(4)).await;
            ok(()).await
        })
    });
    wire.expect_get_context().returning(|_| state("clearing"));
    let began = Instant::now();
    let clear = Client::on(wire).contexts().clear(id());
    let error = clear.timeout(Duration::from_secs(5)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ClearTimeout);
    assert_eq!(began.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn responses_of_a_gateway_do_not_end_the_wait() {
    let html = |status| Step::status(status).body("<html>no");
    let state = |state: &str| Step::ok(json!({"id": "SdkCtx-1", "state": state}));
    let steps = [400, 401, 403, 404, 405].map(html);
    let steps = [Step::ok(json!(null)), state("clearing")]
        .into_iter()
        .chain(steps)
        .chain([state("available")]);
    let cleared = Client::on(Script::new(steps)).contexts().clear(id());
    assert_eq!(cleared.await.unwrap().polls, 7);
}

#[tokio::test(start_paused = true)]
async fn the_last_failure_is_the_cause_of_a_timeout() {
    let (wire, _) = polls(vec![Failure("ServiceUnavailable")]);
    let (states, error) = collect(start(wire).await.statuses()).await;
    let error = error.unwrap();
    assert_eq!(error.kind(), ErrorKind::ClearTimeout);
    assert_eq!(
        (states, &error.clear_timeout().unwrap().last_state),
        (vec![], &None)
    );
    let cause = std::error::Error::source(&error).unwrap();
    assert!(cause.to_string().contains("ServiceUnavailable"), "{cause}");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_context_ends_the_wait() {
    let (wire, count) = polls(vec![State("clearing"), Failure("InvalidContext.NotFound")]);
    let (states, error) = collect(start(wire).await.statuses()).await;
    assert_eq!(states, [ContextState::Clearing]);
    let error = error.unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.clear_timeout().is_none());
    assert_eq!(count.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_permanent_error_ends_the_wait() {
    let (wire, count) = polls(vec![Failure("Unauthorized.InvalidApiKey")]);
    let handle = start(wire).await;
    let began = Instant::now();
    let error = handle.wait().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(began.elapsed(), Duration::from_millis(100));
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_state_is_reported_and_waited_for() {
    let (wire, _) = polls(vec![
        State("clearing"),
        State("hibernating"),
        State(""),
        State("available"),
    ]);
    let statuses_seen = Arc::new(Mutex::new(Vec::new()));
    let sink = statuses_seen.clone();
    let clear = Client::on(wire)
        .contexts()
        .clear(id())
        .on_status(move |status| sink.lock().unwrap().push(status.clone()));
    let cleared = clear.await.unwrap();
    let statuses_seen = statuses_seen.lock().unwrap();
    let states: Vec<_> = statuses_seen
        .iter()
        .map(|status| status.state.clone())
        .collect();
    assert_eq!(
        states,
        [
            ContextState::Clearing,
            ContextState::Other("hibernating".into()),
            ContextState::Unspecified,
            ContextState::Available,
        ]
    );
    let last = statuses_seen.last().unwrap();
    assert_eq!((last.elapsed, last.polls), (cleared.elapsed, cleared.polls));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_wait_stops_polling() {
    // The mock panics on other calls.
    let (wire, count) = polls(vec![State("clearing")]);
    let handle = start(wire).await;
    let mut statuses = handle.statuses();
    statuses.next().await.unwrap().unwrap();
    assert!(statuses.next().now_or_never().is_none(), "in progress");
    drop(statuses);
    sleep(Duration::from_secs(100)).await;
    assert_eq!(count.load(Ordering::Relaxed), 1);

    let waiting = tokio::time::timeout(Duration::from_millis(50), handle.wait()).await;
    assert!(waiting.is_err(), "still clearing");
    let polls = count.load(Ordering::Relaxed);
    sleep(Duration::from_secs(100)).await;
    assert_eq!(count.load(Ordering::Relaxed), polls);
}

#[tokio::test(start_paused = true)]
async fn dropping_next_loses_nothing() {
    let (wire, count) = polls(vec![State("clearing"), State("available")]);
    let mut statuses = start(wire).await.statuses();
    let short = Duration::from_millis(50);
    assert!(tokio::time::timeout(short, statuses.next()).await.is_err());
    let (states, error) = collect(statuses).await;
    assert_eq!(states, [ContextState::Clearing, ContextState::Available]);
    assert!(error.is_none());
    assert_eq!(count.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn elapsed_starts_with_the_clear() {
    let (wire, _) = polls(vec![State("available")]);
    let handle = start(wire).await;
    sleep(Duration::from_secs(5)).await;
    let called = Instant::now();
    let cleared = handle.wait().await.unwrap();
    assert_eq!(
        (cleared.elapsed, cleared.polls),
        (Duration::from_secs(5), 1)
    );
    assert_eq!(called.elapsed(), Duration::ZERO, "the poll was due");
}

#[tokio::test]
async fn an_invalid_id_is_an_error_when_it_is_used() {
    let contexts = Client::on(MockContextApi::new()).contexts();
    let resume = contexts.resume_clear("");
    let errors = [
        contexts.clear(" ").await.unwrap_err(),
        contexts.clear(String::new()).start().await.unwrap_err(),
        resume.clone().await.unwrap_err(),
        resume.clone().status().await.unwrap_err(),
        resume.statuses().next().await.unwrap().unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert_eq!(error.operation(), Some(Operation::ClearContext));
    }
}

#[test]
fn clear_types_are_send_and_clone() {
    fn send<T: Send>() {}
    fn shared<T: Send + Sync + Clone + std::fmt::Debug>() {}
    send::<ClearStatuses>();
    shared::<Clear>();
    shared::<ResumeClear>();
    shared::<ClearHandle>();
    shared::<ClearTimedOut>();
    let clear = Client::on(MockContextApi::new())
        .contexts()
        .clear(id())
        .on_status(|_| ());
    assert!(format!("{:?}", clear.clone()).contains("Listener"));
}
