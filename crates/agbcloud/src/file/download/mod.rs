//! Downloading one file.

mod byte_range;
mod fetch;
mod open;
mod parallel;
mod partial;
mod target;

use std::{future::IntoFuture, ops::RangeBounds, time::SystemTime};

use bytes::Bytes;
use futures_core::future::BoxFuture;
use serde::{Deserialize, Serialize};

pub(crate) use fetch::store_checksums;
pub use open::{OpenFile, RemoteFile};
pub use partial::PartialDownload;
pub use target::DownloadTarget;

use byte_range::ByteRange;
use fetch::{FetchedRange, RangeFetch};
use target::{AppendSink, MemorySink, TargetKind, WriterSink};

use super::{
    atomic_file::{AtomicFile, Writing},
    download_sink::DownloadSink,
    files::Files,
    transfer_url::{FirstUrl, TransferUrl},
};
use crate::{
    Error, Operation, PresignedUrl, Progress, RemotePath, Result,
    model::checked,
    trace,
    transfer::{ProgressListener, ProgressMeter},
};

/// Default limit of [`Files::read`]: 64 MiB.
const DEFAULT_READ_LIMIT: u64 = 64 * 1024 * 1024;

impl Files {
    /// Downloads a file to a local path, a writer or memory: see [`DownloadTarget`].
    ///
    /// A local file appears under its name once its whole content is verified. After a failure the target is unchanged.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// use std::path::Path;
    ///
    /// files.upload("/data/a.txt", &b"hello"[..]).await?;
    /// files.download("/data/a.txt", Path::new("copy.txt")).await?;
    /// assert_eq!(std::fs::read("copy.txt")?, b"hello");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the path is not a valid [`RemotePath`],
    /// [`NotFound`](crate::ErrorKind::NotFound) if the context or the file does not exist,
    /// [`Conflict`](crate::ErrorKind::Conflict) if the local file exists and [`overwrite`](Download::overwrite) is not set,
    /// [`LocalFile`](crate::ErrorKind::LocalFile) if the local file can't be written,
    /// [`CallerStream`](crate::ErrorKind::CallerStream) if the writer fails,
    /// [`UrlRejected`](crate::ErrorKind::UrlRejected), [`InsecureUrl`](crate::ErrorKind::InsecureUrl),
    /// [`Corrupted`](crate::ErrorKind::Corrupted), and those of any call.
    pub fn download<'w>(
        &self,
        path: impl TryInto<RemotePath, Error: Into<Error>>,
        target: impl Into<DownloadTarget<'w>>,
    ) -> Download<'w> {
        Download {
            request: DownloadRequest::new(self.clone(), checked(path)),
            target: target.into(),
            overwrite: false,
            durable: true,
        }
    }

    /// Downloads a small file into memory.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// files.upload("/notes.txt", &b"hello"[..]).await?;
    /// assert_eq!(files.read("/notes.txt").await?, b"hello"[..]);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the path is not a valid [`RemotePath`],
    /// [`NotFound`](crate::ErrorKind::NotFound) if the context or the file does not exist,
    /// [`Rejected`](crate::ErrorKind::Rejected) if the file is larger than the [`limit`](ReadFile::limit),
    /// [`UrlRejected`](crate::ErrorKind::UrlRejected), [`InsecureUrl`](crate::ErrorKind::InsecureUrl),
    /// [`Corrupted`](crate::ErrorKind::Corrupted), and those of any call.
    pub fn read(&self, path: impl TryInto<RemotePath, Error: Into<Error>>) -> ReadFile {
        ReadFile {
            request: DownloadRequest::new(self.clone(), checked(path)),
            limit: DEFAULT_READ_LIMIT,
        }
    }
}

/// A download that has not started. Await it. From [`Files::download`].
///
/// An interrupted download resumes where it stopped if the store reports an ETag that identifies the file; otherwise, and if
/// the file has changed, it starts again. It fails after as many consecutive attempts without progress as calls have (see
/// [`RetryPolicy`](crate::RetryPolicy), whose deadline does not apply). A file of more than 16 MiB is downloaded to a local
/// path in four concurrent parts.
///
/// It can't be cloned, since its target can be written only once. Dropping a running download cancels it and leaves no file behind, unless the client keeps
/// [partial downloads](crate::ClientBuilder::partial_downloads).
#[derive(Debug)]
#[must_use = "a download does nothing until it is awaited"]
pub struct Download<'w> {
    request: DownloadRequest,
    target: DownloadTarget<'w>,
    overwrite: bool,
    durable: bool,
}

/// A completed download. Its checksum is verified if the store reports one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Downloaded {
    /// Bytes received.
    pub bytes: u64,
    /// Their CRC-64 (ECMA-182, as in `x-oss-hash-crc64ecma`).
    pub crc64: u64,
    /// The store's ETag as received, with its quotes.
    pub etag: Option<String>,
    /// Request id of the store's response.
    pub request_id: Option<String>,
}

impl Download<'_> {
    /// Whether an existing local file may be replaced. Defaults to `false`, which makes it an error of kind
    /// [`Conflict`](crate::ErrorKind::Conflict).
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// Whether a local file is synced to the disk before it appears under its name. Defaults to `true`. Without it, the file
    /// is complete even if the process is killed, but a power failure within about half a minute may leave an empty file.
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Uses this presigned URL instead of requesting one.
    /// A text that is not a URL is an error when the download is sent.
    pub fn presigned_url(mut self, url: impl TryInto<PresignedUrl, Error: Into<Error>>) -> Self {
        self.request.url = Some(checked(url).map(FirstUrl::Given));
        self
    }

    /// Reports progress to a callback, at most twenty times a second and at the end.
    pub fn on_progress(mut self, listener: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.request.listener = ProgressListener::new(listener);
        self
    }

    /// Downloads only these bytes, counted from 0. The range may end after the file; one that starts at its end or later is an
    /// error of kind [`Rejected`](crate::ErrorKind::Rejected), as is any range of an empty file. The length is verified, but not
    /// a checksum, which only whole files have.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// use std::path::Path;
    ///
    /// files.upload("/data/a.txt", &b"hello"[..]).await?;
    /// files.download("/data/a.txt", Path::new("tail.txt")).range(2..).await?;
    /// assert_eq!(std::fs::read("tail.txt")?, b"llo");
    /// # Ok(()) });
    /// ```
    pub fn range(mut self, bytes: impl RangeBounds<u64>) -> Self {
        self.request.range = ByteRange::from_bounds(&bytes);
        self
    }

    /// Downloads the file, as awaiting it does.
    ///
    /// # Errors
    ///
    /// Those of [`Files::download`].
    pub async fn send(self) -> Result<Downloaded> {
        self.await
    }

    async fn run(self) -> Result<Downloaded> {
        match self.target.0 {
            TargetKind::Path(path) => {
                let file = AtomicFile::new(path, self.overwrite).durable(self.durable);
                // The future is boxed because it is large.
                let fetched = Box::pin(self.request.fetch_file(file, None)).await?;
                fetched.file.publish(self.durable).await?;
                Ok(fetched.downloaded)
            }
            TargetKind::Writer(writer) => {
                let mut sink = WriterSink::new(writer);
                self.request.fetch_into(&mut sink).await
            }
            TargetKind::Io(writer) => {
                let mut sink = WriterSink::new(writer);
                self.request.fetch_into(&mut sink).await
            }
            TargetKind::Memory(memory) => {
                let mut sink = AppendSink::new(memory);
                self.request.fetch_into(&mut sink).await
            }
        }
    }
}

impl<'w> IntoFuture for Download<'w> {
    type Output = Result<Downloaded>;
    type IntoFuture = BoxFuture<'w, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let target = self.request.target();
        trace::transfer(Operation::Download, target, self.run())
    }
}

/// A download into memory that has not started. Await it. From [`Files::read`].
#[derive(Debug, Clone)]
#[must_use = "a download does nothing until it is awaited"]
pub struct ReadFile {
    request: DownloadRequest,
    limit: u64,
}

impl ReadFile {
    /// Maximum number of bytes. Defaults to 64 MiB. A larger file is an error of kind
    /// [`Rejected`](crate::ErrorKind::Rejected).
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// Uses this presigned URL instead of requesting one.
    /// A text that is not a URL is an error when the download is sent.
    pub fn presigned_url(mut self, url: impl TryInto<PresignedUrl, Error: Into<Error>>) -> Self {
        self.request.url = Some(checked(url).map(FirstUrl::Given));
        self
    }

    /// Downloads only these bytes: see [`Download::range`].
    pub fn range(mut self, bytes: impl RangeBounds<u64>) -> Self {
        self.request.range = ByteRange::from_bounds(&bytes);
        self
    }

    /// Downloads the file, as awaiting it does.
    ///
    /// # Errors
    ///
    /// Those of [`Files::read`].
    pub async fn send(self) -> Result<Bytes> {
        self.await
    }

    async fn run(self) -> Result<Bytes> {
        let mut memory = MemorySink::new(self.limit);
        self.request.fetch_into(&mut memory).await?;
        Ok(memory.into_bytes())
    }
}

impl IntoFuture for ReadFile {
    type Output = Result<Bytes>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let target = self.request.target();
        trace::transfer(Operation::Download, target, self.run())
    }
}

/// Reads a small file, and its ETag.
pub(crate) async fn read_version(
    files: &Files,
    path: &RemotePath,
    limit: u64,
) -> Result<(Bytes, Option<String>)> {
    let mut memory = MemorySink::new(limit);
    let request = DownloadRequest::new(files.clone(), Ok(path.clone()));
    let target = request.target();
    let fetch = request.fetch_into(&mut memory);
    let downloaded = trace::transfer(Operation::Download, target, fetch).await?;
    Ok((memory.into_bytes(), downloaded.etag))
}

/// What is downloaded, whatever the target.
#[derive(Debug, Clone)]
pub(crate) struct DownloadRequest {
    files: Files,
    path: Result<RemotePath>,
    url: Option<Result<FirstUrl>>,
    range: Result<ByteRange>,
    listener: ProgressListener,
}

/// A downloaded file that is not published.
pub(crate) struct FetchedFile {
    pub(crate) downloaded: Downloaded,
    pub(crate) file: AtomicFile<Writing>,
}

impl DownloadRequest {
    pub(crate) fn new(files: Files, path: Result<RemotePath>) -> Self {
        Self {
            files,
            path,
            url: None,
            range: Ok(ByteRange::WHOLE),
            listener: ProgressListener::default(),
        }
    }

    /// Starts with this URL, or fails with this error, which are from a request for several files. `None` requests a URL.
    pub(crate) fn prefetched_url(mut self, url: Option<Result<PresignedUrl>>) -> Self {
        self.url = url.map(|url| url.map(FirstUrl::Prefetched));
        self
    }

    pub(crate) fn on_progress(
        mut self,
        listener: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Self {
        self.listener = ProgressListener::new(listener);
        self
    }

    fn target(&self) -> trace::Target {
        (self.files.context.clone(), &self.path).into()
    }

    /// Downloads to a local file that gets this modification time, in the span of a transfer.
    pub(crate) async fn fetch_traced(
        self,
        file: AtomicFile<Writing>,
        modified: Option<SystemTime>,
    ) -> Result<FetchedFile> {
        let target = self.target();
        let fetch = self.fetch_file(file, modified);
        trace::transfer(Operation::Download, target, fetch).await
    }

    async fn fetch_file(
        self,
        mut file: AtomicFile<Writing>,
        modified: Option<SystemTime>,
    ) -> Result<FetchedFile> {
        let (path, range, url) = (self.path?, self.range?, self.url.transpose()?);
        file.check().await?;
        let downloaded = if range == ByteRange::WHOLE {
            parallel::fetch(&self.files, &path, url, self.listener, &mut file).await?
        } else {
            let mut sink = file.part(0);
            fetch_range(&self.files, &path, url, range, self.listener, &mut sink).await?
        };
        let file = file.complete(downloaded.bytes, modified).await?;
        Ok(FetchedFile { downloaded, file })
    }

    async fn fetch_into(self, sink: &mut impl DownloadSink) -> Result<Downloaded> {
        let (path, range, url) = (self.path?, self.range?, self.url.transpose()?);
        fetch_range(&self.files, &path, url, range, self.listener, sink).await
    }
}

impl trace::Traced for FetchedFile {
    fn request_id(&self) -> Option<&str> {
        trace::Traced::request_id(&self.downloaded)
    }
}

impl trace::Traced for Downloaded {
    fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

/// Downloads a range over one connection at a time.
async fn fetch_range(
    files: &Files,
    path: &RemotePath,
    url: Option<FirstUrl>,
    range: ByteRange,
    listener: ProgressListener,
    sink: &mut impl DownloadSink,
) -> Result<Downloaded> {
    let meter = ProgressMeter::new(listener, None, files.client.time().clone());
    let mut url = TransferUrl::new(files, path, Operation::Download, url);
    let fetch = RangeFetch::new(files, &mut url, range, &meter);
    let fetched = fetch.run(sink, None).await;
    let fetched = fetched.map_err(|failure| failure.error)?;
    meter.finish();
    Ok(fetched.into())
}

impl From<FetchedRange> for Downloaded {
    fn from(fetched: FetchedRange) -> Self {
        Self {
            bytes: fetched.bytes,
            crc64: fetched.hasher.crc64(),
            etag: fetched.etag,
            request_id: fetched.request_id,
        }
    }
}
