//! [`PartialFailures`]: continues after a failure of one of several files.

use crate::{
    failure::{Code, Failure},
    stderr,
};

/// Counts the arguments that failed.
pub(super) struct PartialFailures {
    total: usize,
    failed: usize,
}

impl PartialFailures {
    pub(super) fn new(total: usize) -> Self {
        Self { total, failed: 0 }
    }

    /// Prints and counts a failure of one of several arguments. Returns the failure if the others would fail too.
    pub(super) fn record(&mut self, result: Result<(), Failure>) -> Result<(), Failure> {
        match result {
            Err(failure) if self.total > 1 && is_of_one(failure.code()) => {
                stderr::failure(&failure);
                self.failed += 1;
                Ok(())
            }
            result => result,
        }
    }

    pub(super) fn finish(self) -> Result<(), Failure> {
        match self.failed {
            0 => Ok(()),
            failed => Err(Failure::with_code(
                Code::Partial,
                format!("{failed} of {} failed", self.total),
            )),
        }
    }
}

fn is_of_one(code: Code) -> bool {
    matches!(
        code,
        Code::NotFound | Code::Usage | Code::Conflict | Code::Partial
    )
}
