//! The sources of an upload: a local path, bytes or a reader.

use std::{
    io,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::io::{AsyncRead, AsyncReadExt, Take};
use tokio_util::io::ReaderStream;

use crate::{
    Error, ErrorKind, Result,
    file::local::{LocalContent, LocalFile, LocalIdentity, impl_from_paths},
};

/// Bytes read at a time.
pub(super) const CHUNK: usize = 128 * 1024;

type BoxedReader = Pin<Box<dyn AsyncRead + Send>>;

/// The content of an upload in chunks.
pub(super) enum BodyChunks {
    Whole(Bytes),
    /// The mutex is never locked. It makes the body `Sync`, which a reader may not be.
    Read(Mutex<ReaderStream<Take<BoxedReader>>>),
}

impl BodyChunks {
    /// The first `length` bytes of a reader.
    fn of(reader: BoxedReader, length: u64) -> Self {
        let reader = ReaderStream::with_capacity(reader.take(length), CHUNK);
        Self::Read(Mutex::new(reader))
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(bytes.split_to(CHUNK.min(bytes.len()))))),
            Self::Read(reader) => {
                let reader = reader.get_mut().unwrap_or_else(PoisonError::into_inner);
                Pin::new(reader).poll_next(cx)
            }
        }
    }
}

/// The source of an upload: a local path, bytes, or a reader of known length.
///
/// A failed upload of a path or of bytes is retried. That of a reader is not, since it can be read only once.
pub struct UploadSource(SourceKind);

enum SourceKind {
    /// With its content if it is open and has not been sent.
    Path(LocalFile, Option<LocalContent>),
    Bytes(Bytes),
    /// With its length; `None` after it was sent.
    Reader(Option<(BoxedReader, u64)>),
}

impl UploadSource {
    /// A reader of `length` bytes. Fewer bytes fail the upload; further bytes are not read.
    pub fn reader(reader: impl AsyncRead + Send + 'static, length: u64) -> Self {
        Self(SourceKind::Reader(Some((Box::pin(reader), length))))
    }

    /// A local file, with its content if it is open already.
    pub(crate) fn local(file: LocalFile, opened: Option<LocalContent>) -> Self {
        Self(SourceKind::Path(file, opened))
    }

    /// Whether the source can be sent again.
    pub(super) fn is_available(&self) -> bool {
        !matches!(self.0, SourceKind::Reader(None))
    }

    /// Opens a local file, so that an error is returned before any request is sent.
    pub(super) async fn check(&mut self) -> Result<()> {
        if let SourceKind::Path(path, opened @ None) = &mut self.0 {
            *opened = Some(path.open().await?);
        }
        Ok(())
    }

    pub(super) async fn open(&mut self) -> Result<OpenedSource> {
        match &mut self.0 {
            SourceKind::Path(path, opened) => {
                let content = match opened.take() {
                    Some(content) => content,
                    None => path.open().await?,
                };
                let (opened, identity) = match content {
                    LocalContent::InMemory(bytes, identity) => {
                        (OpenedSource::whole(bytes), identity)
                    }
                    LocalContent::Streamed(file, identity) => (
                        OpenedSource::reader(Box::pin(file), identity.size),
                        identity,
                    ),
                };
                Ok(OpenedSource {
                    origin: Some(LocalOrigin {
                        file: path.clone(),
                        identity,
                    }),
                    ..opened
                })
            }
            SourceKind::Bytes(bytes) => Ok(OpenedSource::whole(bytes.clone())),
            SourceKind::Reader(reader) => match reader.take() {
                Some((reader, length)) => Ok(OpenedSource::reader(reader, length)),
                None => Err(Error::new(
                    ErrorKind::LocalFile,
                    "the reader of the upload was read already",
                )),
            },
        }
    }
}

/// An open source.
pub(super) struct OpenedSource {
    pub(super) chunks: BodyChunks,
    pub(super) length: u64,
    pub(super) origin: Option<LocalOrigin>,
}

/// The local file that is sent, and its identity when it was opened.
#[derive(Clone)]
pub(super) struct LocalOrigin {
    file: LocalFile,
    identity: LocalIdentity,
}

impl LocalOrigin {
    pub(super) fn identity(&self) -> LocalIdentity {
        self.identity
    }

    /// Fails if the file has changed. Blocks.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        self.file.check_unchanged(&self.identity)
    }
}

impl OpenedSource {
    fn whole(bytes: Bytes) -> Self {
        Self {
            length: bytes.len() as u64,
            chunks: BodyChunks::Whole(bytes),
            origin: None,
        }
    }

    fn reader(reader: BoxedReader, length: u64) -> Self {
        Self {
            chunks: BodyChunks::of(reader, length),
            length,
            origin: None,
        }
    }
}

impl std::fmt::Debug for UploadSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            SourceKind::Path(file, _) => f.debug_tuple("Path").field(&file.path()).finish(),
            SourceKind::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            SourceKind::Reader(Some((_, length))) => write!(f, "Reader({length})"),
            SourceKind::Reader(None) => f.write_str("Reader"),
        }
    }
}

impl_from_paths!(UploadSource, |path| {
    Self(SourceKind::Path(LocalFile::following_links(path), None))
});

impl From<Bytes> for UploadSource {
    fn from(bytes: Bytes) -> Self {
        Self(SourceKind::Bytes(bytes))
    }
}

impl From<Vec<u8>> for UploadSource {
    fn from(bytes: Vec<u8>) -> Self {
        Self(SourceKind::Bytes(bytes.into()))
    }
}

impl From<&'static [u8]> for UploadSource {
    fn from(bytes: &'static [u8]) -> Self {
        Self(SourceKind::Bytes(Bytes::from_static(bytes)))
    }
}
