//! What a check of a data folder has found.

use std::fmt;

use chrono::SecondsFormat;
use serde::Serialize;

use crate::blobs::quarantine::Quarantined;

/// What was looked at and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FsckReport {
    /// Contexts of all tenants.
    pub contexts: u64,
    /// Files in them.
    pub files: u64,
    /// Bytes that were read again and held against their checksums.
    pub bytes: u64,
    /// All that is not as it should be.
    pub findings: Vec<Finding>,
    /// Contents that no file names and that are kept for some days. They are no damage.
    pub quarantine: Vec<QuarantinedContent>,
}

/// A content in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct QuarantinedContent {
    /// The name of the blob; for an unfinished upload with `#` and a number; for a content that was in the database
    /// `contents/` and a number.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// When it was moved, in RFC 3339.
    pub since: String,
}

impl QuarantinedContent {
    pub(crate) fn of(content: &Quarantined) -> Self {
        Self {
            name: content.key.clone(),
            bytes: content.bytes,
            since: content.since.to_rfc3339_opts(SecondsFormat::Secs, true),
        }
    }
}

impl FsckReport {
    /// Whether nothing was found at all.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether something is wrong that was not repaired. What a killed process leaves, and the next start removes,
    /// does not count.
    pub fn is_damaged(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| !finding.repaired && !finding.kind.is_leftover())
    }

    /// The report as one line of JSON.
    pub fn to_json(&self) -> String {
        // There is nothing in it that JSON can't say.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// The id of the context, where it is about one.
    pub context: Option<String>,
    /// The path of the file or folder in the context, where it is about one.
    pub path: Option<String>,
    /// What exactly, for people.
    pub detail: String,
    /// Whether it is as it should be now.
    pub repaired: bool,
}

/// The kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FindingKind {
    /// A file whose content is not there. Repaired if it is in quarantine: it is put back. Otherwise restore it from a backup,
    /// or delete the file.
    MissingContent,
    /// A file whose content does not have its size or its checksums. Not repaired: what is there may still be of use.
    DamagedContent,
    /// Two files that name one content. Not repaired.
    SharedContent,
    /// A blob that no file names: an upload that did not come to its end, or a file whose row was lost. Repaired by a move
    /// to the quarantine, as by a start, if nothing else is damaged.
    OrphanBlob,
    /// A content in the database that no file names. Repaired by a move to the quarantine, if nothing else is damaged.
    OrphanContent,
    /// A blob that is about to be deleted although a file names it. Repaired: it stays.
    DoomedContent,
    /// A folder that does not tell how many entries it has. Repaired by counting.
    WrongChildCount,
    /// A folder with entries that is not listed itself, or the root folder of a context. Repaired.
    MissingFolder,
    /// A folder without entries. Repaired by deletion.
    EmptyFolder,
    /// The index of the pages of a large folder is wrong. Repaired by making it anew.
    WrongPages,
    /// A tenant whose number of contexts is wrong. Repaired by counting.
    WrongContextCount,
    /// A context whose number of files is wrong. Repaired by counting.
    WrongFileCount,
    /// Files that belong to no context, or to no folder that there could be, or a context without a place for files. Not
    /// repaired. Of one place it is one finding, however many files are there.
    LostTree,
    /// A row that does not have its checksum. Not repaired: restore it from a backup, or delete what it describes.
    DamagedRow,
    /// The database and the folder of blobs do not belong together, so that one of them lacks acknowledged changes. Not
    /// repaired: restore the other part, or accept what is there by [`FsckMode::Accept`](crate::FsckMode::Accept).
    StoreMismatch,
    /// The database says that it is damaged itself. Indexes are made anew; all else is not repaired: restore it from a
    /// backup.
    Database,
}

impl FindingKind {
    /// Whether it is what a killed process leaves, and no loss.
    pub fn is_leftover(self) -> bool {
        matches!(self, Self::OrphanBlob)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.repaired {
            f.write_str("repaired: ")?;
        } else if self.kind.is_leftover() {
            f.write_str("leftover: ")?;
        } else {
            f.write_str("damaged: ")?;
        }
        if let Some(context) = &self.context {
            write!(f, "context {context}: ")?;
        }
        if let Some(path) = &self.path {
            // Quoted and escaped: a name can hold what a terminal takes for a command.
            write!(f, "{path:?}: ")?;
        }
        f.write_str(&self.detail)
    }
}
