//! What has to be done: found by looking at both sides.

use std::time::SystemTime;

use super::{Change, Direction, FileFailure, Setup, down, up};
use crate::{Error, Result};

/// Files that are compared at the same time.
pub(super) const AT_ONCE: usize = 16;

/// One thing that has to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedChange {
    /// Path of the file below the folders, with `/` between the segments.
    pub path: String,
    /// What is done with it.
    pub change: Change,
    /// Bytes that it has, where that is known.
    pub size: Option<u64>,
    /// Whether something is in its place that it replaces; never so with a deletion.
    pub replaces: bool,
    /// Whether that was changed since the last time and [stays](super::Conflict::KeepBoth) under another name.
    pub keeps_both: bool,
    /// When the file was last written that is sent or fetched.
    pub(super) modified: Option<SystemTime>,
}

impl PlannedChange {
    pub(super) fn deletion(path: &str, change: Change, size: Option<u64>) -> Self {
        Self {
            path: path.to_owned(),
            change,
            size,
            replaces: false,
            keeps_both: false,
            modified: None,
        }
    }
}

/// Who takes what is found, one after the other. Deletions come last.
pub(super) trait Taker: Send {
    fn change(&mut self, change: PlannedChange) -> impl Future<Output = Result<()>> + Send;
    fn unchanged(&mut self);
    fn skipped(&mut self);
    fn failed(&mut self, failure: FileFailure);
}

/// What was made out about one file.
pub(super) enum Decision {
    Change(PlannedChange),
    Unchanged,
    Skipped,
    Failed(FileFailure),
}

impl Decision {
    pub(super) fn failed(path: impl Into<String>, change: Option<Change>, error: Error) -> Self {
        Self::Failed(FileFailure {
            path: path.into(),
            change,
            error,
        })
    }

    pub(super) async fn give(self, taker: &mut impl Taker) -> Result<()> {
        match self {
            Self::Change(change) => taker.change(change).await?,
            Self::Unchanged => taker.unchanged(),
            Self::Skipped => taker.skipped(),
            Self::Failed(failure) => taker.failed(failure),
        }
        Ok(())
    }
}

/// Looks at both sides and tells what has to be done.
pub(super) async fn plan(setup: &Setup, taker: &mut impl Taker) -> Result<()> {
    match setup.direction {
        Direction::Up => up::plan(setup, taker).await,
        Direction::Down => down::plan(setup, taker).await,
    }
}
