//! Checksums of the blocks of a blob, so that a part of it can be verified before it is sent.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use tokio::task::{JoinHandle, spawn_blocking};

use super::Chunks;

/// Bytes of a block, the last of a blob aside. Also one read of the disk.
pub(crate) const BLOCK: u64 = 256 * 1024;
/// Bytes of the checksum of a block.
const SUM: usize = 8;

/// The CRC-64/XZ of each block of a blob, in little-endian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlockSums(Arc<[u8]>);

impl BlockSums {
    /// `None` unless there is a sum for each block of a blob of this size.
    pub(crate) fn of(bytes: &[u8], size: u64) -> Option<Self> {
        let blocks = usize::try_from(size.div_ceil(BLOCK)).ok()?;
        (bytes.len() == blocks.checked_mul(SUM)?).then(|| Self(bytes.into()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn fits(&self, block: u64, bytes: &[u8]) -> bool {
        let mut digest = crc64fast::Digest::new();
        digest.write(bytes);
        let sum = usize::try_from(block)
            .ok()
            .and_then(|block| self.0.get(block.checked_mul(SUM)?..)?.get(..SUM));
        sum == Some(&digest.sum64().to_le_bytes()[..])
    }
}

/// Sums that are still growing.
#[derive(Default)]
pub(crate) struct BlockHasher {
    sums: Vec<u8>,
    current: crc64fast::Digest,
    filled: u64,
}

impl BlockHasher {
    /// Takes the next bytes.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = usize::try_from(BLOCK - self.filled).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.current.write(now);
            self.filled += now.len() as u64;
            if self.filled == BLOCK {
                self.end_block();
            }
            bytes = later;
        }
    }

    fn end_block(&mut self) {
        self.sums
            .extend_from_slice(&self.current.sum64().to_le_bytes());
        self.current = crc64fast::Digest::new();
        self.filled = 0;
    }

    pub(crate) fn finish(mut self) -> BlockSums {
        if self.filled > 0 {
            self.end_block();
        }
        BlockSums(self.sums.into())
    }
}

/// A blob that is read in blocks.
struct Reader {
    file: File,
    size: u64,
    sums: BlockSums,
}

impl Reader {
    /// One block, once it is known to be as it was written. Blocks.
    fn block(&mut self, block: u64) -> io::Result<Bytes> {
        let start = block * BLOCK;
        let length = BLOCK.min(self.size.saturating_sub(start));
        let mut bytes = Vec::with_capacity(usize::try_from(length).map_err(io::Error::other)?);
        self.file.seek(SeekFrom::Start(start))?;
        (&mut self.file).take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != length || !self.sums.fits(block, &bytes) {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                format!("the bytes from {start} on do not have their checksum"),
            ));
        }
        Ok(Bytes::from(bytes))
    }
}

/// A block that is being read.
type Ahead = JoinHandle<(Reader, io::Result<Bytes>)>;

fn read_ahead(mut reader: Reader, block: u64) -> Ahead {
    spawn_blocking(move || {
        let bytes = reader.block(block);
        (reader, bytes)
    })
}

/// The bytes of a range, which must not be empty, each block verified before any of it is there. The first is when this
/// returns. While one is sent the next is read.
pub(super) async fn read(
    file: File,
    size: u64,
    range: Range<u64>,
    sums: BlockSums,
) -> io::Result<Chunks> {
    let blocks = range.start / BLOCK..range.end.div_ceil(BLOCK);
    let first = read_ahead(Reader { file, size, sums }, blocks.start);
    let (reader, bytes) = first.await.map_err(io::Error::other)?;
    let state = (blocks.start, Some((reader, bytes?)), None::<Ahead>);
    let chunks = stream::try_unfold(state, move |(block, ready, ahead)| {
        let range = range.clone();
        let end = blocks.end;
        async move {
            let (reader, bytes) = match (ready, ahead) {
                (Some(ready), _) => ready,
                (None, Some(ahead)) => {
                    let (reader, bytes) = ahead.await.map_err(io::Error::other)?;
                    (reader, bytes?)
                }
                (None, None) => return Ok(None),
            };
            let start = block * BLOCK;
            let within = |at: u64| {
                let at = at.clamp(start, start + bytes.len() as u64) - start;
                usize::try_from(at).unwrap_or(usize::MAX)
            };
            let part = bytes.slice(within(range.start)..within(range.end));
            let next = block + 1;
            let ahead = (next < end).then(|| read_ahead(reader, next));
            Ok(Some((part, (next, None, ahead))))
        }
    });
    Ok(chunks.boxed())
}

/// Reads a whole blob, hands its bytes to `take`, and computes its sums. Blocks.
pub(super) fn sum(file: &mut File, mut take: impl FnMut(&[u8])) -> io::Result<BlockSums> {
    let mut hasher = BlockHasher::default();
    let mut buffer = vec![0; usize::try_from(BLOCK).map_err(io::Error::other)?];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(read) => {
                hasher.update(&buffer[..read]);
                take(&buffer[..read]);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;
    use std::io::Write;

    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn pattern(length: u64) -> Vec<u8> {
        (0..length).map(|at| (at % 251) as u8).collect()
    }

    /// What is sent before the end or the first error.
    async fn sent(stored: &[u8], sums: &BlockSums, range: Range<u64>) -> (Vec<u8>, bool) {
        let size = stored.len() as u64;
        let Ok(mut chunks) = read(file(stored), size, range, sums.clone()).await else {
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
    async fn ranges_come_whole_and_nothing_of_a_damaged_block_is_sent() {
        for size in [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7] {
            let good = pattern(size);
            let mut hasher = BlockHasher::default();
            for piece in good.chunks(100_001) {
                hasher.update(piece);
            }
            let sums = hasher.finish();
            assert_eq!(sum(&mut reopened(&good), |_| {}).unwrap(), sums);
            assert_eq!(BlockSums::of(sums.as_bytes(), size), Some(sums.clone()));
            assert_eq!(BlockSums::of(sums.as_bytes(), size + BLOCK), None);
            let ends = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, size - 1, size];
            for start in ends {
                for end in ends.into_iter().filter(|end| start < *end && *end <= size) {
                    let part = &good[start as usize..end as usize];
                    assert_eq!(
                        sent(&good, &sums, start..end).await,
                        (part.to_vec(), true),
                        "{start}..{end} of {size}"
                    );
                }
            }
            for damaged in [0, size / 2, size - 1] {
                let mut bad = good.clone();
                bad[damaged as usize] ^= 1;
                let block = damaged / BLOCK * BLOCK;
                let before = good[..block as usize].to_vec();
                assert_eq!(sent(&bad, &sums, 0..size).await, (before, false));
                if block > 0 {
                    let part = good[..block as usize].to_vec();
                    assert_eq!(sent(&bad, &sums, 0..block).await, (part, true));
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
