//! One blob on its way in: constant memory, hashed as it comes, durable when it is finished.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use md5::{Digest, Md5};
use object_store::path::Path as Key;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use sha2::Sha256;

use super::BlobError;
use crate::metadata::NewFile;
use crate::random::hex;

/// What is gathered before it is written, and so the memory of one upload.
const PART: usize = 1024 * 1024;

/// A blob that is being written. Dropped before it is finished, it leaves nothing.
pub(crate) struct Upload {
    store: Arc<dyn ObjectStore>,
    key: String,
    md5: Md5,
    sha256: Sha256,
    crc64: crc64fast::Digest,
    size: u64,
    pending: BytesMut,
    /// Begun with the first part that is full: what fits into one part is written in one go.
    parts: Option<Box<dyn MultipartUpload>>,
}

impl Upload {
    pub(super) fn new(store: Arc<dyn ObjectStore>, key: String) -> Self {
        Self {
            store,
            key,
            md5: Md5::new(),
            sha256: Sha256::new(),
            crc64: crc64fast::Digest::new(),
            size: 0,
            pending: BytesMut::new(),
            parts: None,
        }
    }

    /// Bytes so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next bytes.
    pub(crate) async fn write(&mut self, mut bytes: Bytes) -> Result<(), BlobError> {
        self.md5.update(&bytes);
        self.sha256.update(&bytes);
        self.crc64.write(&bytes);
        self.size += bytes.len() as u64;
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

    /// Makes the blob durable. It must not be cancelled: whoever drops this may leave a blob until the next sweep.
    pub(crate) async fn finish(mut self) -> Result<NewFile, BlobError> {
        let rest = PutPayload::from(self.pending.split().freeze());
        match &mut self.parts {
            Some(parts) => {
                parts.put_part(rest).await?;
                parts.complete().await?;
            }
            None => {
                self.store.put(&Key::from(self.key.as_str()), rest).await?;
            }
        }
        Ok(NewFile {
            size: self.size,
            etag: hex(&self.md5.finalize()),
            crc64: self.crc64.sum64(),
            sha256: hex(&self.sha256.finalize()),
            blob: self.key,
        })
    }

    /// Takes back what was written.
    pub(crate) async fn abort(mut self) {
        if let Some(mut parts) = self.parts.take()
            && let Err(error) = parts.abort().await
        {
            tracing::warn!(%error, "an upload that ended early left a file behind; the next start removes it");
        }
    }

    /// MD5 of the bytes so far.
    pub(crate) fn md5_so_far(&self) -> [u8; 16] {
        self.md5.clone().finalize().into()
    }
}
