//! What the calls of a client and its clones share: the budget of their retries, and the count of overload responses.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use crate::{error::ErrorKind, lock::lock};

/// Limits the retries of all calls that share it: when most calls fail, retries only add load to a failing service.
///
/// A token bucket, which starts full. A retry takes [`RETRY_COST`](Self::RETRY_COST) tokens, and
/// [`TIMEOUT_RETRY_COST`](Self::TIMEOUT_RETRY_COST) after a timeout. A successful call returns the tokens of its retries,
/// and at least 1. A retry for which too few tokens are left is not made, and the call fails with
/// [`StoppedBy::Budget`](crate::StoppedBy::Budget). The wait that the service requests costs nothing: a retry after
/// throttling, or after a response with `Retry-After`.
///
/// A client and its clones share one budget. Clones of a budget share its tokens, so several clients can have the same one:
/// see [`ClientBuilder::retry_budget`](crate::ClientBuilder::retry_budget).
///
/// ```
/// use agbcloud::{Client, RetryBudget};
///
/// let builder = Client::builder().api_key("k").endpoint("localhost:8780");
/// let client = builder.retry_budget(RetryBudget::new(50)).build()?;
/// assert_eq!(client.retry_budget().capacity(), 50);
/// let retries = client.retry_budget().available() / RetryBudget::RETRY_COST;
/// assert_eq!(retries, 10);
/// # Ok::<(), agbcloud::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct RetryBudget(Arc<TokenBucket>);

#[derive(Debug)]
struct TokenBucket {
    capacity: u32,
    tokens: Mutex<u32>,
}

impl Default for RetryBudget {
    /// A budget of [`DEFAULT_CAPACITY`](Self::DEFAULT_CAPACITY).
    fn default() -> Self {
        Self::new(Self::DEFAULT_CAPACITY)
    }
}

impl RetryBudget {
    /// The default capacity, in tokens: for 100 retries, or 50 after timeouts.
    pub const DEFAULT_CAPACITY: u32 = 500;

    /// The tokens that a retry takes.
    pub const RETRY_COST: u32 = 5;

    /// The tokens that a retry after a timeout takes. An attempt without a response in time has cost the service the most.
    pub const TIMEOUT_RETRY_COST: u32 = 10;

    /// Creates a full budget with this capacity in tokens. With 0 only requested waits are followed by a retry.
    pub fn new(capacity: u32) -> Self {
        Self(Arc::new(TokenBucket {
            capacity,
            tokens: Mutex::new(capacity),
        }))
    }

    /// Creates a budget that never runs out. [`RetryPolicy`](crate::RetryPolicy) still limits each call.
    pub fn unlimited() -> Self {
        Self::new(u32::MAX)
    }

    /// Returns the capacity in tokens; `u32::MAX` if the budget is [unlimited](Self::unlimited).
    pub fn capacity(&self) -> u32 {
        self.0.capacity
    }

    /// Returns the tokens that are left.
    pub fn available(&self) -> u32 {
        *lock(&self.0.tokens)
    }

    /// Takes the tokens for a retry after this kind of failure; `None` if too few are left.
    pub(super) fn take(&self, failure: ErrorKind) -> Option<u32> {
        let cost = match failure {
            _ if self.0.capacity == u32::MAX => 0,
            ErrorKind::Timeout => Self::TIMEOUT_RETRY_COST,
            _ => Self::RETRY_COST,
        };
        let mut tokens = lock(&self.0.tokens);
        *tokens = tokens.checked_sub(cost)?;
        Some(cost)
    }

    /// Returns the tokens that a successful call took, and at least one.
    pub(super) fn refund(&self, taken: u32) {
        let mut tokens = lock(&self.0.tokens);
        *tokens = tokens.saturating_add(taken.max(1)).min(self.0.capacity);
    }
}

/// Counts the responses that report an overload of the service or the object store. Clones share the count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overload(Arc<AtomicU64>);

impl Overload {
    /// Counts a failure if it reports an overload.
    pub(super) fn record_failure(&self, failure: ErrorKind) {
        if matches!(failure, ErrorKind::Throttled | ErrorKind::Unavailable) {
            self.record();
        }
    }

    pub(crate) fn record(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_runs_out_and_recovers_with_successes() {
        let budget = RetryBudget::default();
        let mut retries = 0;
        while budget.take(ErrorKind::Connection).is_some() {
            retries += 1;
        }
        assert_eq!(retries, 100);
        for _ in 0..RetryBudget::TIMEOUT_RETRY_COST {
            assert_eq!(budget.take(ErrorKind::Timeout), None);
            budget.clone().refund(0);
        }
        let cost = budget.take(ErrorKind::Timeout);
        assert_eq!(cost, Some(RetryBudget::TIMEOUT_RETRY_COST));
        budget.refund(u32::MAX / 2);
        assert_eq!(
            budget.available(),
            budget.capacity(),
            "never above capacity"
        );
    }

    #[test]
    fn an_unlimited_budget_never_runs_out() {
        let budget = RetryBudget::unlimited();
        budget.take(ErrorKind::Timeout).unwrap();
        assert_eq!(budget.available(), u32::MAX);
        assert_eq!(RetryBudget::new(0).take(ErrorKind::Connection), None);
    }
}
