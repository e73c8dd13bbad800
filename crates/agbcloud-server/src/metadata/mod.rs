//! What the service knows: contexts, files, and what is still to be collected. The only truth about which files exist.
//! The content of small files is here too: a file of its own would cost several waits for the disk.
//!
//! Handlers see [`Metadata`] alone, so that another database is another implementation of it. Every method
//! that a caller's key can reach takes the tenant; what belongs to another tenant does not exist.

pub(crate) mod sqlite;

use std::fmt;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;

use crate::blobs::BlockSums;
use crate::checksums::Checksums;
use crate::clock::Micros;
use crate::names::{FilePath, FolderPath};
use crate::random::NoRandom;
use crate::signing::Tenant;

/// A content of at most so many bytes is kept here; a larger one is a blob.
pub(crate) const SMALL: u64 = 32 * 1024;

/// Why the store did not do something. Nothing was changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("there is no such context")]
    NoContext,
    #[error("there is no such file")]
    NoFile,
    #[error("another context has this name")]
    NameTaken,
    /// The context was cleared or deleted since the URL was signed.
    #[error("the context is another one now")]
    Stale,
    #[error("the file is not as the caller demands")]
    Precondition,
    /// The disk has no room for the change.
    #[error("the disk is full")]
    Full,
    /// The context has as many files as it may have.
    #[error("there are too many files")]
    TooManyFiles,
    /// The data folder is not where it was opened, so that nothing written now would be found again.
    #[error("{} was moved, removed or replaced", .0.display())]
    Moved(PathBuf),
    /// A row is not as it was written.
    #[error("damaged: {0}")]
    Damaged(&'static str),
    #[error("the store is closed")]
    Closed,
    #[error("the store failed: {0}")]
    Failed(String),
}

impl From<NoRandom> for StoreError {
    fn from(error: NoRandom) -> Self {
        Self::Failed(error.to_string())
    }
}

pub(crate) type Result<T, E = StoreError> = std::result::Result<T, E>;

/// What a context is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Available,
    Clearing,
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Clearing => "clearing",
        }
    }
}

/// A context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) state: State,
    /// How often it was cleared, from 1.
    pub(crate) generation: i64,
    pub(crate) create_time: Micros,
    pub(crate) last_used: Micros,
}

/// The place in the order of contexts after which a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) create_time: Micros,
    pub(crate) id: String,
}

/// One page of contexts.
#[derive(Debug, Clone)]
pub(crate) struct ContextPage {
    pub(crate) contexts: Vec<Context>,
    /// Whether there is a page after this one.
    pub(crate) more: bool,
    /// Contexts over all pages.
    pub(crate) total: i64,
}

/// A file, all but its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) size: u64,
    /// MD5 of the content in hexadecimal.
    pub(crate) etag: String,
    /// CRC-64/XZ of the content; a file of an older store has none.
    pub(crate) crc64: Option<u64>,
    pub(crate) modified: Micros,
}

/// The bytes of a file, or where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// At most [`SMALL`] bytes.
    Small(Bytes),
    /// Key of the blob that has them.
    Blob(String),
}

/// A file or a folder in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) folder: bool,
    pub(crate) size: i64,
    pub(crate) created: Micros,
    pub(crate) modified: Micros,
    /// MD5 of a file's content in hexadecimal.
    pub(crate) etag: Option<String>,
    /// CRC-64/XZ of a file's content.
    pub(crate) crc64: Option<u64>,
}

/// One page of a folder.
#[derive(Debug, Clone, Default)]
pub(crate) struct FilePage {
    pub(crate) entries: Vec<Entry>,
    /// Entries over all pages.
    pub(crate) count: i64,
}

/// A file of one generation of a context: what a presigned URL names.
#[derive(Debug, Clone)]
pub(crate) struct FileKey {
    pub(crate) tenant: Tenant,
    pub(crate) context: String,
    pub(crate) generation: i64,
    pub(crate) path: FilePath,
}

/// An upload that waits to be published. A blob is durable already; a small content becomes so with its row.
#[derive(Debug, Clone)]
pub(crate) struct NewFile {
    pub(crate) sums: Checksums,
    pub(crate) content: Content,
    /// Those of a blob.
    pub(crate) blocks: Option<BlockSums>,
}

/// A file with its content, of one moment.
#[derive(Debug, Clone)]
pub(crate) struct OpenFile {
    pub(crate) file: File,
    pub(crate) content: Content,
    /// The sums of the blocks of a blob; none if it is from before there were any.
    pub(crate) blocks: Option<BlockSums>,
}

/// A set of entity tags in a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tags {
    /// `*`: any file that exists.
    Any,
    /// These, without quotes.
    These(Vec<String>),
}

impl Tags {
    fn match_file(&self, etag: Option<&str>) -> bool {
        match (self, etag) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::These(tags), Some(etag)) => tags.iter().any(|tag| tag == etag),
        }
    }
}

/// `If-Match` and `If-None-Match` of an upload: compare-and-swap for those who share a context.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    pub(crate) if_match: Option<Tags>,
    pub(crate) if_none_match: Option<Tags>,
}

impl Conditions {
    /// Whether they hold for a file with this tag, or for no file.
    pub(crate) fn hold(&self, etag: Option<&str>) -> bool {
        self.if_match
            .as_ref()
            .is_none_or(|tags| tags.match_file(etag))
            && self
                .if_none_match
                .as_ref()
                .is_none_or(|tags| !tags.match_file(etag))
    }
}

/// The store of contexts and files.
///
/// A method that returns has its change on disk. One that fails has changed nothing, except that after
/// [`StoreError::Closed`] nobody knows.
#[async_trait]
pub(crate) trait Metadata: Send + Sync + fmt::Debug {
    async fn context_by_id(&self, tenant: &Tenant, id: &str) -> Result<Option<Context>>;
    async fn context_by_name(
        &self,
        tenant: &Tenant,
        region: &str,
        name: &str,
    ) -> Result<Option<Context>>;
    /// The context of that name, made if there is none: of any number of racing calls one makes it.
    async fn create_context(
        &self,
        tenant: &Tenant,
        region: &str,
        name: &str,
        now: Micros,
    ) -> Result<Context>;
    async fn rename_context(
        &self,
        tenant: &Tenant,
        id: &str,
        name: &str,
        now: Micros,
    ) -> Result<()>;
    async fn delete_context(&self, tenant: &Tenant, id: &str) -> Result<()>;
    /// Makes all files vanish and all URLs void, and starts the collection; changes nothing if one is running.
    async fn clear_context(&self, tenant: &Tenant, id: &str, now: Micros) -> Result<()>;
    async fn list_contexts(
        &self,
        tenant: &Tenant,
        after: Option<Position>,
        limit: u32,
    ) -> Result<ContextPage>;
    /// Notes that the context was used.
    async fn touch_context(&self, tenant: &Tenant, id: &str, now: Micros) -> Result<()>;

    /// What lies right below a folder, by name; a folder that does not exist is empty.
    async fn list_files(
        &self,
        tenant: &Tenant,
        context: &str,
        folder: &FolderPath,
        offset: i64,
        limit: u32,
    ) -> Result<FilePage>;
    async fn file(&self, key: &FileKey) -> Result<File>;
    /// A file with its content, of one moment, once its row is verified.
    async fn open_file(&self, key: &FileKey) -> Result<OpenFile>;
    /// Keeps the sums of the blocks of a blob that has none, if a file names it.
    async fn keep_block_sums(&self, blob: String, crc64: u64, sums: BlockSums) -> Result<()>;
    /// Publishes an upload: readers see the file before or the file after, whole. Returns whether there was one before.
    ///
    /// After [`StoreError::Full`] it is certain that it was not published.
    async fn put_file(
        &self,
        key: &FileKey,
        file: NewFile,
        conditions: Conditions,
        now: Micros,
    ) -> Result<bool>;
    async fn delete_file(
        &self,
        tenant: &Tenant,
        context: &str,
        path: &FilePath,
        now: Micros,
    ) -> Result<()>;

    /// Takes one batch of files that nobody can see any more out of the store; their blobs become dead.
    /// Returns whether there was anything to do.
    async fn collect_files(&self) -> Result<bool>;
    /// Some blobs that no file names any more.
    async fn dead_blobs(&self, limit: u32) -> Result<Vec<String>>;
    /// Forgets dead blobs whose bytes are gone.
    async fn forget_blobs(&self, blobs: Vec<String>) -> Result<()>;
    /// Those of the blobs that the store has never heard of.
    async fn unknown_blobs(&self, blobs: Vec<String>) -> Result<Vec<String>>;
    /// The blobs that files name, in order, from behind one of them on.
    async fn named_blobs(&self, after: String, limit: u32) -> Result<Vec<String>>;
    /// Clears whose files are all collected and that can be finished.
    async fn finished_clears(&self) -> Result<Vec<Clear>>;
    /// Makes a cleared context available.
    async fn finish_clear(&self, clear: &Clear) -> Result<()>;

    /// Whether there is room for more: a large upload asks before it takes room beside the store.
    async fn check_room(&self) -> Result<()>;

    /// Whether the store is still where it was opened.
    async fn check_location(&self) -> Result<()>;

    /// Brings all that is committed to the disk, also where commits do not wait for it: what can't be undone comes after.
    async fn settle(&self) -> Result<()>;

    /// How many files a context may have from now on.
    async fn limit_files(&self, max: u64) -> Result<()>;

    /// Ends the store: what was sent before is done, what comes after fails. Does not wait.
    fn close(&self);
    /// Waits until everything is closed, at most a few seconds. Blocks.
    fn wait_closed(&self);
}

/// One clear of one context.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Clear {
    pub(crate) context: i64,
    pub(crate) generation: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_compare_with_what_is_there() {
        let these = |tag: &str| Some(Tags::These(vec![tag.to_owned()]));
        let none = Conditions::default();
        assert!(none.hold(None) && none.hold(Some("a")));
        let create = Conditions {
            if_none_match: Some(Tags::Any),
            ..Default::default()
        };
        assert!(create.hold(None) && !create.hold(Some("a")));
        let swap = Conditions {
            if_match: these("a"),
            ..Default::default()
        };
        assert!(swap.hold(Some("a")) && !swap.hold(Some("b")) && !swap.hold(None));
        let exists = Conditions {
            if_match: Some(Tags::Any),
            ..Default::default()
        };
        assert!(exists.hold(Some("b")) && !exists.hold(None));
        let not_this = Conditions {
            if_none_match: these("a"),
            ..Default::default()
        };
        assert!(not_this.hold(Some("b")) && not_this.hold(None) && !not_this.hold(Some("a")));
    }
}
