//! The loop around one call.

use std::time::{Duration, Instant};

use super::{Attempt, Budget, Jitter, RetryPolicy, Strain, Tries};
use crate::{Error, ErrorKind, Result, clock::Time};

/// What a client retries with.
#[derive(Clone, Copy)]
pub(crate) struct Retrying<'a> {
    pub(crate) policy: &'a RetryPolicy,
    pub(crate) budget: &'a Budget,
    pub(crate) strain: &'a Strain,
    pub(crate) jitter: &'a Jitter,
    pub(crate) time: &'a Time,
    /// How long one try may take; `None` where that is seen to elsewhere.
    pub(crate) timeout: Option<Duration>,
}

/// Repeats `once` until it succeeds or must not be repeated. `once` and `forgive` get the failed attempts so far; `forgive`
/// can turn a failure into a success. All operations are idempotent: the name is the key of what is created, and a clear
/// during a clear starts nothing.
pub(crate) async fn run<T, F: Future<Output = Result<T>>>(
    with: Retrying<'_>,
    mut once: impl FnMut(&[Attempt]) -> F,
    forgive: impl Fn(&[Attempt], Error) -> Result<T>,
) -> Result<T> {
    let deadline = with.time.later(with.policy.deadline);
    let mut tries = Tries::new(with, Some(deadline));
    loop {
        let result = with.limited(deadline, once(tries.before())).await;
        match result.or_else(|error| forgive(tries.before(), error)) {
            Ok(value) => {
                tries.succeeded();
                return Ok(value);
            }
            Err(error) => {
                let retryable = is_retryable(&error);
                tries.failed(error, retryable).await?;
            }
        }
    }
}

impl<'a> Retrying<'a> {
    pub(crate) fn with(self, policy: &'a RetryPolicy) -> Self {
        Self { policy, ..self }
    }

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
}

/// Whether the same call can succeed if it is sent once more.
pub(crate) fn is_retryable(error: &Error) -> bool {
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
