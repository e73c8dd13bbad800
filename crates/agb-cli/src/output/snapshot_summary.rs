//! [`SnapshotSummary`]: the result of a snapshot, a restore or a copy of a context.

use schemars::JsonSchema;
use serde::Serialize;

use super::transfer_summary::FailedFile;

/// The result of saving, restoring or copying the files of a context. One of `archive`, `folder` and `other_context` is present.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct SnapshotSummary {
    /// Id of the context.
    pub(crate) context: String,
    /// Path of the archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) archive: Option<String>,
    /// Path of the folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) folder: Option<String>,
    /// Id of the other context: the target of a copy or a snapshot, or the source of a restore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) other_context: Option<String>,
    /// A snapshot to an archive: number of files in the archive. Otherwise: number of copied files.
    pub(crate) files: u64,
    /// Size of these files in bytes.
    pub(crate) bytes: u64,
    /// A snapshot to an archive: number of files that an interrupted run has stored. Otherwise: number of files that the target
    /// had already.
    pub(crate) unchanged: u64,
    /// Files that were deleted before they were read, entries that a context does not store, and names that the target can't have.
    pub(crate) skipped: Vec<String>,
    /// Number of files that only the target has. They stay. 0 for a new archive.
    pub(crate) others: u64,
    /// Number of files that failed.
    pub(crate) failed: u64,
    /// The first 1000 failures.
    pub(crate) failures: Vec<FailedFile>,
}
