//! The content of an upload while it is received.

use bytes::{Bytes, BytesMut};

use crate::blobs::{BlobError, Blobs, BlockHasher, Upload};
use crate::checksums::{Checksums, Hasher, IncomingHasher};
use crate::metadata::{Content, MAX_INLINE_BYTES, NewFile, UploadId};

/// Size in bytes from which a piece is passed on as it was received. Smaller ones are copied together: each costs an
/// allocation, a part of a system call, and the memory of the read buffer that it keeps.
const MIN_PIECE_BYTES: usize = 32 * 1024;

/// The content of an upload in progress. If it is dropped before it is finished, nothing remains.
///
/// A large content is written and hashed by other threads, beside the task that receives it.
pub(super) struct IncomingContent {
    size: u64,
    /// A small content, or the last pieces of a large one.
    received: BytesMut,
    target: Target,
}

enum Target {
    /// For at most [`MAX_INLINE_BYTES`].
    Memory {
        sha256: bool,
    },
    Blob(Box<IncomingBlob>),
}

struct IncomingBlob {
    upload: Upload,
    blocks: BlockHasher,
    /// `None` when the checksums are known.
    hasher: Option<IncomingHasher>,
}

impl IncomingContent {
    /// Begins a content of `length` bytes. A small content does not use the blob store.
    pub(super) async fn begin(blobs: &Blobs, length: u64, sha256: bool) -> Result<Self, BlobError> {
        let target = match length <= MAX_INLINE_BYTES {
            true => Target::Memory { sha256 },
            false => Target::Blob(Box::new(IncomingBlob {
                upload: blobs.upload(length).await?,
                blocks: BlockHasher::default(),
                hasher: Some(IncomingHasher::start(length, sha256)),
            })),
        };
        Ok(Self {
            size: 0,
            received: BytesMut::new(),
            target,
        })
    }

    /// Adds the next bytes. The total must not exceed the length.
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.size += bytes.len() as u64;
        let Target::Blob(blob) = &mut self.target else {
            self.received.extend_from_slice(&bytes);
            return Ok(());
        };
        if bytes.len() < MIN_PIECE_BYTES {
            self.received.extend_from_slice(&bytes);
            if self.received.len() >= MIN_PIECE_BYTES {
                blob.write(self.received.split().freeze()).await?;
            }
            return Ok(());
        }
        if !self.received.is_empty() {
            blob.write(self.received.split().freeze()).await?;
        }
        blob.write(bytes).await
    }

    /// Returns the upload of a large content.
    pub(super) fn blob(&self) -> Option<UploadId> {
        match &self.target {
            Target::Memory { .. } => None,
            Target::Blob(blob) => Some(UploadId {
                blob: blob.upload.key().to_owned(),
                multipart: blob.upload.multipart().map(str::to_owned),
            }),
        }
    }

    /// Returns the number of bytes so far.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Ends the content, and returns its checksums.
    pub(super) async fn checksums(&mut self) -> Result<Checksums, BlobError> {
        match &mut self.target {
            Target::Memory { sha256 } => {
                let mut hasher = Hasher::with_sha256(*sha256);
                hasher.update(&self.received);
                Ok(hasher.finish())
            }
            Target::Blob(blob) => {
                if !self.received.is_empty() {
                    blob.write(self.received.split().freeze()).await?;
                }
                blob.upload.start_sync().await?;
                match blob.hasher.take() {
                    Some(hasher) => Ok(hasher.finish().await?),
                    None => Err(has_ended()),
                }
            }
        }
    }

    /// Makes a large content durable. Must not be cancelled: dropping this future may leave a blob until the next sweep.
    pub(super) async fn finish(self, checksums: Checksums) -> Result<NewFile, BlobError> {
        let (content, blocks) = match self.target {
            Target::Memory { .. } => (Content::Inline(self.received.freeze()), None),
            Target::Blob(blob) => {
                let IncomingBlob { upload, blocks, .. } = *blob;
                (Content::Blob(upload.finish().await?), Some(blocks.finish()))
            }
        };
        Ok(NewFile {
            checksums,
            content,
            blocks,
        })
    }

    /// Deletes the written bytes. Returns whether nothing is left of them.
    pub(super) async fn abort(self) -> bool {
        match self.target {
            Target::Memory { .. } => true,
            Target::Blob(blob) => blob.upload.abort().await,
        }
    }
}

impl IncomingBlob {
    async fn write(&mut self, piece: Bytes) -> Result<(), BlobError> {
        let Some(hasher) = &mut self.hasher else {
            return Err(has_ended());
        };
        hasher.update(&piece).await?;
        self.blocks.update(&piece);
        self.upload.write(piece).await
    }
}

fn has_ended() -> BlobError {
    std::io::Error::other("the content has ended").into()
}
