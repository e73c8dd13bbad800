//! Reads the clock and sleeps.

#![expect(
    clippy::disallowed_methods,
    reason = "the only place that reads the clock or sleeps"
)]

use std::time::{Duration, Instant, SystemTime};

pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

pub(crate) fn instant() -> Instant {
    Instant::now()
}

pub(crate) async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Returns `None` if the work takes longer than `time`.
pub(crate) async fn timeout<T>(time: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, work).await.ok()
}
