//! What has to be done: found by looking at both sides.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use super::{Change, Compare, Direction, FileFailure, Setup, down, index::Facts, up};
use crate::{Error, ErrorKind, FileEntry, RemotePath, Result, file::checksum::Told};

/// Files that are compared at the same time.
pub(super) const AT_ONCE: usize = 16;

/// File systems keep times to units of this at worst: FAT.
const COARSEST: Duration = Duration::from_secs(2);

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
    /// When the remote file was last written, for the local one that is made of it.
    pub(super) modified: Option<SystemTime>,
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

pub(super) fn facts(entry: &FileEntry) -> Facts {
    let modified = entry.modified_at.as_ref();
    Facts {
        size: entry.size,
        modified: modified.and_then(crate::Timestamp::to_system_time),
    }
}

impl Setup {
    /// Whether both sides have the same content, as far as the way of comparing shows.
    pub(super) async fn is_same(
        &self,
        local: &Path,
        remote: &RemotePath,
        here: Facts,
        there: Facts,
    ) -> Result<bool> {
        if here.size != there.size || here.size.is_none() {
            return Ok(false);
        }
        match self.compare {
            Compare::SizeAndTime => Ok(self.fits(here.modified, there.modified)),
            // There is nothing to ask for.
            Compare::Checksum if here.size == Some(0) => Ok(true),
            Compare::Checksum => match self.files.told(remote).await {
                Ok(told) => self.has_sums(local, &told).await,
                // Listed, and gone since.
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error),
            },
        }
    }

    /// Whether the times are those of a copy: a file that was sent became a remote one later than it was written, and one
    /// that was fetched was given the time of the remote one.
    fn fits(&self, here: Option<SystemTime>, there: Option<SystemTime>) -> bool {
        match (here, there, self.direction) {
            (Some(here), Some(there), Direction::Up) => there >= here,
            (Some(here), Some(there), Direction::Down) => {
                let apart = here.duration_since(there).or(there.duration_since(here));
                apart.is_ok_and(|apart| apart < COARSEST)
            }
            _ => false,
        }
    }

    async fn has_sums(&self, local: &Path, told: &Told) -> Result<bool> {
        if told.is_nothing() {
            return Ok(false);
        }
        let sums = crate::file::local::sums_of(local, told.sums()).await?;
        Ok(told.agrees(&sums))
    }
}
