//! The results of a sync.

mod skipped;
mod sync_listener;

use std::fmt;

pub use skipped::{SkipReason, SkippedEntry};
pub(super) use sync_listener::SyncListener;

use crate::Error;

/// Maximum number of entries in a list of a report. Further entries are only counted.
pub(super) const MAX_REPORTED: usize = 1000;

/// A change to one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Change {
    /// Uploads the file.
    Upload,
    /// Downloads the file.
    Download,
    /// Deletes the file in the context.
    DeleteRemote,
    /// Deletes the local file.
    DeleteLocal,
}

impl Change {
    pub(super) fn is_deletion(self) -> bool {
        matches!(self, Self::DeleteRemote | Self::DeleteLocal)
    }
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

/// The result for one file, passed to [`SyncDir::on_file`](crate::SyncDir::on_file).
#[derive(Debug)]
#[non_exhaustive]
pub struct FileOutcome<'a> {
    /// Path relative to the folders, with `/` between the segments.
    pub path: &'a str,
    /// The intended change; `None` for a file that could not be compared.
    pub change: Option<Change>,
    /// Size in bytes, or that before the deletion, if known.
    pub size: Option<u64>,
    /// Path of the copy of the replaced version, relative to the folders: see
    /// [`ConflictPolicy::KeepBoth`](crate::ConflictPolicy::KeepBoth).
    pub kept: Option<&'a str>,
    /// The error, if the change failed.
    pub error: Option<&'a Error>,
}

/// The copy of a replaced version: see [`ConflictPolicy::KeepBoth`](crate::ConflictPolicy::KeepBoth).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptCopy {
    /// Path of the file relative to the folders.
    pub path: String,
    /// Path of the copy relative to the folders, on the target side.
    pub kept: String,
}

/// A file that could not be processed.
#[derive(Debug)]
#[non_exhaustive]
pub struct FileFailure {
    /// Path relative to the folders.
    pub path: String,
    /// The intended change, if known.
    pub change: Option<Change>,
    /// The error.
    pub error: Error,
}

/// The result of a sync.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct SyncReport {
    /// Number of files that were uploaded or downloaded.
    pub transferred: u64,
    /// Total size of these files in bytes.
    pub bytes: u64,
    /// Number of files that were the same on both sides.
    pub unchanged: u64,
    /// Number of unchanged files that were compared by size and time only, since the store reports no checksum.
    pub unverified: u64,
    /// Number of files that were deleted.
    pub deleted: u64,
    /// Number of skipped entries: symbolic links, empty folders, conflicts and others.
    pub skipped: u64,
    /// The first thousand skipped entries, with the reasons.
    pub skipped_entries: Vec<SkippedEntry>,
    /// Number of uploaded files that are executable, which a context does not record.
    pub executable: u64,
    /// Paths of the first thousand executable files.
    pub executable_files: Vec<String>,
    /// Number of files that could not be processed.
    pub failed: u64,
    /// The first thousand files that could not be processed.
    pub failures: Vec<FileFailure>,
    /// The copies of replaced versions.
    pub kept: Vec<KeptCopy>,
    /// Whether extraneous files were not deleted because another file had failed.
    pub deletions_held_back: bool,
}

impl SyncReport {
    /// Whether nothing failed.
    pub fn is_complete(&self) -> bool {
        self.failed == 0 && !self.deletions_held_back
    }

    pub(super) fn add_skipped(&mut self, entry: SkippedEntry) {
        self.skipped += 1;
        push_limited(&mut self.skipped_entries, entry);
    }

    pub(super) fn add_executable(&mut self, path: String) {
        self.executable += 1;
        push_limited(&mut self.executable_files, path);
    }

    pub(super) fn add_kept(&mut self, path: &str, kept: String) {
        self.kept.push(KeptCopy {
            path: path.to_owned(),
            kept,
        });
    }

    pub(super) fn add_failure(&mut self, failure: FileFailure) {
        self.failed += 1;
        push_limited(&mut self.failures, failure);
    }
}

fn push_limited<T>(list: &mut Vec<T>, item: T) {
    if list.len() < MAX_REPORTED {
        list.push(item);
    }
}

impl crate::trace::Traced for SyncReport {}
