//! Sending one file.

use std::io::Read;

use crate::{
    PresignedUrl, Progress, Result, Uploaded,
    blocking::{Driver, offload::OffloadedReader},
};

/// Where the bytes of an upload come from: a reader of known length, or all that turns into
/// [`agbcloud::UploadSource`](crate::UploadSource), which are local paths and bytes.
#[derive(Debug)]
pub struct UploadSource(pub(super) crate::UploadSource);

impl UploadSource {
    /// A reader that gives `length` bytes. One that gives fewer fails the upload; more are not read.
    ///
    /// It is read on a thread of the client, 128 KiB at most at a time, as the bytes are sent. What it fails with is
    /// the [source](std::error::Error::source) of the upload's error; a panic in it is an error too. One that gives
    /// nothing for 30 seconds ends the upload, though not the thread that waits for it.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").send()?;
    /// # let files = client.contexts().files(&context.id);
    /// use agbcloud::blocking::UploadSource;
    /// use std::io::{Read, repeat};
    ///
    /// let dashes = repeat(b'-').take(1_000_000); // or a socket, the output of a child process …
    /// files.upload("/dashes", UploadSource::reader(dashes, 1_000_000)).send()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reader(reader: impl Read + Send + 'static, length: u64) -> Self {
        Self(crate::UploadSource::reader(
            OffloadedReader::new(reader),
            length,
        ))
    }
}

impl<S: Into<crate::UploadSource>> From<S> for UploadSource {
    fn from(source: S) -> Self {
        Self(source.into())
    }
}

/// An upload that has not been sent. From [`Files::upload`](super::Files::upload).
#[derive(Debug)]
#[must_use = "an upload does nothing until it is sent"]
pub struct Upload {
    inner: crate::Upload,
    driver: Driver,
}

impl Upload {
    pub(super) fn new(inner: crate::Upload, driver: Driver) -> Self {
        Self { inner, driver }
    }

    /// Uses this presigned URL instead of asking for one.
    pub fn presigned_url(mut self, url: PresignedUrl) -> Self {
        self.inner = self.inner.presigned_url(url);
        self
    }

    /// Calls back as bytes move: at most twenty times a second, and at the end. It is called on the client's thread,
    /// which has to see to all connections: it should be quick.
    pub fn on_progress(mut self, listener: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.inner = self.inner.on_progress(listener);
        self
    }

    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`LocalFile`](crate::ErrorKind::LocalFile) if the source can't be read or ends early,
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such context,
    /// [`Conflict`](crate::ErrorKind::Conflict) while it is being cleared,
    /// [`UrlRejected`](crate::ErrorKind::UrlRejected), [`Corrupted`](crate::ErrorKind::Corrupted), and those of any
    /// call.
    pub fn send(self) -> Result<Uploaded> {
        self.driver.run(self.inner)?
    }
}
