//! The retry loop.

use std::time::{Duration, Instant};

use super::{Jitter, Overload, RateLimiter, RetryBudget, RetryPolicy, backoff};
use crate::{
    clock::Time,
    error::{Attempt, Error, ErrorKind, Result, StoppedBy},
};

/// What retries of a client depend on.
#[derive(Clone, Copy)]
pub(crate) struct RetryContext<'a> {
    pub(crate) policy: &'a RetryPolicy,
    pub(crate) budget: &'a RetryBudget,
    /// Of calls. Requests to presigned URLs have another one.
    pub(crate) limiter: &'a RateLimiter,
    pub(crate) overload: &'a Overload,
    pub(crate) jitter: &'a Jitter,
    pub(crate) time: &'a Time,
    /// Maximum time of one attempt; `None` if the HTTP client limits it.
    pub(crate) timeout: Option<Duration>,
}

/// Repeats `once` until it succeeds or must not be repeated. `once` and `forgive` get the failed attempts so far; `forgive`
/// can turn a failure into a success. All operations are idempotent: the name is the key of what is created, and a clear
/// during a clear starts nothing.
pub(crate) async fn run<T, F: Future<Output = Result<T>>>(
    context: RetryContext<'_>,
    mut once: impl FnMut(&[Attempt]) -> F,
    forgive: impl Fn(&[Attempt], Error) -> Result<T>,
) -> Result<T> {
    let deadline = context.time.later(context.policy.deadline);
    let mut attempts = Attempts::new(context, Some(deadline));
    loop {
        let sent = attempts.acquire(deadline).await?;
        let result = context.limited(deadline, once(attempts.failures())).await;
        context.record(sent, result.as_ref().err());
        match result.or_else(|error| forgive(attempts.failures(), error)) {
            Ok(value) => {
                attempts.succeeded();
                return Ok(value);
            }
            Err(error) => {
                let retryable = is_retryable(&error);
                attempts.failed(error, retryable).await?;
            }
        }
    }
}

impl<'a> RetryContext<'a> {
    pub(crate) fn with(self, policy: &'a RetryPolicy) -> Self {
        Self { policy, ..self }
    }

    /// Adapts the rate of requests to the result of one.
    fn record(&self, sent: Instant, error: Option<&Error>) {
        // Without a response nothing is known.
        if error.is_none_or(|error| error.status().is_some() || is_overload(error)) {
            let throttled = error.is_some_and(is_overload);
            self.limiter.record(sent, self.time.now(), throttled);
        }
    }

    /// Runs one attempt, limited by its timeout and by the deadline of the call.
    async fn limited<T>(
        &self,
        deadline: Instant,
        once: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let left = deadline.saturating_duration_since(self.time.now());
        let timeout = self.timeout.filter(|timeout| *timeout < left);
        let done = self.time.within(timeout.unwrap_or(left), once).await;
        done.unwrap_or_else(|| {
            Err(match timeout {
                Some(_) => Error::no_response(),
                None => deadline_exceeded(self.policy.deadline),
            })
        })
    }
}

/// Whether the same call can succeed if it is sent again.
pub(crate) fn is_retryable(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Connection | ErrorKind::Timeout | ErrorKind::Throttled => true,
        // Below 400, the code of the envelope decides.
        ErrorKind::Unavailable => {
            matches!(error.status(), None | Some(..400 | 500 | 502 | 503 | 504))
        }
        _ => false,
    }
}

/// Whether the service asks for fewer requests: it throttles, or requests a wait before the same call. Such a wait costs no
/// budget, since the service has chosen it.
pub(crate) fn is_overload(error: &Error) -> bool {
    error.kind() == ErrorKind::Throttled
        || is_retryable(error) && error.retry_after().is_some_and(|wait| !wait.is_zero())
}

fn deadline_exceeded(deadline: Duration) -> Error {
    let message = format!("no success within {:.1} s", deadline.as_secs_f64());
    Error::new(ErrorKind::Timeout, message)
}

/// The failed attempts of one call or transfer.
pub(crate) struct Attempts<'a> {
    context: RetryContext<'a>,
    /// No wait exceeds it.
    deadline: Option<Instant>,
    failures: Vec<Attempt>,
    /// Failures since the last progress.
    in_a_row: u32,
    /// Those of them that count towards the maximum number of attempts.
    counted: u32,
    /// Time waited after throttling since the last progress.
    throttled: Duration,
    /// Tokens taken from the budget.
    tokens: u32,
}

impl<'a> Attempts<'a> {
    pub(crate) fn new(context: RetryContext<'a>, deadline: Option<Instant>) -> Self {
        Self {
            context,
            deadline,
            failures: Vec::new(),
            in_a_row: 0,
            counted: 0,
            throttled: Duration::ZERO,
            tokens: 0,
        }
    }

    /// The failed attempts so far.
    pub(crate) fn failures(&self) -> &[Attempt] {
        &self.failures
    }

    /// Records progress: earlier failures no longer count towards the maximum number of attempts.
    pub(crate) fn progressed(&mut self) {
        self.in_a_row = 0;
        self.counted = 0;
        self.throttled = Duration::ZERO;
    }

    pub(crate) fn succeeded(&self) {
        self.context.budget.refund(self.tokens);
    }

    /// Waits until the rate limiter of the client permits a request, and returns the time.
    async fn acquire(&mut self, deadline: Instant) -> Result<Instant> {
        let RetryContext { limiter, time, .. } = self.context;
        let left = deadline.saturating_duration_since(time.now());
        if let Some(sent) = time.within(left, limiter.acquire(time)).await {
            return Ok(sent);
        }
        let error = Error::rate_limited(limiter.rate(time.now()));
        self.failures.push(Attempt::of(&error));
        let attempts = std::mem::take(&mut self.failures);
        Err(error.with_attempts(attempts, StoppedBy::Deadline))
    }

    /// Records a failure and waits until the next attempt is due.
    ///
    /// # Errors
    ///
    /// The failure with all attempts, if there must not be another attempt.
    pub(crate) async fn failed(&mut self, error: Error, retryable: bool) -> Result<()> {
        self.failures.push(Attempt::of(&error));
        if !retryable && error.status().is_some() {
            // A service that rejects an invalid call works.
            self.succeeded();
        }
        self.context.overload.record_failure(error.kind());
        let RetryContext {
            policy,
            jitter,
            time,
            ..
        } = self.context;
        let throttling = error.kind() == ErrorKind::Throttled;
        self.in_a_row = self.in_a_row.saturating_add(1);
        if policy.counts_throttled() || !throttling {
            self.counted = self.counted.saturating_add(1);
        }
        let limit = match self.deadline {
            Some(end) => end.saturating_duration_since(time.now()),
            None => policy.deadline.saturating_sub(self.throttled),
        };
        let wait = backoff::wait(policy, self.in_a_row, error.retry_after(), limit, jitter);
        let in_time = match self.deadline {
            Some(_) => wait < limit,
            // Only throttling can last for more attempts than the policy allows.
            None if throttling => wait <= limit,
            None => policy.allows(wait),
        };
        match self.take_tokens(&error, retryable, in_time) {
            Ok(tokens) => self.tokens += tokens,
            Err(stopped_by) => {
                let attempts = std::mem::take(&mut self.failures);
                return Err(error.with_attempts(attempts, stopped_by));
            }
        }
        tracing::debug!(attempts = self.failures.len(), ?wait, %error, "retrying");
        if let Some(last) = self.failures.last_mut() {
            last.wait = Some(wait);
        }
        if throttling {
            self.throttled = self.throttled.saturating_add(wait);
        }
        time.sleep(wait).await;
        Ok(())
    }

    /// Takes the tokens for another attempt from the budget, or says why there must not be one.
    fn take_tokens(&self, error: &Error, retryable: bool, in_time: bool) -> Result<u32, StoppedBy> {
        if !retryable {
            Err(StoppedBy::NotRetryable)
        } else if !self.context.policy.allows_attempt(self.counted) {
            Err(StoppedBy::Attempts)
        } else if !in_time {
            Err(StoppedBy::Deadline)
        } else if is_overload(error) {
            Ok(0)
        } else {
            let budget = self.context.budget;
            budget.take(error.kind()).ok_or(StoppedBy::Budget)
        }
    }
}
