//! The content of an upload while it comes in: a small one waits in memory for its row, a large one becomes a blob.

use bytes::{Bytes, BytesMut};

use crate::blobs::{BlobError, Blobs, BlockHasher, Upload};
use crate::metadata::{Content, MAX_INLINE_BYTES, NewFile};
use crate::random::NoRandom;
use crate::sums::Hasher;

/// A content that is on its way in. Dropped before it is finished, it leaves nothing.
pub(super) struct Incoming {
    hasher: Hasher,
    room: Room,
}

enum Room {
    /// At most [`MAX_INLINE_BYTES`] bytes.
    Memory(BytesMut),
    Blob(Upload, BlockHasher),
}

impl Incoming {
    /// Makes room for so many bytes. The blob store does not hear of a small content.
    pub(super) fn begin(blobs: &Blobs, length: u64) -> Result<Self, NoRandom> {
        let room = if length <= MAX_INLINE_BYTES {
            Room::Memory(BytesMut::new())
        } else {
            Room::Blob(blobs.upload()?, BlockHasher::default())
        };
        Ok(Self {
            hasher: Hasher::new(),
            room,
        })
    }

    /// Takes the next bytes; together they must not be more than were announced.
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.hasher.update(&bytes);
        match &mut self.room {
            Room::Memory(gathered) => {
                gathered.extend_from_slice(&bytes);
                Ok(())
            }
            Room::Blob(upload, blocks) => {
                blocks.update(&bytes);
                upload.write(bytes).await
            }
        }
    }

    /// Bytes so far.
    pub(super) fn size(&self) -> u64 {
        self.hasher.size()
    }

    /// The sums of the bytes so far.
    pub(super) fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    /// Makes a large content durable. It must not be cancelled: whoever drops this may leave a blob until the
    /// next sweep.
    pub(super) async fn finish(self) -> Result<NewFile, BlobError> {
        let (content, blocks) = match self.room {
            Room::Memory(gathered) => (Content::Inline(gathered.freeze()), None),
            Room::Blob(upload, blocks) => {
                (Content::Blob(upload.finish().await?), Some(blocks.finish()))
            }
        };
        Ok(NewFile {
            sums: self.hasher.finish(),
            content,
            blocks,
        })
    }

    /// Takes back what was written.
    pub(super) async fn abort(self) {
        match self.room {
            Room::Memory(_) => {}
            Room::Blob(upload, _) => upload.abort().await,
        }
    }
}
