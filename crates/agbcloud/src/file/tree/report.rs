//! What came of it.

use std::fmt;

use super::SkippedEntry;
use crate::Error;

/// Failures that a report keeps. All are counted and told to the listener.
pub(super) const KEPT: usize = 1000;

/// What is done with one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Change {
    /// It is sent.
    Upload,
    /// It is fetched.
    Download,
    /// It is deleted in the context.
    DeleteRemote,
    /// It is deleted on this machine.
    DeleteLocal,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Upload => "upload",
            Self::Download => "download",
            Self::DeleteRemote => "delete remote",
            Self::DeleteLocal => "delete local",
        })
    }
}

/// One file that was dealt with: what [`SyncDir::on_file`](crate::SyncDir::on_file) is told.
#[derive(Debug)]
#[non_exhaustive]
pub struct FileOutcome<'a> {
    /// Its path below the folders, with `/` between the segments.
    pub path: &'a str,
    /// What was to be done with it; `None` for one that could not even be looked at.
    pub change: Option<Change>,
    /// Bytes that it has, or had before it was deleted, where that is known.
    pub size: Option<u64>,
    /// The name below the folders under which the version that was replaced is kept:
    /// see [`ConflictPolicy::KeepBoth`](crate::ConflictPolicy::KeepBoth).
    pub kept: Option<&'a str>,
    /// Why it was not done.
    pub error: Option<&'a Error>,
}

/// A version that was replaced and is kept under another name: see [`ConflictPolicy::KeepBoth`](crate::ConflictPolicy::KeepBoth).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptCopy {
    /// Path of the file below the folders.
    pub path: String,
    /// Path of the kept version below the folders, on the side that was written to.
    pub kept: String,
}

/// A file that could not be dealt with.
#[derive(Debug)]
#[non_exhaustive]
pub struct FileFailure {
    /// Its path below the folders.
    pub path: String,
    /// What was to be done with it.
    pub change: Option<Change>,
    /// Why it was not done.
    pub error: Error,
}

/// What came of a synchronisation.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct SyncReport {
    /// Files that were sent or fetched.
    pub transferred: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Files that were the same on both sides.
    pub unchanged: u64,
    /// Files among the unchanged that are the same by size and time alone, since the store has no checksum of them.
    pub unverified: u64,
    /// Files that were deleted.
    pub deleted: u64,
    /// Entries that were skipped: symbolic links, empty folders, conflicts and the like.
    pub skipped: u64,
    /// The first thousand of them, with the reason.
    pub skipped_entries: Vec<SkippedEntry>,
    /// Files that were sent and that somebody may execute: a context does not keep that.
    pub executable: u64,
    /// Paths of the first thousand of them.
    pub executable_files: Vec<String>,
    /// Files that could not be dealt with.
    pub failed: u64,
    /// The first thousand of them.
    pub failures: Vec<FileFailure>,
    /// Versions that were replaced and are kept under another name.
    pub kept: Vec<KeptCopy>,
    /// Extraneous files were left where they are, since something had failed.
    pub deletions_held_back: bool,
}

impl SyncReport {
    /// Whether nothing failed.
    pub fn is_complete(&self) -> bool {
        self.failed == 0 && !self.deletions_held_back
    }

    pub(super) fn add_skipped(&mut self, entry: SkippedEntry) {
        self.skipped += 1;
        if self.skipped_entries.len() < KEPT {
            self.skipped_entries.push(entry);
        }
    }

    pub(super) fn add_executable(&mut self, path: String) {
        self.executable += 1;
        if self.executable_files.len() < KEPT {
            self.executable_files.push(path);
        }
    }

    pub(super) fn add_kept(&mut self, path: &str, kept: String) {
        self.kept.push(KeptCopy {
            path: path.to_owned(),
            kept,
        });
    }

    pub(super) fn add_failure(&mut self, failure: FileFailure) {
        self.failed += 1;
        if self.failures.len() < KEPT {
            self.failures.push(failure);
        }
    }
}

impl crate::trace::Traced for SyncReport {}
