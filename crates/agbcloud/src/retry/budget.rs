//! What the calls of a client and its clones share: the budget of their retries, and the count of overload responses.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use crate::error::ErrorKind;

const CAPACITY: u32 = 500;
const RETRY_COST: u32 = 5;
/// An attempt without a response in time has cost the service the most.
const TIMEOUT_RETRY_COST: u32 = 10;

/// A token bucket that limits retries: when most calls fail, retries only add load to a failing service. Each retry takes
/// tokens; a success returns those of its retries, and at least one.
#[derive(Debug)]
pub(crate) struct Budget(Mutex<u32>);

impl Default for Budget {
    fn default() -> Self {
        Self(Mutex::new(CAPACITY))
    }
}

impl Budget {
    /// Takes the tokens for a retry after this kind of failure; `None` if too few are left.
    pub(super) fn take(&self, failure: ErrorKind) -> Option<u32> {
        let cost = if failure == ErrorKind::Timeout {
            TIMEOUT_RETRY_COST
        } else {
            RETRY_COST
        };
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *tokens = tokens.checked_sub(cost)?;
        Some(cost)
    }

    /// Returns the tokens that a successful call took, and at least one.
    pub(super) fn refund(&self, taken: u32) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *tokens = (*tokens + taken.max(1)).min(CAPACITY);
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
        let budget = Budget::default();
        let mut retries = 0;
        while budget.take(ErrorKind::Connection).is_some() {
            retries += 1;
        }
        assert_eq!(retries, CAPACITY / RETRY_COST);
        for _ in 0..TIMEOUT_RETRY_COST {
            assert_eq!(budget.take(ErrorKind::Timeout), None);
            budget.refund(0);
        }
        assert_eq!(budget.take(ErrorKind::Timeout), Some(TIMEOUT_RETRY_COST));
        budget.refund(u32::MAX / 2);
        assert_eq!(*budget.0.lock().unwrap(), CAPACITY, "never above capacity");
    }
}
