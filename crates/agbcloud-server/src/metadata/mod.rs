//! The metadata store: contexts, files, and the deletion queue. Only the metadata decides which files exist.
//!
//! Handlers use the trait [`Metadata`], so that another database is another implementation of it. Every method that a request
//! can reach takes the tenant; contexts of other tenants are not found.

pub(crate) mod check;
mod key_table;
mod offset_index;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
mod quota;
pub(crate) mod record;
pub(crate) mod sqlite;
#[cfg(test)]
pub(crate) mod usage_model;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use prometheus_client::registry::Registry;

#[cfg(any(test, feature = "postgres"))]
pub(crate) use self::key_table::ChangeLimits;
pub(crate) use self::key_table::KeyTable;
use crate::blobs::BlockChecksums;
use crate::checksums::Checksums;
use crate::markers::SharedMarker;
use crate::names::{FilePath, FolderPath};
use crate::signing::Tenant;
use crate::system::clock::Micros;
use crate::system::random::NoRandom;

pub use self::quota::Usage;
pub(crate) use self::quota::{Quota, QuotaKind, Quotas};

/// Maximum size in bytes of a content that is stored in the database: a blob costs several waits for the disk. A larger content
/// is a blob.
pub(crate) const MAX_INLINE_BYTES: u64 = 32 * 1024;

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("context not found")]
    NoContext,
    #[error("file not found")]
    NoFile,
    #[error("another context has this name")]
    NameTaken,
    /// The context was cleared or deleted after the URL was signed.
    #[error("the context was cleared or deleted")]
    Stale,
    #[error("a condition of the request is not met")]
    Precondition,
    #[error("disk full")]
    Full,
    /// An upload would exceed a quota.
    #[error(transparent)]
    QuotaExceeded(Quota),
    /// The data folder is no longer at its path, so that the next start would not find what is written now.
    #[error("{} was moved, removed or replaced", .0.display())]
    Moved(PathBuf),
    #[error("damaged: {0}")]
    Damaged(&'static str),
    #[error("the store is closed")]
    Closed,
    /// The lease of the upload expired, so that its content is being deleted. Nothing was published.
    #[error("the upload took too long")]
    UploadExpired,
    /// The database can't be reached, is overloaded, or does not respond in time. A later attempt may succeed.
    #[error("the database is not available: {0}")]
    Unavailable(&'static str),
    /// The connection to the database was lost during the commit, and the outcome could not be determined.
    #[error("the connection to the database was lost during the commit")]
    OutcomeUnknown,
    #[error("the store failed: {0}")]
    Failed(String),
}

impl From<NoRandom> for StoreError {
    fn from(error: NoRandom) -> Self {
        Self::Failed(error.to_string())
    }
}

pub(crate) type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The state of a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContextState {
    Available,
    Clearing,
}

impl ContextState {
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
    pub(crate) state: ContextState,
    /// The number of clears, plus 1.
    pub(crate) generation: i64,
    pub(crate) create_time: Micros,
    pub(crate) last_used: Micros,
}

/// The last context of a page: the next page starts after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContextCursor {
    pub(crate) create_time: Micros,
    pub(crate) id: String,
}

/// A page of contexts.
#[derive(Debug, Clone)]
pub(crate) struct ContextPage {
    pub(crate) contexts: Vec<Context>,
    /// Whether there is another page.
    pub(crate) more: bool,
    /// The number of contexts on all pages.
    pub(crate) total: i64,
}

/// A file without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) size: u64,
    /// MD5 of the content in hexadecimal.
    pub(crate) etag: String,
    /// CRC-64/XZ of the content. `None` for a file of an older version.
    pub(crate) crc64: Option<u64>,
    pub(crate) modified: Micros,
}

/// Where the content of a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// In the database: at most [`MAX_INLINE_BYTES`].
    Inline(Bytes),
    /// In the blob with this key.
    Blob(String),
}

/// A file or a folder in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedEntry {
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

/// A page of a folder.
#[derive(Debug, Clone, Default)]
pub(crate) struct FilePage {
    pub(crate) entries: Vec<ListedEntry>,
    /// The number of entries on all pages.
    pub(crate) count: i64,
}

/// A file of one generation of a context, as a presigned URL identifies it.
#[derive(Debug, Clone)]
pub(crate) struct FileKey {
    pub(crate) tenant: Tenant,
    pub(crate) context: String,
    pub(crate) generation: i64,
    pub(crate) path: FilePath,
}

/// An upload that is ready to be published. A blob is durable already; an inline content becomes durable with its row.
#[derive(Debug, Clone)]
pub(crate) struct NewFile {
    pub(crate) checksums: Checksums,
    pub(crate) content: Content,
    /// The checksums of a blob.
    pub(crate) blocks: Option<BlockChecksums>,
}

/// A file with its content, from one snapshot.
#[derive(Debug, Clone)]
pub(crate) struct OpenFile {
    pub(crate) file: File,
    pub(crate) content: Content,
    /// The checksums of a blob. `None` for a blob of an older version.
    pub(crate) blocks: Option<BlockChecksums>,
}

/// An upload that is not published yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UploadId {
    /// The key of its blob.
    pub(crate) blob: String,
    /// The multipart upload in the store of blobs. `None` if there is none yet.
    pub(crate) multipart: Option<String>,
}

/// The entity tags in a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EntityTags {
    /// `*`: any file that exists.
    Any,
    /// These tags, without quotes.
    List(Vec<String>),
}

impl EntityTags {
    fn match_file(&self, etag: Option<&str>) -> bool {
        match (self, etag) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::List(tags), Some(etag)) => tags.iter().any(|tag| tag == etag),
        }
    }
}

/// The state before an upload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PreparedUpload {
    /// The file that the upload would replace.
    pub(crate) replaced: Option<File>,
    /// What the tenant holds. May be zero if no quota limits it.
    pub(crate) tenant: Usage,
    /// What the context holds. May be zero if no quota limits it.
    pub(crate) context: Usage,
}

/// The headers `If-Match` and `If-None-Match` of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    pub(crate) if_match: Option<EntityTags>,
    pub(crate) if_none_match: Option<EntityTags>,
}

impl Conditions {
    /// Whether a file with this tag, or a missing file, meets the conditions.
    pub(crate) fn are_met_by(&self, etag: Option<&str>) -> bool {
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
/// A change is durable when the method returns. A method that fails has changed nothing, except that the outcome is unknown
/// after [`StoreError::Closed`] and [`StoreError::OutcomeUnknown`].
#[async_trait]
pub(crate) trait Metadata: Send + Sync + fmt::Debug {
    async fn context_by_id(&self, tenant: &Tenant, id: &str) -> Result<Option<Context>>;
    async fn context_by_name(
        &self,
        tenant: &Tenant,
        region: &str,
        name: &str,
    ) -> Result<Option<Context>>;
    /// Returns the context with this name, and creates it if needed. Concurrent calls create one context.
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
    /// Hides all files, invalidates all URLs, and queues the files for deletion. Does nothing while a clear is running.
    async fn clear_context(&self, tenant: &Tenant, id: &str, now: Micros) -> Result<()>;
    async fn list_contexts(
        &self,
        tenant: &Tenant,
        after: Option<ContextCursor>,
        limit: u32,
    ) -> Result<ContextPage>;
    /// Updates the time of the last use.
    async fn touch_context(&self, tenant: &Tenant, id: &str, now: Micros) -> Result<()>;

    /// Lists the entries of a folder by name. A folder that does not exist is empty.
    async fn list_files(
        &self,
        tenant: &Tenant,
        context: &str,
        folder: &FolderPath,
        offset: i64,
        limit: u32,
    ) -> Result<FilePage>;
    async fn file(&self, key: &FileKey) -> Result<File>;
    /// Returns several files. The result of one does not depend on the others.
    async fn files(&self, keys: Vec<FileKey>) -> Vec<Result<File>>;
    /// Returns a file with its content. Verifies the row.
    async fn open_file(&self, key: &FileKey) -> Result<OpenFile>;
    /// Stores the block checksums of a blob of an older version, if a file references it.
    async fn store_block_checksums(
        &self,
        blob: String,
        crc64: u64,
        checksums: BlockChecksums,
    ) -> Result<()>;
    /// Returns what an upload would replace before its content is received. Fails if a file of `size` bytes would exceed a quota,
    /// without the other uploads in progress. The check when the file is published is decisive.
    async fn prepare_upload(
        &self,
        key: &FileKey,
        size: u64,
        quotas: &Quotas,
    ) -> Result<PreparedUpload>;
    /// Publishes an upload. Readers get the old or the new file, never a mixture. Returns whether a file was replaced.
    ///
    /// Checks the conditions first, then the quotas, exactly: concurrent uploads of a tenant never exceed them together.
    ///
    /// [`StoreError::Full`] guarantees that the upload was not published.
    async fn put_file(
        &self,
        key: &FileKey,
        file: NewFile,
        conditions: Conditions,
        quotas: &Quotas,
        now: Micros,
    ) -> Result<bool>;
    async fn delete_file(
        &self,
        tenant: &Tenant,
        context: &str,
        path: &FilePath,
        now: Micros,
    ) -> Result<()>;

    /// Returns how long an upload is protected without a renewal. `None` if one process owns the store: it knows its uploads, and
    /// what other processes left is moved to the quarantine at the start.
    fn upload_lease(&self) -> Option<Duration> {
        None
    }
    /// Registers an upload before the first byte of its blob is stored. Its lease begins.
    async fn register_upload(&self, _upload: &UploadId) -> Result<()> {
        Ok(())
    }
    /// Renews the lease of an upload, and records its multipart upload if that is known now. Fails with
    /// [`StoreError::UploadExpired`] if its content is being deleted.
    async fn renew_upload(&self, _upload: &UploadId) -> Result<()> {
        Ok(())
    }
    /// Removes an upload whose bytes are deleted.
    async fn forget_upload(&self, _blob: &str) -> Result<()> {
        Ok(())
    }
    /// Returns some uploads whose lease has expired, and claims them: from now on they can't be published.
    async fn expired_uploads(&self, _limit: u32) -> Result<Vec<UploadId>> {
        Ok(Vec::new())
    }
    /// Moves the blobs of expired uploads to the quarantine.
    async fn discard_uploads(&self, _blobs: Vec<String>) -> Result<()> {
        Ok(())
    }
    /// Queues blobs for deletion that have been in the quarantine for some time, at most `limit`. Returns their number, or `None`
    /// if there are such blobs and damage is reported. Returns 0 where the quarantine is a folder.
    async fn release_quarantine(&self, _age: Duration, _limit: u32) -> Result<Option<u64>> {
        Ok(Some(0))
    }
    /// Reports damage: no blob leaves the quarantine until a check finds none. Does nothing where the quarantine is a folder.
    async fn hold_quarantine(&self) -> Result<()> {
        Ok(())
    }

    /// Returns what a tenant stores. Files of cleared and deleted contexts do not count. Reads a kept count.
    async fn usage(&self, tenant: &Tenant) -> Result<Usage>;
    /// Returns what all tenants store. Called for each scrape of the metrics, so it reads few rows whatever the number of
    /// tenants, and may be some minutes old.
    async fn total_usage(&self) -> Result<Usage>;

    /// Deletes one batch of files of cleared and deleted contexts, and queues their blobs for deletion. Returns whether there were
    /// any.
    async fn collect_files(&self) -> Result<bool>;
    /// Returns some blobs of the deletion queue.
    async fn dead_blobs(&self, limit: u32) -> Result<Vec<String>>;
    /// Returns the number of blobs in the deletion queue, at most `max`.
    async fn deletion_backlog(&self, max: u32) -> Result<usize> {
        Ok(self.dead_blobs(max).await?.len())
    }
    /// Removes deleted blobs from the deletion queue.
    async fn remove_dead_blobs(&self, blobs: Vec<String>) -> Result<()>;
    /// Returns those of the blobs that no file references and that are neither queued for deletion nor in quarantine.
    async fn unreferenced_blobs(&self, blobs: Vec<String>) -> Result<Vec<String>>;
    /// Returns the blobs that files reference, in order, after the given one.
    async fn referenced_blobs(&self, after: String, limit: u32) -> Result<Vec<String>>;
    /// Returns the clears whose files are all deleted.
    async fn finished_clears(&self) -> Result<Vec<Clear>>;
    /// Makes a cleared context available.
    async fn finish_clear(&self, clear: &Clear) -> Result<()>;

    /// Adds the metrics of the database.
    fn register_metrics(&self, _: &mut Registry) {}
    /// Updates metrics that are measured and not counted.
    fn measure(&self) {}

    /// Fails if the disk is full. Called before a large upload.
    async fn check_space(&self) -> Result<()>;

    /// Fails if the store was moved, removed or replaced.
    async fn check_location(&self) -> Result<()>;

    /// Returns the current marker. `None` if one process owns the store. Blobs must not be deleted if the marker in their store is
    /// that of another store, or newer.
    async fn shared_marker(&self) -> Result<Option<SharedMarker>> {
        Ok(None)
    }
    /// Advances the marker if that is due, and returns the one to write to the store of blobs.
    async fn advance_marker(&self) -> Result<Option<SharedMarker>> {
        Ok(None)
    }

    /// Waits until all commits are on the disk, also in modes where commits do not wait for it.
    async fn sync_commits(&self) -> Result<()>;

    /// Closes the store: finishes queued operations and rejects later ones. Does not wait.
    fn close(&self);
    /// Waits until the store is closed, at most a few seconds. Blocks the thread.
    fn wait_closed(&self);
}

/// A clear of a context.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Clear {
    pub(crate) context: i64,
    pub(crate) generation: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_compare_the_tag_of_the_existing_file() {
        let these = |tag: &str| Some(EntityTags::List(vec![tag.to_owned()]));
        let none = Conditions::default();
        assert!(none.are_met_by(None) && none.are_met_by(Some("a")));
        let create = Conditions {
            if_none_match: Some(EntityTags::Any),
            ..Default::default()
        };
        assert!(create.are_met_by(None) && !create.are_met_by(Some("a")));
        let swap = Conditions {
            if_match: these("a"),
            ..Default::default()
        };
        assert!(
            swap.are_met_by(Some("a")) && !swap.are_met_by(Some("b")) && !swap.are_met_by(None)
        );
        let exists = Conditions {
            if_match: Some(EntityTags::Any),
            ..Default::default()
        };
        assert!(exists.are_met_by(Some("b")) && !exists.are_met_by(None));
        let not_this = Conditions {
            if_none_match: these("a"),
            ..Default::default()
        };
        assert!(
            not_this.are_met_by(Some("b"))
                && not_this.are_met_by(None)
                && !not_this.are_met_by(Some("a"))
        );
    }
}
