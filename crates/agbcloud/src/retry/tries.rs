//! What was tried so far, and whether to go on.

use std::time::Instant;

use super::{Attempt, Retrying, StoppedBy, backoff};
use crate::{Error, Result};

/// The tries of one call or transfer.
pub(crate) struct Tries<'a> {
    with: Retrying<'a>,
    /// Never slept past.
    deadline: Option<Instant>,
    attempts: Vec<Attempt>,
    /// Tries since something was last achieved.
    in_vain: u32,
    /// Tokens of the budget.
    taken: u32,
}

impl<'a> Tries<'a> {
    pub(crate) fn new(with: Retrying<'a>, deadline: Option<Instant>) -> Self {
        Self {
            with,
            deadline,
            attempts: Vec::new(),
            in_vain: 0,
            taken: 0,
        }
    }

    /// What went wrong before.
    pub(crate) fn before(&self) -> &[Attempt] {
        &self.attempts
    }

    /// It has come further: what was tried before counts no more towards the number that is allowed.
    pub(crate) fn achieved(&mut self) {
        self.in_vain = 0;
    }

    pub(crate) fn succeeded(&self) {
        self.with.budget.succeeded(self.taken);
    }

    /// Waits until it is time for the next try.
    ///
    /// # Errors
    ///
    /// This failure, with all that was tried, if it is the last.
    pub(crate) async fn failed(&mut self, error: Error, retryable: bool) -> Result<()> {
        self.attempts.push(Attempt::of(&error));
        if !retryable && error.status().is_some() {
            // A service that refuses what is wrong is in no trouble.
            self.succeeded();
        }
        self.with.strain.heard(error.kind());
        self.in_vain = self.in_vain.saturating_add(1);
        let Retrying {
            policy,
            jitter,
            time,
            ..
        } = self.with;
        let wait = backoff::wait(policy, self.in_vain, error.retry_after(), jitter);
        let in_time = match self.deadline {
            Some(end) => time.later(wait) < end,
            None => policy.allows(wait),
        };
        match self.may_go_on(&error, retryable, in_time) {
            Ok(price) => self.taken += price,
            Err(stop) => {
                let attempts = std::mem::take(&mut self.attempts);
                return Err(error.with_attempts(attempts, stop));
            }
        }
        tracing::debug!(tried = self.attempts.len(), ?wait, %error, "trying again");
        if let Some(last) = self.attempts.last_mut() {
            last.wait = Some(wait);
        }
        time.sleep(wait).await;
        Ok(())
    }

    /// Whether to try once more, and what that takes from the budget.
    fn may_go_on(&self, error: &Error, retryable: bool, in_time: bool) -> Result<u32, StoppedBy> {
        if !retryable {
            Err(StoppedBy::NotRetryable)
        } else if self.in_vain >= self.with.policy.max_attempts {
            Err(StoppedBy::Attempts)
        } else if !in_time {
            Err(StoppedBy::Deadline)
        } else {
            self.with.budget.take(error.kind()).ok_or(StoppedBy::Budget)
        }
    }
}
