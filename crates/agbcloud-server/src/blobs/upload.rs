//! Writes one blob: constant memory, durable once finished.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use super::error::BlobError;
use super::file_upload::FileUpload;
use super::multipart::PartUpload;

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
    pub(super) fn file(file: FileUpload, blob: String) -> Self {
        Self::new(blob, Target::File(file))
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

    /// Starts to write the last bytes to the disk, if that is possible while their checksums are computed.
    pub(crate) async fn start_sync(&mut self) -> Result<(), BlobError> {
        match &mut self.target {
            Target::File(file) => file.start_sync().await,
            Target::Object(_) | Target::Parts(_) => Ok(()),
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
