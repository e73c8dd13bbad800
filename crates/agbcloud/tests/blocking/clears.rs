//! Clears: wait, start, resume.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use agbcloud::{ContextState, ErrorKind};

use crate::support::World;

const SOON: Duration = Duration::from_millis(20);

/// A service whose clears take long enough to be polled.
fn slow() -> World {
    World::with(|builder| builder.clear_delay(Duration::from_secs(1)))
}

#[test]
fn send_waits_and_reports_each_poll_on_the_calling_thread() {
    let world = slow();
    let files = world.files();
    files.upload("/a", &b"hello"[..]).send().unwrap();
    let reported = Arc::new(Mutex::new(Vec::new()));
    let sink = reported.clone();
    let clear = world.client.contexts().clear(files.context_id().unwrap());
    let cleared = clear
        .poll_interval(SOON)
        .on_status(move |status| {
            let report = (thread::current().id(), status.state.clone());
            sink.lock().unwrap().push(report);
        })
        .send()
        .unwrap();
    let reported = reported.lock().unwrap();
    assert_eq!(reported.len(), cleared.polls as usize);
    assert!(
        reported
            .iter()
            .all(|(thread, _)| *thread == thread::current().id())
    );
    assert_eq!(reported.first().unwrap().1, ContextState::Clearing);
    assert_eq!(reported.last().unwrap().1, ContextState::Available);
    assert_eq!(files.list().send().unwrap().total_count, Some(0));
}

#[test]
fn a_handle_of_a_started_clear_polls_and_waits() {
    let world = slow();
    let context = world.context("one");
    let contexts = world.client.contexts();
    let handle = contexts
        .clear(&context.id)
        .poll_interval(SOON)
        .start()
        .unwrap();
    assert!(handle.request_id().is_some());
    assert_eq!(handle.context_id(), &context.id);
    assert_eq!(handle.status().send().unwrap(), ContextState::Clearing);

    let mut statuses = handle.statuses();
    let states: Vec<_> = statuses
        .by_ref()
        .map(|status| status.unwrap().state)
        .collect();
    let (last, before) = states.split_last().unwrap();
    assert_eq!(*last, ContextState::Available);
    assert!(!before.is_empty() && before.iter().all(|state| *state == ContextState::Clearing));
    assert!(statuses.next().is_none());

    let resumed = contexts.resume_clear(&context.id).poll_interval(SOON);
    assert!(!resumed.send().unwrap().was_clearing());
}

#[test]
fn a_clear_that_timed_out_is_resumed() {
    let world = slow();
    let context = world.context("one");
    let contexts = world.client.contexts();
    let clear = contexts.clear(&context.id).poll_interval(SOON);
    let error = clear.timeout(Duration::from_millis(50)).send().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ClearTimeout);
    let late = error.clear_timeout().unwrap();
    assert_eq!(late.last_state, Some(ContextState::Clearing));

    let still = contexts.resume(late).wait().unwrap_err();
    assert_eq!(
        still.kind(),
        ErrorKind::ClearTimeout,
        "the timeout is unchanged"
    );
    let cleared = contexts
        .resume(late)
        .timeout(Duration::from_secs(60))
        .wait();
    assert!(cleared.unwrap().elapsed > still.clear_timeout().unwrap().elapsed);
}

#[test]
fn a_clear_of_a_missing_context_is_not_found() {
    let world = World::new();
    let contexts = world.client.contexts();
    let none = agbcloud::ContextId::new("SdkCtx-none").unwrap();
    for error in [
        contexts.clear(&none).send().unwrap_err(),
        contexts.clear(&none).start().unwrap_err(),
        contexts.resume_clear(&none).status().send().unwrap_err(),
        contexts.resume_clear(&none).send().unwrap_err(),
        contexts
            .resume_clear(&none)
            .statuses()
            .next()
            .unwrap()
            .unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
}
