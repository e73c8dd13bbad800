//! An open file of a context, as a reader.

use std::{fmt, io, io::Read, time::SystemTime};

use bytes::Bytes;
use tokio::io::AsyncReadExt;

use super::driver::Driver;
use crate::Result;

/// An open file: its size and ETag, and its content as a [`Read`]: [`agbcloud::RemoteFile`](crate::RemoteFile) with blocking
/// calls. From [`OpenFile::send`](super::OpenFile::send).
///
/// An interrupted download resumes where it stopped. A reader that gets to the end has the whole verified content: otherwise the
/// last read returns an error.
pub struct RemoteFile {
    inner: crate::RemoteFile,
    driver: Driver,
}

impl RemoteFile {
    pub(super) fn new(inner: crate::RemoteFile, driver: Driver) -> Self {
        Self { inner, driver }
    }

    /// Returns the size of the whole file in bytes, if the store reports it.
    pub fn size(&self) -> Option<u64> {
        self.inner.size()
    }

    /// Returns the number of bytes of the range, or of the file.
    pub fn content_length(&self) -> Option<u64> {
        self.inner.content_length()
    }

    /// Returns the store's ETag as received, with its quotes.
    pub fn etag(&self) -> Option<&str> {
        self.inner.etag()
    }

    /// Returns the time of the last change, to the second.
    pub fn modified_at(&self) -> Option<SystemTime> {
        self.inner.modified_at()
    }

    /// Returns the request id of the store's response.
    pub fn request_id(&self) -> Option<&str> {
        self.inner.request_id()
    }

    /// Reads the rest of the content into memory, however large it is. See [`Files::read`](super::Files::read) for a limit.
    ///
    /// # Errors
    ///
    /// Those of the download.
    pub fn bytes(self) -> Result<Bytes> {
        self.driver.run(self.inner.bytes())?
    }

    /// Reads the rest of the content as UTF-8, however large it is.
    ///
    /// # Errors
    ///
    /// [`Rejected`](crate::ErrorKind::Rejected) if it is not UTF-8, and those of the download.
    pub fn text(self) -> Result<String> {
        self.driver.run(self.inner.text())?
    }
}

impl Read for RemoteFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.driver.run(self.inner.read(buffer))?
    }
}

impl fmt::Debug for RemoteFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
