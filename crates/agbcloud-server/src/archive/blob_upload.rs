//! A blob of a store that is being filled.

use async_trait::async_trait;
use bytes::Bytes;

use super::endpoint::BlobWriter;
use super::error::ArchiveError;
use crate::blobs::Upload;

/// A blob in a store of blobs.
pub(super) struct BlobUpload(pub(super) Upload);

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
