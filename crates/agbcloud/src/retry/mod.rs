//! Retries: which failures, how often, how long to wait, and when to stop.
//!
//! Retries happen around a single call of the API, so that everything above (pages, clears, URLs of transfers) has them
//! and nothing above repeats them.

mod attempts;
mod backoff;
mod budget;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(crate) use attempts::{Attempts, RetryContext, is_retryable, run};
pub(crate) use backoff::Jitter;
pub(crate) use budget::{Budget, Overload};

/// How often and how long a call is retried: see [`ClientBuilder::retry`](crate::ClientBuilder::retry).
///
/// A call is retried if the connection failed, if there was no response in time, or if the service or a gateway responded
/// with 408, 429, 500, 502, 503, 504, or with 200 and a code that starts with `Throttling`, `InternalError` or
/// `ServiceUnavailable`. All operations of the service are idempotent; a deletion that finds nothing on a retry succeeds.
///
/// The wait between attempts is a random part of a time that doubles from 200 ms to 20 s (full jitter), and at least the
/// `Retry-After` of the response. All retries of a client and its clones share a budget, so that they do not overload a
/// service that is failing.
///
/// ```
/// use agbcloud::{Client, RetryPolicy};
/// use std::time::Duration;
///
/// let patient = RetryPolicy::default().max_attempts(8).deadline(Duration::from_secs(600));
/// let client = Client::builder().api_key("k").endpoint("localhost:8780").retry(patient).build()?;
/// # Ok::<(), agbcloud::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a policy does nothing until it is given to a builder"]
pub struct RetryPolicy {
    max_attempts: u32,
    deadline: Duration,
    first_wait: Duration,
    max_wait: Duration,
}

impl Default for RetryPolicy {
    /// Four attempts within three minutes.
    fn default() -> Self {
        Self {
            max_attempts: 4,
            deadline: Duration::from_secs(180),
            first_wait: Duration::from_millis(200),
            max_wait: Duration::from_secs(20),
        }
    }
}

impl RetryPolicy {
    /// A single attempt.
    pub fn never() -> Self {
        Self::default().max_attempts(1)
    }

    /// Sets the maximum number of attempts, including the first. Defaults to 4; 0 means 1.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// Sets the time of which the first wait is a random part, and the time up to which it doubles. Defaults to 200 ms
    /// and 20 s.
    pub fn backoff(mut self, first: Duration, max: Duration) -> Self {
        self.first_wait = first;
        self.max_wait = max;
        self
    }

    /// Sets the maximum time of a call with all its attempts and waits. Defaults to three minutes. A wait that would
    /// exceed it is not started, and a running attempt is cancelled.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Whether something without a deadline may wait this long: at most as long as a whole call.
    pub(crate) fn allows(&self, wait: Duration) -> bool {
        wait <= self.deadline
    }

    /// The policy with a deadline of at most `limit`.
    pub(crate) fn within(self, limit: Duration) -> Self {
        let deadline = self.deadline.min(limit);
        self.deadline(deadline)
    }
}
