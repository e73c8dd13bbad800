//! [`Copied`]: what is known about a copied file, to verify it before a move deletes its source.

use agbcloud::{Downloaded, Uploaded};

use super::existing::Version;

/// A copied file.
#[derive(Debug)]
pub(in crate::commands) struct Copied {
    pub(in crate::commands) bytes: u64,
    pub(super) crc64: u64,
    /// The ETag of the remote file: of the target, or of the source of a download.
    pub(super) etag: Option<String>,
    /// The version of the source that was copied, if it is remote.
    pub(super) source: Option<Version>,
}

impl From<Uploaded> for Copied {
    fn from(uploaded: Uploaded) -> Self {
        Self {
            bytes: uploaded.bytes,
            crc64: uploaded.crc64,
            etag: uploaded.etag,
            source: None,
        }
    }
}

impl From<Downloaded> for Copied {
    fn from(downloaded: Downloaded) -> Self {
        Self {
            bytes: downloaded.bytes,
            crc64: downloaded.crc64,
            source: Some(Version::downloaded(&downloaded)),
            etag: downloaded.etag,
        }
    }
}
