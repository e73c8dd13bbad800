//! The error of a task.

use std::fmt;

/// Displayed as `error: …`, then `hint: …`.
#[derive(Debug)]
pub(crate) struct Failure {
    problem: String,
    hint: String,
}

impl Failure {
    pub(crate) fn new(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            hint: hint.into(),
        }
    }

    /// The problem without the hint.
    #[cfg(target_os = "linux")]
    pub(crate) fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\nhint: {}", self.problem, self.hint)
    }
}
