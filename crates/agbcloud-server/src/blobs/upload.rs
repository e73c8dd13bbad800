//! One blob on its way in: constant memory, durable when it is finished.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use object_store::path::Path as Key;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};

use super::{BlobError, local};

/// What is gathered before it is written, and so the memory of one upload.
const PART: usize = 1024 * 1024;

/// A blob that is being written. Dropped before it is finished, it leaves nothing.
pub(crate) struct Upload {
    store: Arc<dyn ObjectStore>,
    /// The folder, if the blobs are files.
    folder: Option<PathBuf>,
    key: String,
    pending: BytesMut,
    /// Begun with the first part that is full: what fits into one part is written in one go.
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

    /// Takes the next bytes.
    pub(crate) async fn write(&mut self, mut bytes: Bytes) -> Result<(), BlobError> {
        while self.pending.len() + bytes.len() > PART {
            let fits = bytes.split_to(PART - self.pending.len());
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

    /// Makes the blob durable, and gives its key. It must not be cancelled: whoever drops this may leave a blob
    /// until the next sweep.
    pub(crate) async fn finish(mut self) -> Result<String, BlobError> {
        let rest = PutPayload::from(self.pending.split().freeze());
        match &mut self.parts {
            Some(parts) => {
                parts.put_part(rest).await?;
                if let Err(error) = parts.complete().await {
                    // The object store forgets the staging file before it knows that it could be synced and renamed.
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

    /// Takes back what was written.
    pub(crate) async fn abort(mut self) {
        if let Some(mut parts) = self.parts.take()
            && let Err(error) = parts.abort().await
        {
            tracing::warn!(%error, "an upload that ended early left a file behind; the next start takes it away");
        }
    }
}
