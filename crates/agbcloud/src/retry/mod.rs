//! Retries: which failures, how often, how long to wait, and when to stop.
//!
//! Retries happen around a single call of the API, so that everything above (pages, clears, URLs of transfers) has them
//! and nothing above repeats them.

mod attempts;
mod backoff;
mod budget;
#[cfg(test)]
mod fleet_tests;
mod rate_limiter;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(crate) use attempts::{Attempts, RetryContext, is_overload, is_retryable, run};
pub(crate) use backoff::{Jitter, conflict_wait};
pub(crate) use budget::Overload;
pub use budget::RetryBudget;
pub(crate) use rate_limiter::RateLimiter;

/// The default maximum number of attempts.
const MAX_ATTEMPTS: u32 = 4;

/// How often and how long a call is retried: see [`ClientBuilder::retry`](crate::ClientBuilder::retry).
///
/// A call is retried if the connection failed, if there was no response in time, or if the service or a gateway responded
/// with 408, 429, 500, 502, 503, 504, or with 200 and a code that starts with `Throttling`, `InternalError` or
/// `ServiceUnavailable`. All operations of the service are idempotent; a deletion that finds nothing on a retry succeeds.
///
/// The wait between attempts is a random part of a time that doubles from 200 ms to 20 s (full jitter). After a response with
/// `Retry-After`, the call waits for the requested time, and a random part of half of that time, or of the doubling time if
/// that is longer, on top.
///
/// Attempts that the service throttled ([`ErrorKind::Throttled`](crate::ErrorKind::Throttled)) do not count towards the
/// default maximum of 4: only the deadline limits them. [`max_attempts`](Self::max_attempts) makes them count, so that it
/// limits all attempts of a call.
///
/// A client and its clones share a [`RetryBudget`](crate::RetryBudget), so that they do not overload a service that is
/// failing, and an adaptive rate limiter, so that they do not exceed the limit of a service that throttles: see
/// [`ClientBuilder::adaptive_rate_limit`](crate::ClientBuilder::adaptive_rate_limit).
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
    /// Defaults to [`MAX_ATTEMPTS`].
    max_attempts: Option<u32>,
    deadline: Duration,
    first_wait: Duration,
    max_wait: Duration,
    /// Whether attempts that the service throttled count. Defaults to whether `max_attempts` is set.
    counts_throttled: Option<bool>,
}

impl Default for RetryPolicy {
    /// Four attempts, not counting those that were throttled, within three minutes.
    fn default() -> Self {
        Self {
            max_attempts: None,
            deadline: Duration::from_secs(180),
            first_wait: Duration::from_millis(200),
            max_wait: Duration::from_secs(20),
            counts_throttled: None,
        }
    }
}

impl RetryPolicy {
    /// A single attempt.
    pub fn never() -> Self {
        Self::default().max_attempts(1)
    }

    /// Sets the maximum number of attempts, including the first and those that the service throttled. Defaults to 4 without
    /// those that were throttled; 0 means 1.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts.max(1));
        self
    }

    /// Sets whether attempts that the service throttled count towards the maximum number of attempts. Defaults to false
    /// without [`max_attempts`](Self::max_attempts), and to true with it.
    ///
    /// ```
    /// use agbcloud::RetryPolicy;
    ///
    /// // Two attempts that fail, and any number that are throttled.
    /// let policy = RetryPolicy::default().max_attempts(2).count_throttled(false);
    /// ```
    pub fn count_throttled(mut self, count: bool) -> Self {
        self.counts_throttled = Some(count);
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
    /// exceed it is not started, and a running attempt is cancelled. A transfer has no deadline; this is then the maximum time
    /// that it waits because of throttling without progress.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Whether a further attempt is allowed after this number of attempts that count.
    fn allows_attempt(&self, counted: u32) -> bool {
        counted < self.max_attempts.unwrap_or(MAX_ATTEMPTS)
    }

    fn counts_throttled(&self) -> bool {
        self.counts_throttled.unwrap_or(self.max_attempts.is_some())
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
