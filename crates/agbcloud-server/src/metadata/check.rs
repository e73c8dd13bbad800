//! What the checks of a database return, for all engines. The wording is up to the caller.

use super::Content;
use crate::markers::StoreMismatch;

/// A file as its row describes it.
#[derive(Debug)]
pub(crate) struct StoredFile {
    pub(crate) context: String,
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) etag: String,
    pub(crate) sha256: Option<String>,
    pub(crate) crc64: Option<u64>,
    /// `None` if the row references no content, or an inline content that does not exist.
    pub(crate) content: Option<Content>,
}

/// A problem that a check found.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) kind: ProblemKind,
    /// The id of the context that it concerns.
    pub(crate) context: Option<String>,
    /// The path of the file or folder that it concerns.
    pub(crate) path: Option<String>,
    pub(crate) repaired: bool,
}

/// A stored count that is wrong.
#[derive(Debug)]
pub(crate) struct WrongCount {
    pub(crate) stored: i64,
    pub(crate) found: i64,
}

/// Files and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CountedUsage {
    pub(crate) files: i64,
    pub(crate) bytes: i64,
}

/// A stored usage that is wrong.
#[derive(Debug)]
pub(crate) struct WrongUsage {
    pub(crate) stored: CountedUsage,
    pub(crate) found: CountedUsage,
}

#[derive(Debug)]
pub(crate) enum ProblemKind {
    /// A line of SQLite's own integrity check.
    Integrity(String),
    /// The name of a table, index or trigger that is missing or differs from the schema.
    SchemaObject(String),
    /// The table of a row that violates a foreign key.
    ForeignKey(String),
    /// The secret of the store is missing or invalid, or the marker of the database or of the folder of blobs is.
    Unreadable(String),
    StoreMismatch(StoreMismatch),
    /// The number of trees that no context references.
    UnreferencedTrees(i64),
    /// A context whose tree does not exist.
    MissingTree,
    /// The number of entries whose parent is not the path of a folder.
    InvalidParent(i64),
    /// The parent of a file is the path of a folder, but its name is invalid.
    InvalidPath,
    ContextCount(WrongCount),
    /// The files or bytes of a context.
    ContextUsage(WrongUsage),
    /// The files or bytes of a tenant.
    TenantUsage(WrongUsage),
    /// The files or bytes of all tenants.
    TotalUsage(WrongUsage),
    ChildCount(WrongCount),
    /// The row of a file references no content, or one that does not exist.
    MissingContent,
    MissingFolder,
    EmptyFolder,
    /// The offset index of a large folder is wrong.
    OffsetIndex,
    /// The number of files that reference the same content.
    SharedContent(i64),
    /// A referenced blob is queued for deletion.
    DoomedContent,
    /// The checksums of the blocks of a content do not belong to it.
    BlockChecksums,
    /// The size of an inline content that no file references.
    OrphanContent(usize),
    /// The name of a row of the table `meta` that does not match its checksum.
    MetaChecksum(String),
    /// The row of a file or folder does not match its checksum.
    EntryChecksum,
    /// The row of a context does not match its checksum.
    ContextChecksum,
    /// The table and number of other rows that do not match their checksums.
    RowChecksums(&'static str, i64),
    /// The next row ids are invalid.
    RowNumbering,
}

impl ProblemKind {
    pub(crate) fn at(self, context: Option<String>, path: Option<String>) -> Problem {
        Problem {
            kind: self,
            context,
            path,
            repaired: false,
        }
    }
}

impl From<ProblemKind> for Problem {
    fn from(kind: ProblemKind) -> Self {
        kind.at(None, None)
    }
}

impl Problem {
    pub(crate) fn repaired(self, repaired: bool) -> Self {
        Self { repaired, ..self }
    }
}
