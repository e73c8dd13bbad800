//! Limits the duration of work.

use std::time::Duration;

/// Runs the work for at most this time. `None` if the time is over; the work is dropped.
#[expect(
    clippy::disallowed_methods,
    reason = "bounds a call to the network, in real time"
)]
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}

/// A time in the future.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(tokio::time::Instant);

impl Deadline {
    #[expect(
        clippy::disallowed_methods,
        reason = "bounds calls to the network, in real time"
    )]
    pub(crate) fn after(limit: Duration) -> Self {
        Self(tokio::time::Instant::now() + limit)
    }

    /// Runs the work until the deadline. `None` if it has passed.
    #[expect(
        clippy::disallowed_methods,
        reason = "bounds calls to the network, in real time"
    )]
    pub(crate) async fn limit<T>(self, work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout_at(self.0, work).await.ok()
    }
}
