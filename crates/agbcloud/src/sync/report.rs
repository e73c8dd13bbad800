//! The results of a sync, and the callbacks that receive them.

use std::{fmt, path::Path, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    change::{Change, named},
    paths,
    progress::OnSyncProgress,
};
use crate::{Error, Result, trace};

/// Maximum number of entries in a list of a report. Further entries are only counted.
const MAX_REPORTED: usize = 1000;

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KeptCopy {
    /// Path of the file relative to the folders.
    pub path: String,
    /// Path of the copy relative to the folders, on the target side.
    pub kept: String,
}

/// A file that could not be processed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FileFailure {
    /// Path relative to the folders.
    pub path: String,
    /// The intended change, if known.
    pub change: Option<Change>,
    /// The error.
    pub error: Error,
}

impl FileFailure {
    pub(super) fn new(path: impl Into<String>, change: Option<Change>, error: Error) -> Self {
        Self {
            path: path.into(),
            change,
            error,
        }
    }
}

/// The result of a sync. It can be stored in any serde format; the [errors](FileFailure::error) become records.
///
/// ```
/// # agbcloud_doctest::run_with_context(async |client, context, files| {
/// let report = files.upload_dir("project", "/data").await?;
/// let record = serde_json::to_value(&report)?;
/// assert_eq!(record["transferred"], 1);
/// # Ok(()) });
/// ```
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
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
    /// Number of files that a two-way sync copied back to the side that had deleted them, since they were changed on the other
    /// side. They are counted as transferred too.
    pub restored: u64,
    /// Paths of the first thousand restored files.
    pub restored_files: Vec<String>,
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

    pub(super) fn add_restored(&mut self, path: &str) {
        self.restored += 1;
        push_limited(&mut self.restored_files, path.to_owned());
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

impl trace::Traced for SyncReport {
    fn record(&self, span: &tracing::Span) {
        trace::record_count(span, "agb.files.transferred", self.transferred);
        trace::record_count(span, "agb.files.deleted", self.deleted);
        trace::record_count(span, "agb.files.failed", self.failed);
        trace::record_count(span, "agb.bytes", self.bytes);
    }
}

pub(super) fn push_limited<T>(list: &mut Vec<T>, item: T) {
    if list.len() < MAX_REPORTED {
        list.push(item);
    }
}

/// Why an entry is not copied, replaced or deleted.
///
/// Entries that [`include`](crate::SyncDir::include), [`exclude`](crate::SyncDir::exclude) or
/// [`gitignore`](crate::SyncDir::gitignore) filter out are not reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SkipReason {
    /// A symbolic link, which a context can't store. See [`Symlinks`](crate::Symlinks).
    Symlink,
    /// A socket, a named pipe or a device.
    SpecialFile,
    /// A folder without entries. A context stores only files, and a download creates no folder without a file.
    EmptyFolder,
    /// The temporary file of a running download, or of one whose process was killed.
    UnfinishedDownload,
    /// The file on the target side was changed: see [`ConflictPolicy::Skip`](crate::ConflictPolicy::Skip).
    Conflict,
    /// The file is not in the listing but in the store. It is not deleted.
    StaleListing,
    /// The service listed a name that is not valid in a request.
    InvalidName,
}

impl SkipReason {
    /// Returns a stable identifier, such as `symlink` or `empty_folder`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Symlink => "symlink",
            Self::SpecialFile => "special_file",
            Self::EmptyFolder => "empty_folder",
            Self::UnfinishedDownload => "unfinished_download",
            Self::Conflict => "conflict",
            Self::StaleListing => "stale_listing",
            Self::InvalidName => "invalid_name",
        }
    }
}

/// Formats a description, such as `symbolic link`.
impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Symlink => "symbolic link",
            Self::SpecialFile => "special file",
            Self::EmptyFolder => "empty folder",
            Self::UnfinishedDownload => "unfinished download",
            Self::Conflict => "conflict",
            Self::StaleListing => "missing in the listing",
            Self::InvalidName => "invalid name",
        })
    }
}

/// Parses what [`as_str`](SkipReason::as_str) returns.
impl FromStr for SkipReason {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        named(text, "unknown reason")
    }
}

/// A skipped entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SkippedEntry {
    /// Path relative to the folders, with `/` between the segments.
    pub path: String,
    /// The reason.
    pub reason: SkipReason,
}

impl SkippedEntry {
    pub(super) fn new(path: impl Into<String>, reason: SkipReason) -> Self {
        Self {
            path: path.into(),
            reason,
        }
    }

    /// Returns the entry of a local path. A name that is not UTF-8 is converted lossily.
    pub(super) fn local(relative: &Path, reason: SkipReason) -> Self {
        let path = paths::from_local(relative);
        Self::new(
            path.unwrap_or_else(|_| relative.to_string_lossy().into_owned()),
            reason,
        )
    }
}

type OnFile = dyn Fn(&FileOutcome<'_>) + Send + Sync;
type OnSkipped = dyn Fn(&SkippedEntry) + Send + Sync;

/// The optional callbacks of a sync.
#[derive(Clone, Default)]
pub(super) struct SyncListener {
    pub(super) on_file: Option<Arc<OnFile>>,
    pub(super) on_skipped: Option<Arc<OnSkipped>>,
    pub(super) on_progress: Option<Arc<OnSyncProgress>>,
}

impl SyncListener {
    pub(super) fn file(&self, outcome: &FileOutcome<'_>) {
        if let Some(listener) = &self.on_file {
            listener(outcome);
        }
    }

    pub(super) fn skipped(&self, entry: &SkippedEntry) {
        if let Some(listener) = &self.on_skipped {
            listener(entry);
        }
    }
}

impl fmt::Debug for SyncListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncListener").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn changes_and_reasons_are_parsed_as_written() {
        for change in [
            Change::Upload,
            Change::Download,
            Change::DeleteRemote,
            Change::DeleteLocal,
        ] {
            assert_eq!(change.to_string().parse::<Change>().unwrap(), change);
        }
        for reason in [SkipReason::Symlink, SkipReason::EmptyFolder] {
            assert_eq!(reason.as_str().parse::<SkipReason>().unwrap(), reason);
        }
        let error = "move".parse::<Change>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }

    #[test]
    fn a_report_is_a_record() {
        let mut report = SyncReport::default();
        report.add_skipped(SkippedEntry::new("link", SkipReason::Symlink));
        let error = Error::new(ErrorKind::Corrupted, "").with_path("/data/a");
        report.add_failure(FileFailure::new("a", Some(Change::DeleteLocal), error));
        let record = serde_json::to_value(&report).unwrap();
        assert_eq!(record["skipped_entries"][0]["reason"], "symlink");
        let failure = &record["failures"][0];
        assert_eq!(failure["change"], "delete_local");
        assert_eq!(failure["error"]["kind"], "corrupted");
        assert_eq!(failure["error"]["path"], "/data/a");
    }
}
