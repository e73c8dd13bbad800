//! [`SnapshotSummary`]: the result of a snapshot or a restore.

use schemars::JsonSchema;
use serde::Serialize;

/// The result of saving or restoring the files of a context.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SnapshotSummary {
    /// Id of the context.
    pub(crate) context: String,
    /// Path of the archive.
    pub(crate) archive: String,
    /// A snapshot: number of files in the archive. A restore: number of uploaded files.
    pub(crate) files: u64,
    /// Size of these files in bytes.
    pub(crate) bytes: u64,
    /// A snapshot: number of files that an interrupted run has stored. A restore: number of files that the context had already.
    pub(crate) unchanged: u64,
    /// A snapshot: files that were deleted before they were read. A restore: entries that a context does not store.
    pub(crate) skipped: Vec<String>,
}
