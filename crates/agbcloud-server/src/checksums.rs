//! The checksums of a file's content, computed while it is received.

use std::io;
use std::mem;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use md5::Md5;
use sha2::{Digest, Sha256};

use crate::system::blocking_worker::BlockingWorker;

/// Size of a content in bytes from which its MD5 and SHA-256 are computed on other threads. For a smaller one, changing
/// the thread takes longer than it saves.
const PARALLEL_BYTES: u64 = 1024 * 1024;

/// Number of bytes that are hashed at a time. Each change of the thread takes about 20 µs, these bytes take 800.
const BATCH_BYTES: usize = 512 * 1024;

/// How many batches wait to be hashed. The file is synced while the last ones are hashed.
const WAITING_BATCHES: usize = 2;

/// The size and the checksums of a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checksums {
    /// Bytes.
    pub(crate) size: u64,
    /// MD5 in hexadecimal.
    pub(crate) etag: String,
    /// CRC-64/XZ.
    pub(crate) crc64: u64,
    /// SHA-256 in hexadecimal. `None` if it was not computed.
    pub(crate) sha256: Option<String>,
}

/// Computes the [`Checksums`] of a content incrementally.
pub(crate) struct Hasher {
    size: u64,
    md5: Md5,
    crc64: crc64fast::Digest,
    sha256: Option<Sha256>,
}

impl Hasher {
    /// Computes all checksums.
    pub(crate) fn new() -> Self {
        Self::with_sha256(true)
    }

    /// Computes the SHA-256 only if it is needed, and all other checksums.
    pub(crate) fn with_sha256(needed: bool) -> Self {
        Self {
            size: 0,
            md5: Md5::new(),
            crc64: crc64fast::Digest::new(),
            sha256: needed.then(Sha256::new),
        }
    }

    /// Adds the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.md5.update(bytes);
        self.crc64.write(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }

    /// Returns the number of bytes so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn finish(self) -> Checksums {
        Checksums {
            size: self.size,
            etag: HEXLOWER.encode(&self.md5.finalize()),
            crc64: self.crc64.sum64(),
            sha256: self
                .sha256
                .map(|sha256| HEXLOWER.encode(&sha256.finalize())),
        }
    }
}

/// Computes the [`Checksums`] of a content while it is received.
pub(crate) enum IncomingHasher {
    Serial(Hasher),
    Parallel(ParallelHasher),
}

impl IncomingHasher {
    /// Starts a content of about `length` bytes.
    pub(crate) fn start(length: u64, sha256: bool) -> Self {
        match length < PARALLEL_BYTES {
            true => Self::Serial(Hasher::with_sha256(sha256)),
            false => Self::Parallel(ParallelHasher::start(sha256)),
        }
    }

    /// Adds the next bytes. May wait for a thread, but not until it has hashed them.
    pub(crate) async fn update(&mut self, bytes: &Bytes) -> io::Result<()> {
        match self {
            Self::Serial(hasher) => {
                hasher.update(bytes);
                Ok(())
            }
            Self::Parallel(hasher) => hasher.update(bytes).await,
        }
    }

    pub(crate) async fn finish(self) -> io::Result<Checksums> {
        match self {
            Self::Serial(hasher) => Ok(hasher.finish()),
            Self::Parallel(hasher) => hasher.finish().await,
        }
    }
}

/// Computes MD5 and SHA-256 on threads of their own. Each of them takes several times as long as CRC-64, which the caller
/// computes.
pub(crate) struct ParallelHasher {
    size: u64,
    batch: Vec<Bytes>,
    batch_bytes: usize,
    md5: BlockingWorker<Md5, Vec<Bytes>>,
    crc64: crc64fast::Digest,
    sha256: Option<BlockingWorker<Sha256, Vec<Bytes>>>,
}

impl ParallelHasher {
    fn start(sha256: bool) -> Self {
        Self {
            size: 0,
            batch: Vec::new(),
            batch_bytes: 0,
            md5: BlockingWorker::start(Md5::new(), WAITING_BATCHES, |md5, batch: Vec<Bytes>| {
                batch.iter().for_each(|bytes| md5.update(bytes));
                Ok(())
            }),
            crc64: crc64fast::Digest::new(),
            sha256: sha256.then(|| {
                let sha256 = Sha256::new();
                BlockingWorker::start(sha256, WAITING_BATCHES, |sha256, batch: Vec<Bytes>| {
                    batch.iter().for_each(|bytes| sha256.update(bytes));
                    Ok(())
                })
            }),
        }
    }

    async fn update(&mut self, bytes: &Bytes) -> io::Result<()> {
        self.size += bytes.len() as u64;
        self.batch_bytes += bytes.len();
        self.crc64.write(bytes);
        self.batch.push(bytes.clone());
        if self.batch_bytes >= BATCH_BYTES {
            self.send_batch().await?;
        }
        Ok(())
    }

    async fn send_batch(&mut self) -> io::Result<()> {
        self.batch_bytes = 0;
        let batch = mem::take(&mut self.batch);
        if let Some(sha256) = &mut self.sha256 {
            sha256.send(batch.clone()).await?;
        }
        self.md5.send(batch).await
    }

    async fn finish(mut self) -> io::Result<Checksums> {
        self.send_batch().await?;
        Ok(Checksums {
            size: self.size,
            etag: HEXLOWER.encode(&self.md5.finish().await?.finalize()),
            crc64: self.crc64.sum64(),
            sha256: match self.sha256 {
                Some(sha256) => Some(HEXLOWER.encode(&sha256.finish().await?.finalize())),
                None => None,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_do_not_depend_on_how_the_content_is_split() {
        for (pieces, sha256) in [
            (&["123456789"][..], true),
            (&["1234", "", "56789"], true),
            (&["1234", "56789"], false),
        ] {
            let mut hasher = Hasher::with_sha256(sha256);
            for piece in pieces {
                hasher.update(piece.as_bytes());
            }
            let expected = "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225";
            assert_eq!(
                hasher.finish(),
                Checksums {
                    size: 9,
                    etag: "25f9e794323b453885f5181f1b624d0b".to_owned(),
                    crc64: 0x995d_c9bb_df19_39fa,
                    sha256: sha256.then(|| expected.to_owned()),
                }
            );
        }
    }

    #[tokio::test]
    async fn checksums_do_not_depend_on_the_threads() {
        let content: Bytes = (0..4 * BATCH_BYTES as u64)
            .map(|at| (at % 251) as u8)
            .collect();
        for sha256 in [false, true] {
            let mut serial = Hasher::with_sha256(sha256);
            serial.update(&content);
            let expected = serial.finish();
            for length in [1, PARALLEL_BYTES] {
                let mut hasher = IncomingHasher::start(length, sha256);
                assert_eq!(matches!(hasher, IncomingHasher::Serial(_)), length == 1);
                for piece in content.chunks(10_007) {
                    let piece = Bytes::copy_from_slice(piece);
                    hasher.update(&piece).await.unwrap();
                }
                assert_eq!(hasher.finish().await.unwrap(), expected);
            }
        }
    }
}
