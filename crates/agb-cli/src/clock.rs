//! The time: asked for here alone, since a command line has nobody who could give another.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, SystemTime};

pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

pub(crate) async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}

/// What comes in time.
pub(crate) async fn within<T>(time: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, work).await.ok()
}
