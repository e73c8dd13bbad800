//! [`PartialFailures`]: a command continues with its other operands after one failed.

use crate::{
    failure::{Code, Failure},
    stderr,
};

/// Counts the failed operands of a command.
pub(super) struct PartialFailures {
    total: usize,
    failed: usize,
}

impl PartialFailures {
    pub(super) fn new(total: usize) -> Self {
        Self { total, failed: 0 }
    }

    /// Adds operands, such as the matches of a glob.
    pub(super) fn add(&mut self, operands: usize) {
        self.total += operands;
    }

    /// Whether the command has several operands.
    pub(super) fn has_several(&self) -> bool {
        self.total > 1
    }

    /// Prints and counts a failure of one of several operands. Returns the failure if the others would fail too.
    pub(super) fn record(&mut self, result: Result<(), Failure>) -> Result<(), Failure> {
        match result {
            Err(failure) if self.has_several() && is_of_one(failure.code) => {
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

/// Whether a failure concerns one operand only.
fn is_of_one(code: Code) -> bool {
    matches!(
        code,
        Code::NotFound | Code::Usage | Code::Conflict | Code::Partial | Code::Other
    )
}
