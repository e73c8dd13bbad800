//! Deleting one file.

use crate::{Response, Result, blocking::Driver};

/// A deletion that has not been sent. From [`Files::delete`](super::Files::delete).
#[derive(Debug)]
#[must_use = "a deletion does nothing until it is sent"]
pub struct DeleteFile {
    inner: crate::DeleteFile,
    driver: Driver,
}

impl DeleteFile {
    pub(super) fn new(inner: crate::DeleteFile, driver: Driver) -> Self {
        Self { inner, driver }
    }

    /// Whether it is fine that there is no such file: see [`DeleteFile::missing_ok`](crate::DeleteFile::missing_ok).
    pub fn missing_ok(mut self, ok: bool) -> Self {
        self.inner = self.inner.missing_ok(ok);
        self
    }

    /// Deletes it.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such context, or no such file and that is not fine,
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the path breaks the rules of
    /// [`RemotePath`](crate::RemotePath), and those of any call.
    pub fn send(self) -> Result<Response<()>> {
        self.driver.run(self.inner)?
    }
}
