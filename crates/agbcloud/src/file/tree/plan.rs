//! What has to be done: found by looking at both sides.

use std::time::SystemTime;

use tokio::sync::mpsc::{self, Sender};

use super::{Change, Direction, FileFailure, Setup, SkipReason, SkippedEntry, delete, down, up};
use crate::{
    Error, ErrorKind, Result,
    file::{checksum::Told, local::LocalIdentity},
    task::Task,
};

/// Batches of decisions that may wait to be taken.
const AHEAD: usize = 1;

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
    /// Whether that was changed since the last time and [stays](super::ConflictPolicy::KeepBoth) under another name.
    pub keeps_both: bool,
    /// Whether it is a local file that somebody may execute: a context does not keep that.
    pub executable: bool,
    /// When the file was last written that is sent or fetched.
    pub(super) modified: Option<SystemTime>,
    /// What it was compared with.
    pub(super) compared: Compared,
}

/// Both sides as they were when they were compared: what is replaced or deleted must still be this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Compared {
    pub(super) here: Option<LocalIdentity>,
    /// The checksums of the remote file, where the listing has them.
    pub(super) there: Option<Told>,
}

impl PlannedChange {
    /// Whether its bytes are sent or fetched.
    pub(super) fn moves(&self) -> bool {
        matches!(self.change, Change::Upload | Change::Download)
    }

    pub(super) fn deletion(
        path: &str,
        change: Change,
        size: Option<u64>,
        compared: Compared,
    ) -> Self {
        Self {
            path: path.to_owned(),
            change,
            size,
            replaces: false,
            keeps_both: false,
            executable: false,
            modified: None,
            compared,
        }
    }
}

/// Who takes what is found, some at a time. Deletions come last, but for what takes their place.
pub(super) trait Taker: Send {
    fn changes(&mut self, changes: Vec<PlannedChange>) -> impl Future<Output = Result<()>> + Send;
    fn unchanged(&mut self);
    /// One that is the same as far as size and time show.
    fn unverified(&mut self);
    fn skipped(&mut self, entry: SkippedEntry);
    fn failed(&mut self, failure: FileFailure);
}

/// What was made out about one file.
pub(super) enum Decision {
    Change(PlannedChange),
    Unchanged,
    Unverified,
    Skipped(SkippedEntry),
    Failed(FileFailure),
}

impl Decision {
    pub(super) fn skipped(path: impl Into<String>, reason: SkipReason) -> Self {
        Self::Skipped(SkippedEntry::new(path, reason))
    }

    pub(super) fn failed(path: impl Into<String>, change: Option<Change>, error: Error) -> Self {
        Self::Failed(FileFailure {
            path: path.into(),
            change,
            error,
        })
    }
}

async fn give(decisions: Vec<Decision>, taker: &mut impl Taker) -> Result<()> {
    let mut changes = Vec::new();
    for decision in decisions {
        match decision {
            Decision::Change(change) => changes.push(change),
            Decision::Unchanged => taker.unchanged(),
            Decision::Unverified => taker.unverified(),
            Decision::Skipped(entry) => taker.skipped(entry),
            Decision::Failed(failure) => taker.failed(failure),
        }
    }
    taker.changes(changes).await
}

/// Looks at both sides and tells what has to be done. It looks a little ahead of what is done, so that nothing waits for it.
pub(super) async fn plan(setup: &Setup, taker: &mut impl Taker) -> Result<()> {
    let (sender, mut decided) = mpsc::channel(AHEAD);
    let mut planning = Task::start(look(setup.clone(), Decisions(sender)));
    while let Some(decisions) = decided.recv().await {
        give(decisions, taker).await?;
    }
    planning.end().await.unwrap_or_else(|| Err(ended()))
}

async fn look(setup: Setup, decisions: Decisions) -> Result<()> {
    match setup.direction {
        Direction::Up => up::plan(&setup, &decisions).await,
        Direction::Down => down::plan(&setup, &decisions).await,
        Direction::Away => delete::plan(&setup, &decisions).await,
    }
}

/// Decisions on their way to who takes them.
pub(super) struct Decisions(Sender<Vec<Decision>>);

impl Decisions {
    pub(super) async fn give(&self, decisions: Vec<Decision>) -> Result<()> {
        self.0.send(decisions).await.map_err(|_| ended())
    }
}

fn ended() -> Error {
    let message = "the runtime that was comparing the folders has shut down";
    Error::new(ErrorKind::Connection, message)
}
