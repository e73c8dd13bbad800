//! Checksums of the blocks of a blob, so that a part of it can be verified before it is sent.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::task::{JoinHandle, spawn_blocking};

use super::error::BlobError;
use super::range_reader::RangeReader;

/// A stream of the bytes of a blob.
pub(crate) type Chunks = BoxStream<'static, Result<Bytes, BlobError>>;

/// Size of a block in bytes. The last block of a blob may be smaller.
const BLOCK_BYTES: u64 = 256 * 1024;
/// Size of one checksum in bytes.
const CHECKSUM_BYTES: usize = 8;

/// The CRC-64/XZ of each block of a blob, in little-endian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlockChecksums(Arc<[u8]>);

impl BlockChecksums {
    /// Returns `None` unless there is exactly one checksum for each block of a blob of this size.
    pub(crate) fn from_bytes(bytes: &[u8], size: u64) -> Option<Self> {
        let blocks = usize::try_from(size.div_ceil(BLOCK_BYTES)).ok()?;
        (bytes.len() == blocks.checked_mul(CHECKSUM_BYTES)?).then(|| Self(bytes.into()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn match_block(&self, block: u64, bytes: &[u8]) -> bool {
        let mut digest = crc64fast::Digest::new();
        digest.write(bytes);
        let checksum = usize::try_from(block).ok().and_then(|block| {
            let start = block.checked_mul(CHECKSUM_BYTES)?;
            self.0.get(start..)?.get(..CHECKSUM_BYTES)
        });
        checksum == Some(&digest.sum64().to_le_bytes()[..])
    }
}

/// Computes the checksums of the blocks of a blob.
#[derive(Default)]
pub(crate) struct BlockHasher {
    checksums: Vec<u8>,
    current: crc64fast::Digest,
    filled: u64,
}

impl BlockHasher {
    /// Adds the next bytes.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let free = usize::try_from(BLOCK_BYTES - self.filled).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(bytes.len().min(free));
            self.current.write(now);
            self.filled += now.len() as u64;
            if self.filled == BLOCK_BYTES {
                self.end_block();
            }
            bytes = later;
        }
    }

    fn end_block(&mut self) {
        self.checksums
            .extend_from_slice(&self.current.sum64().to_le_bytes());
        self.current = crc64fast::Digest::new();
        self.filled = 0;
    }

    pub(crate) fn finish(mut self) -> BlockChecksums {
        if self.filled > 0 {
            self.end_block();
        }
        BlockChecksums(self.checksums.into())
    }
}

/// Where the bytes of a blob come from.
pub(super) enum BlockSource {
    File(File),
    /// Positioned at the first block that is read.
    Object(RangeReader),
}

/// Reads and verifies the blocks of a blob.
struct BlockReader {
    source: BlockSource,
    size: u64,
    checksums: BlockChecksums,
}

impl BlockReader {
    /// Starts to read one block. The result is an error if the block does not match its checksum.
    fn prefetch(self, block: u64) -> Prefetch {
        let Self {
            source,
            size,
            checksums,
        } = self;
        let start = block * BLOCK_BYTES;
        let length = BLOCK_BYTES.min(size.saturating_sub(start));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let reader = move |source, checksums| Self {
            source,
            size,
            checksums,
        };
        match source {
            BlockSource::File(mut file) => spawn_blocking(move || {
                let bytes = read_block(&mut file, start, length).and_then(|bytes| match checksums
                    .match_block(block, &bytes)
                {
                    true => Ok(bytes),
                    false => Err(mismatch(start)),
                });
                let bytes = bytes.map_err(BlobError::Damaged);
                (reader(BlockSource::File(file), checksums), bytes)
            }),
            // A task, because the client may not poll the response for longer than the store waits.
            BlockSource::Object(mut object) => tokio::spawn(async move {
                let matches = |bytes: &Bytes| checksums.match_block(block, bytes);
                let bytes = read_object_block(&mut object, start, length, matches).await;
                (reader(BlockSource::Object(object), checksums), bytes)
            }),
        }
    }
}

/// A block that is being read.
type Prefetch = JoinHandle<(BlockReader, Result<Bytes, BlobError>)>;

/// Blocks the thread.
fn read_block(file: &mut File, start: u64, length: usize) -> io::Result<Bytes> {
    let mut bytes = vec![0; length];
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut bytes)?;
    Ok(Bytes::from(bytes))
}

/// Reads the next block of an object, once more if it was damaged on the way.
async fn read_object_block(
    object: &mut RangeReader,
    start: u64,
    length: usize,
    matches: impl Fn(&Bytes) -> bool,
) -> Result<Bytes, BlobError> {
    let bytes = object.read(length).await?;
    if matches(&bytes) {
        return Ok(bytes);
    }
    object.restart(start);
    let bytes = object.read(length).await?;
    match matches(&bytes) {
        true => Ok(bytes),
        false => Err(BlobError::Damaged(mismatch(start))),
    }
}

fn mismatch(start: u64) -> io::Error {
    io::Error::new(
        ErrorKind::InvalidData,
        format!("the block at byte {start} does not match its checksum"),
    )
}

/// Extends a range to the boundaries of the blocks of a blob of this size.
pub(super) fn extend_to_blocks(range: &Range<u64>, size: u64) -> Range<u64> {
    let start = range.start / BLOCK_BYTES * BLOCK_BYTES;
    start..range.end.next_multiple_of(BLOCK_BYTES).min(size)
}

/// Streams a range, which must not be empty. Verifies each block before it yields a part of it, and the first block before
/// this returns. Reads one block ahead.
pub(super) async fn read(
    source: BlockSource,
    size: u64,
    range: Range<u64>,
    checksums: BlockChecksums,
) -> Result<Chunks, BlobError> {
    let blocks = range.start / BLOCK_BYTES..range.end.div_ceil(BLOCK_BYTES);
    let reader = BlockReader {
        source,
        size,
        checksums,
    };
    let first = reader.prefetch(blocks.start);
    let (reader, bytes) = first.await.map_err(io::Error::other)?;
    let state = (blocks.start, Some((reader, bytes?)), None::<Prefetch>);
    let chunks = stream::try_unfold(state, move |(block, ready, pending)| {
        let range = range.clone();
        let end = blocks.end;
        async move {
            let (reader, bytes) = match (ready, pending) {
                (Some(ready), _) => ready,
                (None, Some(pending)) => {
                    let (reader, bytes) = pending.await.map_err(io::Error::other)?;
                    (reader, bytes?)
                }
                (None, None) => return Ok(None),
            };
            let start = block * BLOCK_BYTES;
            let within = |at: u64| {
                let at = at.clamp(start, start + bytes.len() as u64) - start;
                usize::try_from(at).unwrap_or(usize::MAX)
            };
            let part = bytes.slice(within(range.start)..within(range.end));
            let next = block + 1;
            let pending = (next < end).then(|| reader.prefetch(next));
            Ok(Some((part, (next, None, pending))))
        }
    });
    Ok(chunks.boxed())
}

/// Reads a whole blob, passes its bytes to `consume`, and computes its checksums. Blocks the thread.
pub(super) fn compute(
    file: &mut File,
    mut consume: impl FnMut(&[u8]),
) -> io::Result<BlockChecksums> {
    let mut hasher = BlockHasher::default();
    let mut buffer = vec![0; usize::try_from(BLOCK_BYTES).map_err(io::Error::other)?];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(read) => {
                hasher.update(&buffer[..read]);
                consume(&buffer[..read]);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;
    use object_store::memory::InMemory;
    use object_store::path::Path as Key;
    use object_store::{ObjectStoreExt, PutPayload};
    use std::io::Write;

    use super::*;
    use crate::blobs::metrics::BlobMetrics;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn pattern(length: u64) -> Vec<u8> {
        (0..length).map(|at| (at % 251) as u8).collect()
    }

    /// Returns the bytes before the end or the first error, and whether the end was reached.
    async fn sent(stored: &[u8], checksums: &BlockChecksums, range: Range<u64>) -> (Vec<u8>, bool) {
        let from_file = sent_from(BlockSource::File(file(stored)), stored, checksums, &range).await;
        let store = Arc::new(InMemory::new());
        let key = Key::from("blob");
        let content = PutPayload::from(stored.to_vec());
        store.put(&key, content).await.unwrap();
        let size = stored.len() as u64;
        let blocks = extend_to_blocks(&range, size);
        let object = RangeReader::open(store, key, size, blocks, BlobMetrics::default());
        let object = BlockSource::Object(object.await.unwrap());
        let from_object = sent_from(object, stored, checksums, &range).await;
        assert_eq!(from_file, from_object);
        from_file
    }

    async fn sent_from(
        source: BlockSource,
        stored: &[u8],
        checksums: &BlockChecksums,
        range: &Range<u64>,
    ) -> (Vec<u8>, bool) {
        let size = stored.len() as u64;
        let Ok(mut chunks) = read(source, size, range.clone(), checksums.clone()).await else {
            return (Vec::new(), false);
        };
        let mut sent = Vec::new();
        loop {
            match chunks.try_next().await {
                Ok(Some(bytes)) => sent.extend_from_slice(&bytes),
                Ok(None) => return (sent, true),
                Err(_) => return (sent, false),
            }
        }
    }

    #[tokio::test]
    async fn ranges_are_complete_and_damaged_blocks_are_not_sent() {
        for size in [
            1,
            BLOCK_BYTES - 1,
            BLOCK_BYTES,
            BLOCK_BYTES + 1,
            3 * BLOCK_BYTES + 7,
        ] {
            let good = pattern(size);
            let mut hasher = BlockHasher::default();
            for piece in good.chunks(100_001) {
                hasher.update(piece);
            }
            let checksums = hasher.finish();
            assert_eq!(compute(&mut reopened(&good), |_| {}).unwrap(), checksums);
            assert_eq!(
                BlockChecksums::from_bytes(checksums.as_bytes(), size),
                Some(checksums.clone())
            );
            assert_eq!(
                BlockChecksums::from_bytes(checksums.as_bytes(), size + BLOCK_BYTES),
                None
            );
            let ends = [
                0,
                1,
                BLOCK_BYTES - 1,
                BLOCK_BYTES,
                BLOCK_BYTES + 1,
                2 * BLOCK_BYTES,
                size - 1,
                size,
            ];
            for start in ends {
                for end in ends.into_iter().filter(|end| start < *end && *end <= size) {
                    let part = &good[start as usize..end as usize];
                    assert_eq!(
                        sent(&good, &checksums, start..end).await,
                        (part.to_vec(), true),
                        "{start}..{end} of {size}"
                    );
                }
            }
            for damaged in [0, size / 2, size - 1] {
                let mut bad = good.clone();
                bad[damaged as usize] ^= 1;
                let block = damaged / BLOCK_BYTES * BLOCK_BYTES;
                let before = good[..block as usize].to_vec();
                assert_eq!(sent(&bad, &checksums, 0..size).await, (before, false));
                if block > 0 {
                    let part = good[..block as usize].to_vec();
                    assert_eq!(sent(&bad, &checksums, 0..block).await, (part, true));
                }
            }
        }
    }

    fn reopened(bytes: &[u8]) -> File {
        let mut file = file(bytes);
        file.seek(SeekFrom::Start(0)).unwrap();
        file
    }
}
