//! The checksums of a file's content, computed while it is received.

use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use sha2::Sha256;

/// The size and the checksums of a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checksums {
    /// Bytes.
    pub(crate) size: u64,
    /// MD5 in hexadecimal.
    pub(crate) etag: String,
    /// CRC-64/XZ.
    pub(crate) crc64: u64,
    /// SHA-256 in hexadecimal.
    pub(crate) sha256: String,
}

/// Computes the [`Checksums`] of a content incrementally.
pub(crate) struct Hasher {
    size: u64,
    md5: Md5,
    crc64: crc64fast::Digest,
    sha256: Sha256,
}

impl Hasher {
    pub(crate) fn new() -> Self {
        Self {
            size: 0,
            md5: Md5::new(),
            crc64: crc64fast::Digest::new(),
            sha256: Sha256::new(),
        }
    }

    /// Adds the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.md5.update(bytes);
        self.crc64.write(bytes);
        self.sha256.update(bytes);
    }

    /// Returns the number of bytes so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Returns the MD5 of the bytes so far.
    pub(crate) fn md5_so_far(&self) -> [u8; 16] {
        self.md5.clone().finalize().into()
    }

    /// Returns the SHA-256 of the bytes so far.
    pub(crate) fn sha256_so_far(&self) -> [u8; 32] {
        self.sha256.clone().finalize().into()
    }

    /// Returns the CRC-64/XZ of the bytes so far.
    pub(crate) fn crc64_so_far(&self) -> u64 {
        self.crc64.sum64()
    }

    pub(crate) fn finish(self) -> Checksums {
        Checksums {
            size: self.size,
            etag: HEXLOWER.encode(&self.md5.finalize()),
            crc64: self.crc64.sum64(),
            sha256: HEXLOWER.encode(&self.sha256.finalize()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_do_not_depend_on_how_the_content_is_split() {
        for pieces in [&["123456789"][..], &["1234", "", "56789"]] {
            let mut hasher = Hasher::new();
            for piece in pieces {
                hasher.update(piece.as_bytes());
            }
            assert_eq!(hasher.size(), 9);
            assert_eq!(
                HEXLOWER.encode(&hasher.md5_so_far()),
                "25f9e794323b453885f5181f1b624d0b"
            );
            assert_eq!(
                hasher.finish(),
                Checksums {
                    size: 9,
                    etag: "25f9e794323b453885f5181f1b624d0b".to_owned(),
                    crc64: 0x995d_c9bb_df19_39fa,
                    sha256: "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"
                        .to_owned(),
                }
            );
        }
    }
}
