//! The loop.

use std::time::{Duration, Instant};

use super::{Attempt, Budget, Jitter, RetryPolicy, StoppedBy, backoff};
use crate::{Error, ErrorKind, Result, clock::Time};

/// What a client retries with.
pub(crate) struct Retrying<'a> {
    pub(crate) policy: &'a RetryPolicy,
    pub(crate) budget: &'a Budget,
    pub(crate) jitter: &'a Jitter,
    pub(crate) time: &'a Time,
    /// How long one try may take; `None` where that is seen to elsewhere.
    pub(crate) timeout: Option<Duration>,
}

/// Tries until it succeeds or there is a reason to stop. `once` is told what went wrong before, and `forgive` may take
/// a failure for a success in the light of that.
pub(crate) async fn run<T, F: Future<Output = Result<T>>>(
    with: Retrying<'_>,
    mut once: impl FnMut(&[Attempt]) -> F,
    forgive: impl Fn(&[Attempt], Error) -> Result<T>,
) -> Result<T> {
    let deadline = with.time.later(with.policy.deadline);
    let mut attempts: Vec<Attempt> = Vec::new();
    let mut taken = 0;
    loop {
        let result = with.limited(deadline, once(&attempts)).await;
        let error = match result.or_else(|error| forgive(&attempts, error)) {
            Ok(value) => {
                with.budget.succeeded(taken);
                return Ok(value);
            }
            Err(error) => error,
        };
        attempts.push(attempt(&error));
        let tried = u32::try_from(attempts.len()).unwrap_or(u32::MAX);
        let wait = backoff::wait(with.policy, tried, error.retry_after(), with.jitter);
        match with.may_go_on(&error, tried, with.time.later(wait) < deadline) {
            Ok(price) => taken += price,
            Err(stop) => return Err(error.with_attempts(attempts, stop)),
        }
        tracing::debug!(tried, ?wait, %error, "trying again");
        if let Some(last) = attempts.last_mut() {
            last.wait = Some(wait);
        }
        with.time.sleep(wait).await;
    }
}

impl Retrying<'_> {
    /// One try, that ends when its own time or that of the whole call is over.
    async fn limited<T>(
        &self,
        deadline: Instant,
        once: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let left = deadline.saturating_duration_since(self.time.now());
        let own = self.timeout.filter(|timeout| *timeout < left);
        let done = self.time.within(own.unwrap_or(left), once).await;
        done.unwrap_or_else(|| {
            Err(match own {
                Some(_) => Error::no_answer(),
                None => out_of_time(self.policy.deadline),
            })
        })
    }

    /// Whether to try once more, and what that takes from the budget.
    fn may_go_on(&self, error: &Error, tried: u32, in_time: bool) -> Result<u32, StoppedBy> {
        if !is_retryable(error) {
            Err(StoppedBy::NotRetryable)
        } else if tried >= self.policy.max_attempts {
            Err(StoppedBy::Attempts)
        } else if !in_time {
            Err(StoppedBy::Deadline)
        } else {
            self.budget.take(error.kind()).ok_or(StoppedBy::Budget)
        }
    }
}

fn attempt(error: &Error) -> Attempt {
    Attempt {
        kind: error.kind(),
        status: error.status(),
        request_id: error.request_id().map(str::to_owned),
        wait: None,
        sent: error.was_sent(),
    }
}

/// Whether the same call can succeed if it is sent once more.
fn is_retryable(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Connection | ErrorKind::Timeout | ErrorKind::Throttled => true,
        // A failure inside a good answer is told by its code; of the other statuses these pass.
        ErrorKind::Unavailable => {
            matches!(error.status(), None | Some(..400 | 500 | 502 | 503 | 504))
        }
        _ => false,
    }
}

fn out_of_time(deadline: Duration) -> Error {
    let message = format!("no good answer within {:.1} s", deadline.as_secs_f64());
    Error::new(ErrorKind::Timeout, message)
}

#[cfg(test)]
mod tests;
