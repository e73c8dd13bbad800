//! The report of a check.

use std::fmt;

use serde::Serialize;

use crate::blobs::QuarantinedFile;
use crate::metadata::check::Problem;

/// The result of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FsckReport {
    /// Number of contexts of all tenants.
    pub contexts: u64,
    /// Number of files in them.
    pub files: u64,
    /// Number of bytes that were read and compared with their checksums.
    pub bytes: u64,
    /// The problems that were found.
    pub findings: Vec<Finding>,
    /// Unreferenced contents that are kept for some days. They are no damage.
    pub quarantine: Vec<QuarantinedContent>,
}

/// A content in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct QuarantinedContent {
    /// The name of the blob. An unfinished upload also has `#` and a number. A content from the database has the name `contents/`
    /// and a number.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// When it was moved, in RFC 3339.
    pub since: String,
}

impl QuarantinedContent {
    pub(super) fn of(content: &QuarantinedFile) -> Self {
        Self {
            name: content.key.clone(),
            bytes: content.bytes,
            since: content.since.to_string(),
        }
    }
}

impl FsckReport {
    pub(super) fn add(&mut self, problems: Vec<Problem>) {
        self.findings
            .extend(problems.into_iter().map(Finding::from));
    }

    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether there is damage that was not repaired. Leftovers of a killed process, which the next start removes, do not count.
    pub fn is_damaged(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| !finding.repaired && !finding.kind.is_leftover())
    }

    /// The report as one line of JSON.
    pub fn to_json(&self) -> String {
        // Serialization can't fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A problem that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The kind of the problem.
    pub kind: FindingKind,
    /// The id of the context that it concerns.
    pub context: Option<String>,
    /// The path of the file or folder that it concerns.
    pub path: Option<String>,
    /// A description for people.
    pub detail: String,
    /// Whether it was repaired.
    pub repaired: bool,
}

impl Finding {
    pub(crate) fn new(kind: FindingKind, detail: String) -> Self {
        Self {
            kind,
            context: None,
            path: None,
            detail,
            repaired: false,
        }
    }
}

/// The kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FindingKind {
    /// The content of a file is missing. Repaired if it is in quarantine. Otherwise restore it from a backup, or delete the file.
    MissingContent,
    /// The content of a file has another size or another checksum than its row. Not repaired: the content may still be useful.
    DamagedContent,
    /// Several files reference one content. Not repaired.
    SharedContent,
    /// No file references a blob: an upload was interrupted, or the row of a file was lost. Repaired by a move to the quarantine,
    /// as by a start, if nothing else is damaged.
    OrphanBlob,
    /// No file references a content in the database. Repaired by a move to the quarantine, if nothing else is damaged.
    OrphanContent,
    /// A blob is queued for deletion although a file references it. Repaired: it is removed from the queue.
    DoomedContent,
    /// The checksums of the blocks of a file do not belong to its content, so that it can't be read. Repaired by computing them, if
    /// the content matches its other checksums.
    WrongBlockChecksums,
    /// The stored number of entries of a folder is wrong. Repaired by counting.
    WrongChildCount,
    /// A folder with entries, or the root folder of a context, has no row. Repaired.
    MissingFolder,
    /// A folder without entries. Repaired by deletion.
    EmptyFolder,
    /// The page index of a large folder is wrong. Repaired by rebuilding it.
    WrongPages,
    /// The stored number of contexts of a tenant is wrong. Repaired by counting.
    WrongContextCount,
    /// The stored number of files of a context, or of their bytes, is wrong. Repaired by counting.
    WrongFileCount,
    /// The stored number of files or bytes of a tenant, or of all tenants, is wrong. Repaired by counting.
    WrongUsage,
    /// Files belong to no context or no valid folder, a file has an invalid name, or a context has no tree of files. Not repaired.
    /// There is one finding for each folder, whatever the number of its files.
    LostTree,
    /// A row does not match its checksum. Not repaired: restore it from a backup, or delete what it describes.
    DamagedRow,
    /// The database and the folder of blobs do not belong together, so that one of them lacks acknowledged changes. Not
    /// repaired: restore the other part, or accept both with [`FsckMode::Accept`](crate::FsckMode::Accept).
    StoreMismatch,
    /// SQLite reports damage, or the secret of the store is lost. Indexes are rebuilt. Everything else is not repaired: restore
    /// the data folder from a backup.
    Database,
}

impl FindingKind {
    /// Whether it is a leftover of a killed process, and no loss.
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
            // Quoted and escaped, since a name can contain terminal control characters.
            write!(f, "{path:?}: ")?;
        }
        f.write_str(&self.detail)
    }
}
