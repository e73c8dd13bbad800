//! Writes one blob: constant memory, durable once finished.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use object_store::path::Path as Key;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};

use super::error::BlobError;
use super::local;

/// Size of a part in bytes, which is also the memory of one upload.
const PART_BYTES: usize = 1024 * 1024;

/// A blob that is being written. Leaves nothing behind if it is dropped.
pub(crate) struct Upload {
    store: Arc<dyn ObjectStore>,
    /// `None` in memory.
    folder: Option<PathBuf>,
    key: String,
    pending: BytesMut,
    /// Started with the first full part. A smaller blob is written with one request.
    parts: Option<Box<dyn MultipartUpload>>,
}

impl Upload {
    pub(super) fn new(store: Arc<dyn ObjectStore>, folder: Option<PathBuf>, key: String) -> Self {
        Self {
            store,
            folder,
            key,
            pending: BytesMut::new(),
            parts: None,
        }
    }

    /// The key of the blob.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Appends bytes.
    pub(crate) async fn write(&mut self, mut bytes: Bytes) -> Result<(), BlobError> {
        while self.pending.len() + bytes.len() > PART_BYTES {
            let fits = bytes.split_to(PART_BYTES - self.pending.len());
            self.pending.extend_from_slice(&fits);
            let part = self.pending.split().freeze();
            self.parts().await?.put_part(PutPayload::from(part)).await?;
        }
        self.pending.extend_from_slice(&bytes);
        Ok(())
    }

    async fn parts(&mut self) -> Result<&mut Box<dyn MultipartUpload>, BlobError> {
        let parts = match self.parts.take() {
            Some(parts) => parts,
            None => {
                self.store
                    .put_multipart(&Key::from(self.key.as_str()))
                    .await?
            }
        };
        Ok(self.parts.insert(parts))
    }

    /// Makes the blob durable and returns its key. If the future is dropped, a blob may stay until the next sweep.
    pub(crate) async fn finish(mut self) -> Result<String, BlobError> {
        let rest = PutPayload::from(self.pending.split().freeze());
        match &mut self.parts {
            Some(parts) => {
                parts.put_part(rest).await?;
                if let Err(error) = parts.complete().await {
                    // The object store does not remove the staging file if syncing or renaming it fails.
                    if let Some(folder) = &self.folder {
                        local::remove_staged(folder, &self.key).await;
                    }
                    return Err(error.into());
                }
            }
            None => {
                self.store.put(&Key::from(self.key.as_str()), rest).await?;
            }
        }
        Ok(self.key)
    }

    /// Discards the blob. Returns whether nothing is left of it.
    pub(crate) async fn abort(mut self) -> bool {
        if let Some(mut parts) = self.parts.take()
            && let Err(error) = parts.abort().await
        {
            tracing::warn!(%error, "failed to remove the parts of an aborted upload; they are removed later");
            return false;
        }
        true
    }
}
