//! Why a chore failed, and what to do about it.

use std::fmt;

/// Shown as `error: …`, then `mend: …`.
#[derive(Debug)]
pub(crate) struct Failure {
    problem: String,
    mend: String,
}

impl Failure {
    pub(crate) fn new(problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            mend: mend.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\nmend: {}", self.problem, self.mend)
    }
}

impl From<crate::generate::GenerateError> for Failure {
    fn from(error: crate::generate::GenerateError) -> Self {
        Self::new(error.to_string(), error.mend())
    }
}
