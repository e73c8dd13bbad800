//! Writes one blob: constant memory, durable once finished.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use object_store::path::Path as Key;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};

use super::error::BlobError;
use super::local;
use super::multipart::PartUpload;

/// Size of a part of a file in bytes, which is also the memory of one upload to a folder.
const FILE_PART_BYTES: usize = 1024 * 1024;

/// A blob that is being written. If it is dropped, the blob does not appear, and parts that are already stored are removed.
pub(crate) struct Upload {
    blob: String,
    target: Target,
}

enum Target {
    File(FileUpload),
    /// One request writes the blob.
    Object(ObjectUpload),
    Parts(PartUpload),
}

impl Upload {
    pub(super) fn file(store: Arc<dyn ObjectStore>, folder: PathBuf, blob: String) -> Self {
        let key = Key::from(blob.as_str());
        Self::new(
            blob,
            Target::File(FileUpload {
                store,
                folder,
                key,
                pending: BytesMut::new(),
                parts: None,
            }),
        )
    }

    /// The content must have exactly `length` bytes.
    pub(super) fn object(
        store: Arc<dyn ObjectStore>,
        key: Key,
        blob: String,
        length: usize,
    ) -> Self {
        Self::new(
            blob,
            Target::Object(ObjectUpload {
                store,
                key,
                content: BytesMut::with_capacity(length),
            }),
        )
    }

    pub(super) fn parts(parts: PartUpload, blob: String) -> Self {
        Self::new(blob, Target::Parts(parts))
    }

    fn new(blob: String, target: Target) -> Self {
        Self { blob, target }
    }

    /// The key of the blob. Nothing is stored before the first [`write`](Self::write).
    pub(crate) fn key(&self) -> &str {
        &self.blob
    }

    /// The multipart upload in the store, if the blob is written in parts. Its parts take space until it ends.
    pub(crate) fn multipart(&self) -> Option<&str> {
        match &self.target {
            Target::Parts(parts) => Some(parts.id()),
            Target::File(_) | Target::Object(_) => None,
        }
    }

    /// Appends bytes. The total must not exceed the length of the content.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        match &mut self.target {
            Target::File(file) => file.write(bytes).await,
            Target::Object(object) => {
                object.content.extend_from_slice(&bytes);
                Ok(())
            }
            Target::Parts(parts) => parts.write(bytes).await,
        }
    }

    /// Makes the blob durable and returns its key. If the future is dropped or fails, the blob may exist nevertheless: the store
    /// may have executed a request whose response was lost.
    pub(crate) async fn finish(self) -> Result<String, BlobError> {
        match self.target {
            Target::File(file) => file.finish().await?,
            Target::Object(object) => object.finish().await?,
            Target::Parts(parts) => parts.finish().await?,
        }
        Ok(self.blob)
    }

    /// Discards the blob. Logs failures. Returns whether nothing is left of it.
    pub(crate) async fn abort(self) -> bool {
        match self.target {
            Target::File(file) => file.abort().await,
            Target::Object(_) => true,
            Target::Parts(parts) => parts.abort().await,
        }
    }
}

/// Writes a file.
struct FileUpload {
    store: Arc<dyn ObjectStore>,
    folder: PathBuf,
    key: Key,
    pending: BytesMut,
    /// Started with the first full part. A smaller blob is written with one request.
    parts: Option<Box<dyn MultipartUpload>>,
}

impl FileUpload {
    async fn write(&mut self, mut bytes: Bytes) -> Result<(), BlobError> {
        while self.pending.len() + bytes.len() > FILE_PART_BYTES {
            let fits = bytes.split_to(FILE_PART_BYTES - self.pending.len());
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
            None => self.store.put_multipart(&self.key).await?,
        };
        Ok(self.parts.insert(parts))
    }

    async fn finish(mut self) -> Result<(), BlobError> {
        let rest = PutPayload::from(self.pending.split().freeze());
        match &mut self.parts {
            Some(parts) => {
                parts.put_part(rest).await?;
                if let Err(error) = parts.complete().await {
                    // The object store does not remove the staging file if syncing or renaming it fails.
                    if let Err(error) = local::remove_staged(&self.folder, self.key.as_ref()).await
                    {
                        tracing::warn!(%error, "failed to remove the staging file of an upload; the next start removes it");
                    }
                    return Err(error.into());
                }
            }
            None => {
                self.store.put(&self.key, rest).await?;
            }
        }
        Ok(())
    }

    async fn abort(mut self) -> bool {
        if let Some(mut parts) = self.parts.take()
            && let Err(error) = parts.abort().await
        {
            tracing::warn!(%error, "failed to remove the parts of an aborted upload; they are removed later");
            return false;
        }
        true
    }
}

/// Writes an object with one request.
struct ObjectUpload {
    store: Arc<dyn ObjectStore>,
    key: Key,
    content: BytesMut,
}

impl ObjectUpload {
    async fn finish(self) -> Result<(), BlobError> {
        let content = PutPayload::from(self.content.freeze());
        self.store.put(&self.key, content).await?;
        Ok(())
    }
}
