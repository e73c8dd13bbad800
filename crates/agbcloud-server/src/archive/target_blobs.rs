//! The store of blobs of a target.

use async_trait::async_trait;
use bytes::Bytes;

use super::endpoint::BlobWriter;
use super::error::ArchiveError;
use crate::blobs::{BlobError, Blobs, Chunks, Upload};

/// A store of blobs that is being filled.
pub(super) struct TargetBlobs {
    pub(super) blobs: Blobs,
    /// Whether an earlier attempt may have left blobs.
    pub(super) resumed: bool,
}

impl TargetBlobs {
    /// Opens a blob that an earlier attempt may have written. `None` if there is none.
    pub(super) async fn open_existing(&self, blob: &str) -> Result<Option<Chunks>, ArchiveError> {
        if !self.resumed {
            return Ok(None);
        }
        match self.blobs.read_unchecked(blob).await {
            Ok(chunks) => Ok(Some(chunks)),
            Err(BlobError::Missing) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Starts a blob with a known size.
    pub(super) async fn create(&self, blob: &str, size: u64) -> Result<BlobUpload, ArchiveError> {
        Ok(BlobUpload(self.blobs.upload_as(blob, size).await?))
    }
}

/// A blob that is being written.
pub(super) struct BlobUpload(Upload);

impl BlobUpload {
    /// The id of an upload in parts.
    #[cfg(feature = "postgres")]
    pub(super) fn multipart(&self) -> Option<&str> {
        self.0.multipart()
    }
}

#[async_trait]
impl BlobWriter for BlobUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), ArchiveError> {
        Ok(self.0.write(bytes).await?)
    }

    async fn finish(self: Box<Self>) -> Result<(), ArchiveError> {
        self.0.finish().await?;
        Ok(())
    }

    async fn abort(self: Box<Self>) {
        self.0.abort().await;
    }
}
