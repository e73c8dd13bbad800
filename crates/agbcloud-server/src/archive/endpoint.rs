//! The two ends of a copy.

use std::collections::HashMap;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;

use super::error::ArchiveError;
use super::options::CopyOptions;
use super::report::CopyReport;
use crate::blobs::{BlobError, Chunks};
use crate::fsck::Finding;
use crate::metadata::record::{BlobChecksums, ImportSource, Record, StoreIdentity};

/// A record, or a row that can't be copied.
pub(super) type Item = Result<Record, Finding>;

/// A store or an archive that is read.
#[async_trait]
pub(super) trait Source: Send + Sync {
    /// Names the source in a message, without passwords.
    fn describe(&self) -> String;
    fn identity(&self) -> &StoreIdentity;
    /// Identifies the source, so that only the same import continues an unfinished one.
    fn import_source(&self) -> ImportSource;
    /// The number of blobs that can be read at once. With 1, blobs are read in the order of their records.
    fn concurrency(&self) -> usize;
    /// Returns the next records in order. Empty at the end.
    async fn next(&mut self) -> Result<Vec<Item>, ArchiveError>;
    /// Streams the bytes of a blob of the records that [`next`](Self::next) returned last.
    async fn open_blob(&self, blob: &str) -> Result<Chunks, BlobError>;
    /// Whether a blob of the records is still in use, so that it is damage if it is missing. A source that keeps its blobs until
    /// the end need not check that.
    async fn is_current(&self, _blob: &str) -> Result<bool, ArchiveError> {
        Ok(true)
    }
    /// Checks at the end that everything was read.
    async fn finish(&mut self) -> Result<(), ArchiveError> {
        Ok(())
    }
    /// Releases what a failed copy does not need any more.
    async fn abandon(&mut self) {}
}

/// A new store or archive that is written.
#[async_trait]
pub(super) trait Sink: Send + Sync {
    /// The number of blobs that can be written at once. With 1, blobs are written in the order of their records.
    fn concurrency(&self) -> usize;
    /// Opens a blob that an earlier attempt may have written. `None` if there is none.
    async fn open_existing(&self, blob: &str) -> Result<Option<Chunks>, ArchiveError>;
    /// Starts a blob with a known size.
    async fn create_blob(&self, blob: &str, size: u64)
    -> Result<Box<dyn BlobWriter>, ArchiveError>;
    /// Writes records in order. Their blobs are finished, with these checksums by key.
    async fn write(
        &mut self,
        records: Vec<Record>,
        blobs: HashMap<String, BlobChecksums>,
    ) -> Result<(), ArchiveError>;
    /// The key file that was written, if the target does not store keys itself.
    fn key_file(&self) -> Option<PathBuf> {
        None
    }
    /// Completes the target, verifies it if that is not up to the caller, and publishes it.
    async fn finish(
        &mut self,
        report: &CopyReport,
        options: &CopyOptions,
    ) -> Result<(), ArchiveError>;
}

/// A blob that is being written.
#[async_trait]
pub(super) trait BlobWriter: Send {
    async fn write(&mut self, bytes: Bytes) -> Result<(), ArchiveError>;
    /// Makes the blob durable.
    async fn finish(self: Box<Self>) -> Result<(), ArchiveError>;
    /// Discards the blob.
    async fn abort(self: Box<Self>);
}
