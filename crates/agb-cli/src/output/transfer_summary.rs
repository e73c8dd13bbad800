//! [`TransferSummary`]: the result of copying files.

use agbcloud::SyncReport;
use schemars::JsonSchema;
use serde::Serialize;

use crate::failure::{Failure, with_local_cause};

/// The result of copying files.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct TransferSummary {
    /// Number of copied files.
    pub(crate) copied: u64,
    /// Total size of the copied files in bytes.
    pub(crate) bytes: u64,
    /// Number of files that are identical on both sides.
    pub(crate) unchanged: u64,
    /// Number of unchanged files that were compared by size and time only, since the store has no checksum for them.
    pub(crate) unverified: u64,
    /// Number of deleted files.
    pub(crate) deleted: u64,
    /// Number of files that were restored on the side that had deleted them, after an edit on the other side (`--both`).
    pub(crate) restored: u64,
    /// Paths of the first 1000 restored files.
    pub(crate) restored_files: Vec<String>,
    /// Replaced versions that are kept under another name (`--conflict keep-both`).
    pub(crate) kept: Vec<KeptVersion>,
    /// Number of skipped entries, such as symbolic links and empty folders.
    pub(crate) skipped: u64,
    /// The first 1000 skipped entries.
    pub(crate) skipped_entries: Vec<SkippedItem>,
    /// Number of files that `--include` and `--exclude` left at the source of a move.
    pub(crate) filtered: u64,
    /// Number of uploaded files that lost their executable bit, which a context does not store.
    pub(crate) executable: u64,
    /// Paths of the first 1000 files that lost their executable bit.
    pub(crate) executable_files: Vec<String>,
    /// Number of files that failed.
    pub(crate) failed: u64,
    /// The first 1000 failures.
    pub(crate) failures: Vec<FailedFile>,
}

/// A replaced version that is kept.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct KeptVersion {
    /// Path of the file, relative to both folders.
    pub(crate) path: String,
    /// Path of the kept version, relative to the destination folder.
    pub(crate) kept_as: String,
}

/// A skipped entry.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SkippedItem {
    /// Path relative to both folders.
    pub(crate) path: String,
    /// Reason: `symlink`, `special_file`, `empty_folder`, `unfinished_download`, `conflict`, …
    pub(crate) reason: &'static str,
}

/// A file that failed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FailedFile {
    /// Path relative to both folders.
    pub(crate) path: String,
    /// Kind of the error: `conflict`, `local_file`, `unavailable`, …
    pub(crate) kind: &'static str,
    /// Error message.
    pub(crate) message: String,
    /// Id of the request, for bug reports.
    pub(crate) request_id: Option<String>,
}

/// Maximum number of entries in a list of a summary.
const MAX_LISTED: usize = 1000;

impl TransferSummary {
    /// Adds the summary of another source.
    pub(crate) fn add(&mut self, other: Self) {
        self.copied += other.copied;
        self.bytes += other.bytes;
        self.unchanged += other.unchanged;
        self.unverified += other.unverified;
        self.deleted += other.deleted;
        self.restored += other.restored;
        extend(&mut self.restored_files, other.restored_files);
        self.kept.extend(other.kept);
        self.skipped += other.skipped;
        extend(&mut self.skipped_entries, other.skipped_entries);
        self.filtered += other.filtered;
        self.executable += other.executable;
        extend(&mut self.executable_files, other.executable_files);
        self.failed += other.failed;
        extend(&mut self.failures, other.failures);
    }

    /// Counts and lists a failed file.
    pub(crate) fn add_failure(&mut self, failure: FailedFile) {
        self.failed += 1;
        extend(&mut self.failures, vec![failure]);
    }

    /// Counts and lists a skipped entry.
    pub(crate) fn skip(&mut self, entry: SkippedItem) {
        self.skipped += 1;
        extend(&mut self.skipped_entries, vec![entry]);
    }

    /// Whether nothing was copied, compared, deleted or skipped, and nothing failed.
    pub(crate) fn is_empty(&self) -> bool {
        self.copied + self.unchanged + self.deleted + self.skipped + self.failed == 0
    }
}

fn extend<T>(list: &mut Vec<T>, others: Vec<T>) {
    let free = MAX_LISTED.saturating_sub(list.len());
    list.extend(others.into_iter().take(free));
}

impl FailedFile {
    /// A source that failed as a whole.
    pub(crate) fn of_source(source: &str, failure: &Failure) -> Self {
        Self {
            path: source.to_owned(),
            kind: failure.kind(),
            message: failure.to_string(),
            request_id: failure.request_id.clone(),
        }
    }
}

impl From<&SyncReport> for TransferSummary {
    fn from(report: &SyncReport) -> Self {
        let failures = report.failures.iter().map(|failure| FailedFile {
            path: failure.path.clone(),
            kind: failure.error.kind().as_str(),
            message: with_local_cause(&failure.error, failure.error.to_string()),
            request_id: failure.error.request_id().map(str::to_owned),
        });
        let skipped = report.skipped_entries.iter().map(|entry| SkippedItem {
            path: entry.path.clone(),
            reason: entry.reason.as_str(),
        });
        let kept = report.kept.iter().map(|copy| KeptVersion {
            path: copy.path.clone(),
            kept_as: copy.kept.clone(),
        });
        Self {
            copied: report.transferred,
            bytes: report.bytes,
            unchanged: report.unchanged,
            unverified: report.unverified,
            deleted: report.deleted,
            restored: report.restored,
            restored_files: report.restored_files.clone(),
            kept: kept.collect(),
            skipped: report.skipped,
            skipped_entries: skipped.collect(),
            filtered: 0,
            executable: report.executable,
            executable_files: report.executable_files.clone(),
            failed: report.failed,
            failures: failures.collect(),
        }
    }
}
