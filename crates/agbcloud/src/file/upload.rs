//! Sending one file.

use std::{
    future::IntoFuture,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures_core::future::BoxFuture;
use tokio::io::AsyncRead;

use super::{
    Files, PresignedUrl, Progress,
    body::{Reader, Seen, SizedBody},
    local,
    progress::{Listener, Meter},
    stall::Pulse,
    store::{etag_of, failed, md5_of},
};
use crate::{Error, ErrorKind, Operation, RemotePath, Result, error::request_id, trace};

/// Where the bytes of an upload come from: a local path, bytes, or a reader of known length.
pub struct UploadSource(Source);

enum Source {
    Path(PathBuf),
    Bytes(Bytes),
    Reader(Reader, u64),
}

impl UploadSource {
    /// A reader that gives `length` bytes. One that gives fewer fails the upload; more are not read.
    pub fn reader(reader: impl AsyncRead + Send + 'static, length: u64) -> Self {
        Self(Source::Reader(Box::pin(reader), length))
    }

    async fn open(self) -> Result<Opened> {
        Ok(match self.0 {
            Source::Path(path) => {
                let (file, length) = local::open(&path).await?;
                Opened {
                    reader: Box::pin(file),
                    length,
                    path: Some(path),
                }
            }
            Source::Bytes(bytes) => {
                let length = bytes.len() as u64;
                Opened {
                    reader: Box::pin(std::io::Cursor::new(bytes)),
                    length,
                    path: None,
                }
            }
            Source::Reader(reader, length) => Opened {
                reader,
                length,
                path: None,
            },
        })
    }
}

struct Opened {
    reader: Reader,
    length: u64,
    path: Option<PathBuf>,
}

impl std::fmt::Debug for UploadSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Source::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Source::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Source::Reader(_, length) => write!(f, "Reader({length})"),
        }
    }
}

impl From<&Path> for UploadSource {
    fn from(path: &Path) -> Self {
        Self(Source::Path(path.to_owned()))
    }
}

impl From<PathBuf> for UploadSource {
    fn from(path: PathBuf) -> Self {
        Self(Source::Path(path))
    }
}

impl From<&PathBuf> for UploadSource {
    fn from(path: &PathBuf) -> Self {
        Self(Source::Path(path.clone()))
    }
}

impl From<Bytes> for UploadSource {
    fn from(bytes: Bytes) -> Self {
        Self(Source::Bytes(bytes))
    }
}

impl From<Vec<u8>> for UploadSource {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Source::Bytes(bytes.into()))
    }
}

impl From<&'static [u8]> for UploadSource {
    fn from(bytes: &'static [u8]) -> Self {
        Self(Source::Bytes(Bytes::from_static(bytes)))
    }
}

/// An upload that has not been sent: await it. From [`Files::upload`].
///
/// Dropping it while it runs breaks it off; the service then keeps what it had before.
#[derive(Debug)]
#[must_use = "an upload does nothing until it is awaited"]
pub struct Upload {
    files: Files,
    path: Result<RemotePath>,
    source: UploadSource,
    url: Option<PresignedUrl>,
    listener: Listener,
}

/// An upload that was acknowledged, and whose checksum is right where the store told one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Uploaded {
    /// Bytes sent.
    pub bytes: u64,
    /// The store's ETag, as it came: quoted.
    pub etag: Option<String>,
    /// Id of the store's answer.
    pub request_id: Option<String>,
}

impl Upload {
    pub(super) fn new(files: Files, path: Result<RemotePath>, source: UploadSource) -> Self {
        Self {
            files,
            path,
            source,
            url: None,
            listener: Listener::default(),
        }
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

    async fn run(self) -> Result<Uploaded> {
        let Self {
            files,
            path,
            source,
            url,
            listener,
        } = self;
        let path = path?;
        let source = source.open().await?;
        let url = match url {
            Some(url) => url,
            None => files.upload_url(&path).await?.into_inner(),
        };
        send(&files, &url, source, listener).await
    }
}

impl IntoFuture for Upload {
    type Output = Result<Uploaded>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let span = trace::operation(Operation::Upload, Some(&self.files.context));
            let work = async { self.run().await.map_err(failed(Operation::Upload)) };
            trace::told(Box::pin(work), span).await
        })
    }
}

async fn send(
    files: &Files,
    url: &PresignedUrl,
    source: Opened,
    listener: Listener,
) -> Result<Uploaded> {
    let time = files.agb.time();
    let pulse = Pulse::new(time.clone());
    let meter = Meter::new(listener, Some(source.length), time.clone());
    let (body, seen) = SizedBody::new(source.reader, source.length, meter, pulse.clone());
    let put = files
        .store()
        .put(url, source.length, reqwest::Body::wrap(body));
    let response = match pulse.watch(put).await? {
        Ok(response) => response,
        Err(error) => return Err(blame(error, &seen)),
    };
    let headers = response.headers();
    let id = request_id(headers);
    verify(&seen, source.length, md5_of(headers))
        .map_err(|error| error.with_request_id(id.clone()))?;
    if let Some(path) = source.path {
        local::still_has(&path, source.length).await?;
    }
    Ok(Uploaded {
        bytes: source.length,
        etag: etag_of(headers),
        request_id: id,
    })
}

/// A request that failed because its source did is the source's error.
fn blame(error: Error, seen: &Seen) -> Error {
    match seen.take_fault() {
        Some(fault) => {
            Error::new(ErrorKind::LocalFile, "the source of the upload failed").with_source(fault)
        }
        None => error,
    }
}

fn verify(seen: &Seen, length: u64, stored: Option<String>) -> Result<()> {
    let sent = seen.bytes();
    if sent != length {
        let message = format!("the store acknowledged the upload after {sent} of {length} bytes");
        return Err(Error::new(ErrorKind::Corrupted, message));
    }
    match stored {
        Some(stored) if stored != seen.md5() => Err(Error::new(
            ErrorKind::Corrupted,
            "the store's checksum is not that of what was sent: upload it again",
        )),
        _ => Ok(()),
    }
}
