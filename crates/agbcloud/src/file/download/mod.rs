//! Fetching one file.

mod fetch;
mod parts;
mod span;
mod target;

use std::{future::IntoFuture, ops::RangeBounds, path::PathBuf, time::SystemTime};

use bytes::Bytes;
use futures_core::future::BoxFuture;

pub use target::DownloadTarget;
pub(super) use target::Sink;

pub(super) use fetch::told;

use fetch::{Fetch, Fetched};
use span::Span;
use target::{Memory, Target, ToWriter};

use super::{
    Files, PresignedUrl, Progress,
    address::Address,
    local::{Before, NewFile, Written},
    progress::{Listener, Meter},
};
use crate::{Operation, RemotePath, Result, trace};

/// Bytes that [`Files::read`] takes at most when nothing else is said: 64 MiB.
const READ_LIMIT: u64 = 64 * 1024 * 1024;

/// A download that has not been sent: await it. From [`Files::download`].
///
/// When it breaks off it is gone on with where it was, if the store tells an ETag by which the file is known to be the
/// same; else, and when the file changed meanwhile, it starts over. It gives up after as many tries in a row that bring
/// nothing as calls have (see [`RetryPolicy`](crate::RetryPolicy), of which the deadline does not count here). A file of
/// more than 16 MiB comes into a local file in parts, four at the same time.
///
/// Dropping it while it runs breaks it off and leaves nothing behind.
#[derive(Debug)]
#[must_use = "a download does nothing until it is awaited"]
pub struct Download {
    files: Files,
    path: Result<RemotePath>,
    target: DownloadTarget,
    url: Option<PresignedUrl>,
    overwrite: bool,
    durable: bool,
    span: Result<Span>,
    /// When the local file counts as written.
    written: Option<SystemTime>,
    planned: Option<Planned>,
    listener: Listener,
}

/// Where a file goes that a plan names.
#[derive(Debug)]
struct Planned {
    before: Before,
    root: PathBuf,
}

/// A download that is whole, and whose checksum is right where the store told one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Downloaded {
    /// Bytes received.
    pub bytes: u64,
    /// Their CRC-64 (ECMA-182, as in `x-oss-hash-crc64ecma`).
    pub crc64: u64,
    /// The store's ETag, as it came: quoted.
    pub etag: Option<String>,
    /// Id of the store's answer.
    pub request_id: Option<String>,
}

impl Download {
    pub(super) fn new(files: Files, path: Result<RemotePath>, target: DownloadTarget) -> Self {
        let listener = Listener::default();
        Self {
            files,
            path,
            target,
            url: None,
            overwrite: false,
            durable: true,
            span: Ok(Span::WHOLE),
            written: None,
            planned: None,
            listener,
        }
    }

    /// Whether a local file that exists may be replaced; otherwise that is an error of kind
    /// [`Conflict`](crate::ErrorKind::Conflict).
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// Whether a local file is synced to the disk before it appears under its name, as it is if not said. Without that it is
    /// whole after the end of the process, but a power failure within the next half minute or so may leave an empty one.
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Replaces a local file below a folder, at whose place the caller has looked, and gives the new one this time as the
    /// one at which it was written.
    pub(super) fn planned(
        mut self,
        root: PathBuf,
        before: Before,
        written: Option<SystemTime>,
    ) -> Self {
        self.planned = Some(Planned { before, root });
        self.written = written;
        self
    }

    /// Uses this presigned URL instead of asking for one.
    pub fn presigned_url(mut self, url: PresignedUrl) -> Self {
        self.url = Some(url);
        self
    }

    /// Calls back as bytes move: at most twenty times a second, and at the end.
    pub fn on_progress(mut self, listener: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.listener = Listener::new(listener);
        self
    }

    /// Fetches these bytes of the file alone, counted from 0. What the file has less is left out; that it has none of
    /// them is an error of kind [`Rejected`](crate::ErrorKind::Rejected). The length is checked; a checksum there is for
    /// whole files only.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// # let files = client.contexts().files(&context.id);
    /// # let folder = tempfile::tempdir()?;
    /// # let tail = folder.path().join("tail.txt");
    /// files.upload("/data/a.txt", &b"hello"[..]).await?;
    /// files.download("/data/a.txt", tail.as_path()).range(2..).await?;
    /// assert_eq!(std::fs::read(&tail)?, b"llo");
    /// # Ok(())
    /// # }
    /// ```
    pub fn range(mut self, bytes: impl RangeBounds<u64>) -> Self {
        self.span = Span::asked(&bytes);
        self
    }

    async fn run(self) -> Result<Downloaded> {
        let durable = self.durable;
        // In a box: it is large.
        let Unpublished { done, file } = Box::pin(self.fetch()).await?;
        if let Some(file) = file {
            file.publish(durable).await?;
        }
        Ok(done)
    }

    /// Fetches, and leaves it to the caller to publish the file with others.
    pub(super) async fn unpublished(self) -> Result<Unpublished> {
        let context = self.files.context.clone();
        trace::transfer(Operation::Download, context, self.fetch()).await
    }

    async fn fetch(self) -> Result<Unpublished> {
        let (path, span, files) = (self.path?, self.span?, &self.files);
        match self.target.0 {
            Target::Path(local) => {
                let (file, looked) = match self.planned {
                    Some(Planned { before, root }) => {
                        let looked = before != Before::Unseen;
                        (NewFile::below(root, local, before), looked)
                    }
                    None => (NewFile::at(local, self.overwrite, Before::Unseen), false),
                };
                let mut file = file.durable(self.durable);
                if !looked {
                    file.check().await?;
                }
                let done = if span == Span::WHOLE {
                    parts::fetch(files, &path, self.url, self.listener, &mut file).await?
                } else {
                    let mut sink = file.part(0);
                    into(files, &path, self.url, span, self.listener, &mut sink).await?
                };
                let file = file.written(done.bytes, self.written).await?;
                Ok(Unpublished {
                    done,
                    file: Some(file),
                })
            }
            Target::Writer(writer) => {
                let mut sink = ToWriter::new(writer);
                let done = into(files, &path, self.url, span, self.listener, &mut sink).await?;
                Ok(Unpublished { done, file: None })
            }
        }
    }
}

/// What was fetched, and the local file that it is in but not yet under its name.
pub(in crate::file) struct Unpublished {
    pub(super) done: Downloaded,
    pub(super) file: Option<Written>,
}

impl trace::Traced for Unpublished {
    fn status(&self) -> Option<u16> {
        self.done.status()
    }

    fn request_id(&self) -> Option<&str> {
        trace::Traced::request_id(&self.done)
    }
}

impl IntoFuture for Download {
    type Output = Result<Downloaded>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let context = self.files.context.clone();
        trace::transfer(Operation::Download, context, self.run())
    }
}

/// A download into memory that has not been sent: await it. From [`Files::read`].
#[derive(Debug)]
#[must_use = "a download does nothing until it is awaited"]
pub struct ReadFile {
    files: Files,
    path: Result<RemotePath>,
    url: Option<PresignedUrl>,
    span: Result<Span>,
    limit: u64,
}

impl ReadFile {
    pub(super) fn new(files: Files, path: Result<RemotePath>) -> Self {
        Self {
            files,
            path,
            url: None,
            span: Ok(Span::WHOLE),
            limit: READ_LIMIT,
        }
    }

    /// Bytes that are taken at most, 64 MiB if not said; a larger file is an error of kind
    /// [`Rejected`](crate::ErrorKind::Rejected).
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// Uses this presigned URL instead of asking for one.
    pub fn presigned_url(mut self, url: PresignedUrl) -> Self {
        self.url = Some(url);
        self
    }

    /// Fetches these bytes of the file alone: see [`Download::range`].
    pub fn range(mut self, bytes: impl RangeBounds<u64>) -> Self {
        self.span = Span::asked(&bytes);
        self
    }

    async fn run(self) -> Result<Bytes> {
        let (path, span) = (self.path?, self.span?);
        let mut memory = Memory::new(self.limit);
        let silent = Listener::default();
        into(&self.files, &path, self.url, span, silent, &mut memory).await?;
        Ok(memory.into_bytes())
    }
}

impl IntoFuture for ReadFile {
    type Output = Result<Bytes>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let context = self.files.context.clone();
        trace::transfer(Operation::Download, context, self.run())
    }
}

/// Fetches over one connection after the other.
async fn into(
    files: &Files,
    path: &RemotePath,
    url: Option<PresignedUrl>,
    span: Span,
    listener: Listener,
    sink: &mut impl Sink,
) -> Result<Downloaded> {
    let meter = Meter::new(listener, None, files.client.time().clone());
    let mut address = Address::new(files, path, Operation::Download, url);
    let fetch = Fetch::new(files, &mut address, span, &meter);
    let fetched = fetch.run(sink, None).await;
    let fetched = fetched.map_err(|stopped| stopped.error)?;
    meter.finish();
    Ok(done(fetched))
}

fn done(fetched: Fetched) -> Downloaded {
    Downloaded {
        bytes: fetched.bytes,
        crc64: fetched.sums.crc64(),
        etag: fetched.etag,
        request_id: fetched.request_id,
    }
}

impl trace::Traced for Downloaded {
    fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}
