//! Histories of operations on files, and the check that each file is a linearizable register.

mod register;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

pub(crate) use register::check;

/// The content of a file: each is written once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Value {
    pub(crate) writer: u32,
    /// Number of the value among those of its writer.
    pub(crate) number: u32,
}

/// What a reader received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The file does not exist.
    Absent,
    Value(Value),
    /// The content of no value, for example parts of two values. No register returns it.
    Corrupt(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Put(Value),
    Delete,
    Get(Reading),
}

/// Whether an operation took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Acknowledged.
    Ok,
    /// Rejected: it changed nothing.
    Failed,
    /// Without an answer: it may take effect at any later time, or never.
    Unknown,
}

/// An operation on a file. It takes effect at an instant between its start and its end, in nanoseconds of one clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) action: Action,
    pub(crate) outcome: Outcome,
    pub(crate) invoked: u64,
    pub(crate) returned: u64,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.action {
            Action::Put(value) => write!(f, "put {value}")?,
            Action::Delete => write!(f, "delete")?,
            Action::Get(Reading::Absent) => write!(f, "get: absent")?,
            Action::Get(Reading::Value(value)) => write!(f, "get: {value}")?,
            Action::Get(Reading::Corrupt(problem)) => write!(f, "get: corrupt, {problem}")?,
        }
        let milliseconds = |time: u64| time as f64 / 1e6;
        write!(
            f,
            " ({:?}, {:.3} to {:.3} ms)",
            self.outcome,
            milliseconds(self.invoked),
            milliseconds(self.returned)
        )
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.writer, self.number)
    }
}

/// Why a history is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Violation {
    /// A read returned the content of no value.
    Corrupt(Operation),
    /// No order of the operations explains all results.
    NotLinearizable {
        /// The value of the register after the longest order that was found.
        value: Option<Value>,
        /// The operations that could come next, none of which leads to a complete order.
        next: Vec<Operation>,
    },
    /// The search reached its limit of steps.
    Undecided,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(operation) => write!(f, "corrupt content: {operation}"),
            Self::NotLinearizable { value, next } => {
                write!(f, "not linearizable: the value is ")?;
                match value {
                    Some(value) => write!(f, "{value}")?,
                    None => write!(f, "absent")?,
                }
                write!(f, ", and none of these operations can be next:")?;
                next.iter().try_for_each(|next| write!(f, "\n    {next}"))
            }
            Self::Undecided => write!(f, "the history is too long to be checked"),
        }
    }
}

/// Collects the operations of all threads.
pub(crate) struct Recorder {
    start: Instant,
    files: Mutex<BTreeMap<String, Vec<Operation>>>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self {
            start: now(),
            files: Mutex::default(),
        }
    }

    /// The time since the start, in nanoseconds.
    pub(crate) fn time(&self) -> u64 {
        u64::try_from(now().duration_since(self.start).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Records an operation that started at `invoked` and ends now.
    pub(crate) fn record(&self, file: &str, action: Action, outcome: Outcome, invoked: u64) {
        let operation = Operation {
            action,
            outcome,
            invoked,
            returned: self.time(),
        };
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.entry(file.to_owned()).or_default().push(operation);
    }

    /// Checks the operations on a file, which no client uses now and whose last operation is a reading, and replaces them by
    /// what later ones depend on: the value of that reading, and writes without an answer that may still take effect.
    /// Those that started before `expired` no longer can.
    pub(crate) fn checkpoint(&self, file: &str, expired: u64) -> Result<Totals, Violation> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let operations = files.remove(file).unwrap_or_default();
        drop(files);
        check(&operations)?;
        let mut totals = Totals::default();
        for operation in &operations {
            totals.count(operation);
        }
        let remaining = remaining(operations, expired);
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert(file.to_owned(), remaining);
        Ok(totals)
    }

    /// Forgets a file that no longer exists.
    pub(crate) fn forget(&self, file: &str) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.remove(file);
    }

    /// Takes the operations of each file.
    pub(crate) fn finish(&self) -> BTreeMap<String, Vec<Operation>> {
        std::mem::take(&mut *self.files.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The operations of an accepted history on which later ones depend.
fn remaining(operations: Vec<Operation>, expired: u64) -> Vec<Operation> {
    let observed: Vec<Value> = operations
        .iter()
        .filter_map(|operation| match operation.action {
            Action::Get(Reading::Value(value)) => Some(value),
            _ => None,
        })
        .collect();
    let mut remaining = Vec::new();
    if let Some(last) = operations.last()
        && let Action::Get(Reading::Value(value)) = last.action
    {
        remaining.push(Operation {
            action: Action::Put(value),
            outcome: Outcome::Ok,
            invoked: last.returned,
            returned: last.returned,
        });
    }
    remaining.extend(operations.into_iter().filter(|operation| {
        let has_taken_effect =
            matches!(operation.action, Action::Put(value) if observed.contains(&value));
        operation.outcome == Outcome::Unknown
            && !matches!(operation.action, Action::Get(_))
            && operation.invoked >= expired
            && !has_taken_effect
    }));
    remaining
}

/// Checks the history of each file. Returns the number of acknowledged writes and of readings.
pub(crate) fn check_all(
    files: &BTreeMap<String, Vec<Operation>>,
) -> Result<Totals, (String, Violation)> {
    let mut totals = Totals::default();
    for (file, operations) in files {
        check(operations).map_err(|violation| (file.clone(), violation))?;
        for operation in operations {
            totals.count(operation);
        }
    }
    Ok(totals)
}

/// Numbers of operations, which show that a test did something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) acknowledged: usize,
    pub(crate) failed: usize,
    pub(crate) unknown: usize,
    pub(crate) readings: usize,
}

impl Totals {
    /// Adds the numbers of another history.
    pub(crate) fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.failed += other.failed;
        self.unknown += other.unknown;
        self.readings += other.readings;
    }

    fn count(&mut self, operation: &Operation) {
        match (&operation.action, operation.outcome) {
            (Action::Get(_), Outcome::Ok) => self.readings += 1,
            (_, Outcome::Ok) => self.acknowledged += 1,
            (_, Outcome::Failed) => self.failed += 1,
            (_, Outcome::Unknown) => self.unknown += 1,
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} writes acknowledged, {} failed, {} without an answer, {} readings",
            self.acknowledged, self.failed, self.unknown, self.readings
        )
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the operations are those of processes, so that time is real"
)]
fn now() -> Instant {
    Instant::now()
}
