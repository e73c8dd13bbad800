//! Fetching one small file into memory.

use std::ops::RangeBounds;

use bytes::Bytes;

use crate::{PresignedUrl, Result, blocking::Driver};

/// A download into memory that has not been sent. From [`Files::read`](super::Files::read).
#[derive(Debug)]
#[must_use = "a download does nothing until it is sent"]
pub struct ReadFile {
    inner: crate::ReadFile,
    driver: Driver,
}

impl ReadFile {
    pub(super) fn new(inner: crate::ReadFile, driver: Driver) -> Self {
        Self { inner, driver }
    }

    /// Bytes that are taken at most: see [`ReadFile::limit`](crate::ReadFile::limit).
    pub fn limit(mut self, bytes: u64) -> Self {
        self.inner = self.inner.limit(bytes);
        self
    }

    /// Fetches these bytes of the file alone: see [`ReadFile::range`](crate::ReadFile::range).
    pub fn range(mut self, bytes: impl RangeBounds<u64>) -> Self {
        self.inner = self.inner.range(bytes);
        self
    }

    /// Uses this presigned URL instead of asking for one.
    pub fn presigned_url(mut self, url: PresignedUrl) -> Self {
        self.inner = self.inner.presigned_url(url);
        self
    }

    /// Fetches it.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such context or file,
    /// [`Rejected`](crate::ErrorKind::Rejected) if the file is larger than the limit,
    /// [`UrlRejected`](crate::ErrorKind::UrlRejected), [`Corrupted`](crate::ErrorKind::Corrupted), and those of any
    /// call.
    pub fn send(self) -> Result<Bytes> {
        self.driver.run(self.inner)?
    }
}
