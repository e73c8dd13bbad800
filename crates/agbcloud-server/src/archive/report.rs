//! What a copy reports.

use std::path::PathBuf;

use serde::Serialize;

use crate::fsck::Finding;
use crate::metadata::record::{KeyRecord, Record};

/// The result of a copy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CopyReport {
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Number of API keys, if they are in the database of the store.
    pub keys: u64,
    /// The key file that was written into the target, because its engine stores no keys. The service needs it.
    pub key_file: Option<PathBuf>,
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
    /// Counts records that were copied.
    pub(super) fn add(&mut self, records: &[Record]) {
        for record in records {
            match record {
                Record::Key(KeyRecord::Api { .. }) => self.keys += 1,
                Record::Key(_) => {}
                Record::Context(_) => self.contexts += 1,
                Record::Folder(folder) => self.folders += u64::from(!folder.is_root()),
                Record::File(file) => {
                    self.files += 1;
                    self.bytes += file.size;
                }
            }
        }
    }

    /// Whether both count the same records.
    pub(super) fn has_same_counts(&self, other: &Self) -> bool {
        let counts = |report: &Self| {
            let Self {
                keys,
                contexts,
                folders,
                files,
                bytes,
                ..
            } = report;
            [*keys, *contexts, *folders, *files, *bytes]
        };
        counts(self) == counts(other)
    }

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
