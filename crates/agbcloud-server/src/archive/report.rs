//! What a copy reports.

use std::path::PathBuf;

use serde::Serialize;
use sha2::{Digest, Sha256};

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
    /// A SHA-256 of all records except for keys, in order.
    #[serde(skip)]
    pub(super) records_sha256: [u8; 32],
    /// A SHA-256 of the records of keys.
    #[serde(skip)]
    pub(super) keys_sha256: [u8; 32],
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

    /// Adds records that were copied to the checksums.
    pub(super) fn add_checksums(&mut self, records: &[Record]) -> Result<(), serde_json::Error> {
        for record in records {
            let checksum = match record {
                Record::Key(_) => &mut self.keys_sha256,
                Record::Context(_) | Record::Folder(_) | Record::File(_) => {
                    &mut self.records_sha256
                }
            };
            let json = serde_json::to_vec(record)?;
            *checksum = Sha256::new_with_prefix(*checksum)
                .chain_update(&json)
                .finalize()
                .into();
        }
        Ok(())
    }

    /// Whether both contain the same records, in every detail.
    pub(super) fn has_same_records(&self, other: &Self) -> bool {
        self.has_same_entries(other)
            && (self.keys, self.keys_sha256) == (other.keys, other.keys_sha256)
    }

    /// Whether both contain the same records except for keys.
    pub(super) fn has_same_entries(&self, other: &Self) -> bool {
        let entries = |report: &Self| {
            let counts = [report.contexts, report.folders, report.files, report.bytes];
            (counts, report.records_sha256)
        };
        entries(self) == entries(other)
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
