//! What a copy reports.

use serde::Serialize;

use crate::fsck::Finding;

/// The result of a copy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CopyReport {
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Number of contexts of all tenants.
    pub contexts: u64,
    /// Number of folders in them, without their roots.
    pub folders: u64,
    /// Number of files in them.
    pub files: u64,
    /// Size of the contents of these files in bytes.
    pub bytes: u64,
    /// Number of files whose contents were in the target already, from an earlier attempt.
    pub skipped_files: u64,
    /// What is damaged in the source. Empty after a successful copy.
    pub findings: Vec<Finding>,
}

impl CopyReport {
    /// The report as one line of JSON.
    pub fn to_json(&self) -> String {
        // Serialization can't fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The phase of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CopyPhase {
    /// Reads the source and writes the target.
    Copying,
    /// Reads the target back.
    Verifying,
}

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyProgress {
    /// The phase.
    pub phase: CopyPhase,
    /// Number of files in this phase so far.
    pub files: u64,
    /// Number of bytes of contents in this phase so far.
    pub bytes: u64,
}
