//! Fetching one file.

use std::{
    future::IntoFuture,
    path::{Path, PathBuf},
    pin::Pin,
};

use bytes::{Bytes, BytesMut};
use futures_core::future::BoxFuture;
use md5::{Digest, Md5};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::{
    Files, PresignedUrl, Progress,
    body::hex,
    local::NewFile,
    progress::{Listener, Meter},
    stall::Pulse,
    store::{etag_of, failed, md5_of},
};
use crate::{Error, ErrorKind, Operation, RemotePath, Result, error::request_id, trace};

/// Bytes that [`Files::read`] takes at most when nothing else is said: 64 MiB.
const READ_LIMIT: u64 = 64 * 1024 * 1024;

type Writer = Pin<Box<dyn AsyncWrite + Send>>;

/// Where the bytes of a download go: a local path, or a writer.
pub struct DownloadTarget(Target);

enum Target {
    Path(PathBuf),
    Writer(Writer),
}

impl DownloadTarget {
    /// A writer. It gets the bytes as they come, so after a failure it has got some of them.
    pub fn writer(writer: impl AsyncWrite + Send + 'static) -> Self {
        Self(Target::Writer(Box::pin(writer)))
    }
}

impl std::fmt::Debug for DownloadTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Target::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Target::Writer(_) => f.write_str("Writer"),
        }
    }
}

impl From<&Path> for DownloadTarget {
    fn from(path: &Path) -> Self {
        Self(Target::Path(path.to_owned()))
    }
}

impl From<PathBuf> for DownloadTarget {
    fn from(path: PathBuf) -> Self {
        Self(Target::Path(path))
    }
}

impl From<&PathBuf> for DownloadTarget {
    fn from(path: &PathBuf) -> Self {
        Self(Target::Path(path.clone()))
    }
}

/// A download that has not been sent: await it. From [`Files::download`].
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
    listener: Listener,
}

/// A download that is whole, and whose checksum is right where the store told one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Downloaded {
    /// Bytes received.
    pub bytes: u64,
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
            listener,
        }
    }

    /// Whether a local file that exists may be replaced; otherwise that is an error of kind
    /// [`Conflict`](crate::ErrorKind::Conflict).
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// Uses this presigned URL instead of asking for one.
    pub fn via(mut self, url: PresignedUrl) -> Self {
        self.url = Some(url);
        self
    }

    /// Calls back as bytes move: at most twenty times a second, and at the end.
    pub fn on_progress(mut self, listener: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.listener = Listener::new(listener);
        self
    }

    async fn run(self) -> Result<Downloaded> {
        let path = self.path?;
        match self.target.0 {
            Target::Path(local) => {
                let mut file = NewFile::beside(local, self.overwrite).await?;
                let url = url(&self.files, &path, self.url).await?;
                let done = fetch(&self.files, &url, &mut file, self.listener).await?;
                file.publish().await?;
                Ok(done)
            }
            Target::Writer(writer) => {
                let url = url(&self.files, &path, self.url).await?;
                let mut sink = ToWriter(writer);
                let done = fetch(&self.files, &url, &mut sink, self.listener).await?;
                sink.0.shutdown().await.map_err(cannot_write)?;
                Ok(done)
            }
        }
    }
}

impl IntoFuture for Download {
    type Output = Result<Downloaded>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let span = trace::operation(Operation::Download, Some(&self.files.context));
            let work = async { self.run().await.map_err(failed(Operation::Download)) };
            trace::told(Box::pin(work), span).await
        })
    }
}

/// A download into memory that has not been sent: await it. From [`Files::read`].
#[derive(Debug)]
#[must_use = "a download does nothing until it is awaited"]
pub struct ReadFile {
    files: Files,
    path: Result<RemotePath>,
    url: Option<PresignedUrl>,
    limit: u64,
}

impl ReadFile {
    pub(super) fn new(files: Files, path: Result<RemotePath>) -> Self {
        Self {
            files,
            path,
            url: None,
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
    pub fn via(mut self, url: PresignedUrl) -> Self {
        self.url = Some(url);
        self
    }

    async fn run(self) -> Result<Bytes> {
        let url = url(&self.files, &self.path?, self.url).await?;
        let mut memory = Memory {
            bytes: BytesMut::new(),
            limit: self.limit,
        };
        fetch(&self.files, &url, &mut memory, Listener::default()).await?;
        Ok(memory.bytes.freeze())
    }
}

impl IntoFuture for ReadFile {
    type Output = Result<Bytes>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let span = trace::operation(Operation::Download, Some(&self.files.context));
            let work = async { self.run().await.map_err(failed(Operation::Download)) };
            trace::told(Box::pin(work), span).await
        })
    }
}

async fn url(
    files: &Files,
    path: &RemotePath,
    given: Option<PresignedUrl>,
) -> Result<PresignedUrl> {
    match given {
        Some(url) => Ok(url),
        None => Ok(files.download_url(path).await?.into_inner()),
    }
}

/// Whatever takes the bytes of a download, chunk by chunk.
trait Sink: Send {
    fn take(&mut self, chunk: &[u8]) -> impl Future<Output = Result<()>> + Send;
}

impl Sink for NewFile {
    async fn take(&mut self, chunk: &[u8]) -> Result<()> {
        self.write(chunk).await
    }
}

struct ToWriter(Writer);

impl Sink for ToWriter {
    async fn take(&mut self, chunk: &[u8]) -> Result<()> {
        self.0.write_all(chunk).await.map_err(cannot_write)
    }
}

struct Memory {
    bytes: BytesMut,
    limit: u64,
}

impl Sink for Memory {
    async fn take(&mut self, chunk: &[u8]) -> Result<()> {
        if (self.bytes.len() + chunk.len()) as u64 > self.limit {
            let message = format!("the file is larger than the limit of {} bytes", self.limit);
            return Err(Error::new(ErrorKind::Rejected, message));
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }
}

fn cannot_write(error: std::io::Error) -> Error {
    Error::new(
        ErrorKind::LocalFile,
        "the target of the download can't be written",
    )
    .with_source(error)
}

async fn fetch(
    files: &Files,
    url: &PresignedUrl,
    sink: &mut impl Sink,
    listener: Listener,
) -> Result<Downloaded> {
    let time = files.agb.time();
    let pulse = Pulse::new(time.clone());
    let mut response = pulse.watch(files.store().get(url)).await??;
    let length = response.content_length();
    let mut meter = Meter::new(listener, length, time.clone());
    let mut md5 = Md5::new();
    loop {
        pulse.beat();
        let Some(chunk) = pulse
            .watch(response.chunk())
            .await?
            .map_err(Error::from_transport)?
        else {
            break;
        };
        sink.take(&chunk).await?;
        md5.update(&chunk);
        meter.moved(chunk.len());
    }
    let headers = response.headers();
    let id = request_id(headers);
    let received = Received {
        bytes: meter.bytes(),
        md5: hex(&md5.finalize()),
    };
    received
        .verify(length, md5_of(headers))
        .map_err(|error| error.with_request_id(id.clone()))?;
    Ok(Downloaded {
        bytes: received.bytes,
        etag: etag_of(headers),
        request_id: id,
    })
}

struct Received {
    bytes: u64,
    md5: String,
}

impl Received {
    fn verify(&self, length: Option<u64>, stored: Option<String>) -> Result<()> {
        if let Some(length) = length.filter(|length| *length != self.bytes) {
            let message = format!(
                "{} of {length} bytes arrived: download it again",
                self.bytes
            );
            return Err(Error::new(ErrorKind::Corrupted, message));
        }
        match stored {
            Some(stored) if stored != self.md5 => Err(Error::new(
                ErrorKind::Corrupted,
                "what arrived does not have the store's checksum: download it again",
            )),
            _ => Ok(()),
        }
    }
}
