//! A limit on the retries of a client and its clones together: when most calls fail, retries only add load to a
//! service that is in trouble.

use std::sync::{Mutex, PoisonError};

use crate::ErrorKind;

const FULL: u32 = 500;
const RETRY: u32 = 5;
/// A try that got no answer in time has cost the service the most.
const RETRY_AFTER_TIMEOUT: u32 = 10;

/// A bucket of tokens. Each retry takes some; a success gives back what its retries took, and at least one.
#[derive(Debug)]
pub(crate) struct Budget(Mutex<u32>);

impl Default for Budget {
    fn default() -> Self {
        Self(Mutex::new(FULL))
    }
}

impl Budget {
    /// Takes the tokens for a retry after this failure; `None` if too few are left.
    pub(super) fn take(&self, after: ErrorKind) -> Option<u32> {
        let price = if after == ErrorKind::Timeout {
            RETRY_AFTER_TIMEOUT
        } else {
            RETRY
        };
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *tokens = tokens.checked_sub(price)?;
        Some(price)
    }

    /// A call succeeded whose retries took so many tokens.
    pub(super) fn succeeded(&self, taken: u32) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *tokens = (*tokens + taken.max(1)).min(FULL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_out_and_recovers_with_successes() {
        let budget = Budget::default();
        let mut retries = 0;
        while budget.take(ErrorKind::Connection).is_some() {
            retries += 1;
        }
        assert_eq!(retries, FULL / RETRY);
        for _ in 0..RETRY_AFTER_TIMEOUT {
            assert_eq!(budget.take(ErrorKind::Timeout), None);
            budget.succeeded(0);
        }
        assert_eq!(budget.take(ErrorKind::Timeout), Some(RETRY_AFTER_TIMEOUT));
        budget.succeeded(u32::MAX / 2);
        assert_eq!(*budget.0.lock().unwrap(), FULL, "never more than full");
    }
}
