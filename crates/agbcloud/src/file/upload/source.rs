//! What is sent.

use std::path::PathBuf;

use bytes::Bytes;
use tokio::io::AsyncRead;

use super::body::Reader;
use crate::{
    Error, ErrorKind, Result,
    file::local::{self, Looks, impl_from_paths},
};

/// Where the bytes of an upload come from: a local path, bytes, or a reader of known length.
///
/// An upload that fails in passing is tried again from the start of a path or of bytes. A reader can be read once, and
/// so is sent once.
pub struct UploadSource(Source);

enum Source {
    Path(PathBuf),
    Bytes(Bytes),
    /// With its length; `None` once it was sent.
    Reader(Option<(Reader, u64)>),
}

impl UploadSource {
    /// A reader that gives `length` bytes. One that gives fewer fails the upload; more are not read.
    pub fn reader(reader: impl AsyncRead + Send + 'static, length: u64) -> Self {
        Self(Source::Reader(Some((Box::pin(reader), length))))
    }

    /// Whether it can be sent once more.
    pub(super) fn is_left(&self) -> bool {
        !matches!(self.0, Source::Reader(None))
    }

    /// Checks what can be checked before anything is asked for.
    pub(super) async fn check(&mut self) -> Result<()> {
        match &mut self.0 {
            Source::Path(path) => local::open(path).await.map(|_| ()),
            _ => Ok(()),
        }
    }

    pub(super) async fn open(&mut self) -> Result<Opened> {
        match &mut self.0 {
            Source::Path(path) => {
                let (file, looks) = local::open(path).await?;
                Ok(Opened {
                    reader: Box::pin(file),
                    length: looks.length,
                    path: Some((path.clone(), looks)),
                })
            }
            Source::Bytes(bytes) => Ok(Opened {
                length: bytes.len() as u64,
                reader: Box::pin(std::io::Cursor::new(bytes.clone())),
                path: None,
            }),
            Source::Reader(reader) => match reader.take() {
                Some((reader, length)) => Ok(Opened {
                    reader,
                    length,
                    path: None,
                }),
                None => Err(Error::new(
                    ErrorKind::LocalFile,
                    "the reader has been read: give a new one",
                )),
            },
        }
    }
}

/// A source that is about to be sent.
pub(super) struct Opened {
    pub(super) reader: Reader,
    pub(super) length: u64,
    path: Option<(PathBuf, Looks)>,
}

impl Opened {
    /// What is needed to see afterwards whether it was left alone.
    pub(super) fn take_path(&mut self) -> Option<(PathBuf, Looks)> {
        self.path.take()
    }
}

impl std::fmt::Debug for UploadSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Source::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Source::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Source::Reader(Some((_, length))) => write!(f, "Reader({length})"),
            Source::Reader(None) => f.write_str("Reader"),
        }
    }
}

impl_from_paths!(UploadSource, |path| Self(Source::Path(path)));

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
