//! A clear of an earlier process: what the wait for it returns.

use super::*;

#[tokio::test(start_paused = true)]
async fn elapsed_starts_with_the_call_for_a_resumed_clear() {
    let (wire, _) = polls(vec![State("available")]);
    let clear = Client::on(wire).contexts().resume_clear(id());
    sleep(Duration::from_secs(5)).await;
    let resumed = clear.await.unwrap();
    assert_eq!(resumed.cleared().elapsed, DEFAULT_POLL_INTERVAL);
    assert!(matches!(resumed, Resumed::NotClearing(_)), "{resumed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_clear_that_is_seen_is_cleared() {
    let (wire, _) = polls(vec![State("clearing"), State("available")]);
    let resumed = Client::on(wire).contexts().resume_clear("SdkCtx-1").await;
    let Resumed::Cleared(cleared) = resumed.unwrap() else {
        panic!("it was clearing");
    };
    assert!(cleared.seen_clearing);
}
