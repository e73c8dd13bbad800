//! How often and how long a call is tried.

use std::time::Duration;

/// How often and how long a call is tried: see [`ClientBuilder::retry`](crate::ClientBuilder::retry).
///
/// A call is tried again when the connection failed, no answer came in time, or the service or a gateway
/// said 408, 429, 500, 502, 503, 504, or inside a good answer a code that begins with `Throttling`, `InternalError` or
/// `ServiceUnavailable`. All operations of the service
/// can be repeated without doing more than once; a deletion that finds nothing left on a retry has succeeded.
///
/// Between tries is a random part of a time that doubles from 200 ms to 20 s (full jitter), and never less than the
/// service asked for by `Retry-After`. All retries of a client and its clones share a budget, so that a service in
/// trouble is not flooded by them.
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
    pub(super) max_attempts: u32,
    pub(super) deadline: Duration,
    pub(super) first_wait: Duration,
    pub(super) longest_wait: Duration,
}

impl Default for RetryPolicy {
    /// Four tries within three minutes.
    fn default() -> Self {
        Self {
            max_attempts: 4,
            deadline: Duration::from_secs(180),
            first_wait: Duration::from_millis(200),
            longest_wait: Duration::from_secs(20),
        }
    }
}

impl RetryPolicy {
    /// One try.
    pub fn never() -> Self {
        Self::default().max_attempts(1)
    }

    /// Tries in all, the first included; 0 means 1.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// The time that the first wait is a random part of, and the one that it doubles to; 200 ms and 20 s if not
    /// said.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.first_wait = first;
        self.longest_wait = longest;
        self
    }

    /// How long a call with all its tries and the waits between them may take. It is never slept past: a wait
    /// that would be is not begun, and a try that is under way is ended.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Whether what has no deadline may be kept waiting for so long: not for longer than a call would.
    pub(crate) fn allows(&self, wait: Duration) -> bool {
        wait <= self.deadline
    }

    /// The same with no more time than this.
    pub(crate) fn within(self, limit: Duration) -> Self {
        let deadline = self.deadline.min(limit);
        self.deadline(deadline)
    }
}
