//! Fetching one file.

use std::{io::Write, ops::RangeBounds};

use crate::{
    Downloaded, PresignedUrl, Progress, Result,
    blocking::{Driver, offload::OffloadedWriter},
};

/// Where the bytes of a download go: a writer, or all that turns into
/// [`agbcloud::DownloadTarget`](crate::DownloadTarget), which are local paths.
#[derive(Debug)]
pub struct DownloadTarget(pub(super) crate::DownloadTarget);

impl DownloadTarget {
    /// A writer. It gets the bytes as they come, so after a failure it has got some of them; it is flushed at the
    /// end.
    ///
    /// It writes on a thread of the client, 128 KiB at most at a time. What it fails with is the
    /// [source](std::error::Error::source) of the download's error; a panic in it is an error too.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").send()?;
    /// # let files = client.contexts().files(&context.id);
    /// use agbcloud::blocking::DownloadTarget;
    ///
    /// files.upload("/notes.txt", &b"hello\n"[..]).send()?;
    /// files.download("/notes.txt", DownloadTarget::writer(std::io::stdout())).send()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn writer(writer: impl Write + Send + 'static) -> Self {
        Self(crate::DownloadTarget::writer(OffloadedWriter::new(writer)))
    }
}

impl<T: Into<crate::DownloadTarget>> From<T> for DownloadTarget {
    fn from(target: T) -> Self {
        Self(target.into())
    }
}

/// A download that has not been sent. From [`Files::download`](super::Files::download).
#[derive(Debug)]
#[must_use = "a download does nothing until it is sent"]
pub struct Download {
    inner: crate::Download,
    driver: Driver,
}

impl Download {
    pub(super) fn new(inner: crate::Download, driver: Driver) -> Self {
        Self { inner, driver }
    }

    /// Whether a local file that exists may be replaced: see [`Download::overwrite`](crate::Download::overwrite).
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.inner = self.inner.overwrite(overwrite);
        self
    }

    /// Whether a local file is synced to the disk: see [`Download::durable`](crate::Download::durable).
    pub fn durable(mut self, durable: bool) -> Self {
        self.inner = self.inner.durable(durable);
        self
    }

    /// Fetches these bytes of the file alone: see [`Download::range`](crate::Download::range).
    pub fn range(mut self, bytes: impl RangeBounds<u64>) -> Self {
        self.inner = self.inner.range(bytes);
        self
    }

    /// Uses this presigned URL instead of asking for one.
    pub fn presigned_url(mut self, url: PresignedUrl) -> Self {
        self.inner = self.inner.presigned_url(url);
        self
    }

    /// Calls back as bytes move, on the thread that waits: at most twenty times a second, and at the end.
    pub fn on_progress(mut self, listener: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.inner = self.inner.on_progress(listener);
        self
    }

    /// Fetches it.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such context or file,
    /// [`Conflict`](crate::ErrorKind::Conflict) if the local file exists and may not be replaced,
    /// [`LocalFile`](crate::ErrorKind::LocalFile) if the target can't be written,
    /// [`UrlRejected`](crate::ErrorKind::UrlRejected), [`Corrupted`](crate::ErrorKind::Corrupted), and those of any
    /// call.
    pub fn send(self) -> Result<Downloaded> {
        self.driver.run(self.inner)?
    }
}
