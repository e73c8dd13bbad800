//! What is sent.

use bytes::Bytes;
use tokio::io::AsyncRead;

use super::body::{Chunks, Reader};
use crate::{
    Error, ErrorKind, Result,
    file::local::{self, Content, LocalFile, LocalIdentity, impl_from_paths},
};

/// Where the bytes of an upload come from: a local path, bytes, or a reader of known length.
///
/// An upload that fails in passing is tried again from the start of a path or of bytes. A reader can be read once, and
/// so is sent once.
pub struct UploadSource {
    source: Source,
}

impl From<Source> for UploadSource {
    fn from(source: Source) -> Self {
        Self { source }
    }
}

enum Source {
    /// Opened if it was looked at and has not been sent since.
    Path(LocalFile, Option<Content>),
    Bytes(Bytes),
    /// With its length; `None` once it was sent.
    Reader(Option<(Reader, u64)>),
}

impl UploadSource {
    /// A reader that gives `length` bytes. One that gives fewer fails the upload; more are not read.
    pub fn reader(reader: impl AsyncRead + Send + 'static, length: u64) -> Self {
        Source::Reader(Some((Box::pin(reader), length))).into()
    }

    /// A file of a folder, with what it has if it was opened already.
    pub(in crate::file) fn found(file: LocalFile, opened: Option<Content>) -> Self {
        Source::Path(file, opened).into()
    }

    /// Whether it can be sent once more.
    pub(super) fn is_left(&self) -> bool {
        !matches!(self.source, Source::Reader(None))
    }

    /// Checks what can be checked before anything is asked for.
    pub(super) async fn check(&mut self) -> Result<()> {
        if let Source::Path(path, opened @ None) = &mut self.source {
            *opened = Some(local::open(path).await?);
        }
        Ok(())
    }

    pub(super) async fn open(&mut self) -> Result<Opened> {
        match &mut self.source {
            Source::Path(path, opened) => {
                let content = match opened.take() {
                    Some(content) => content,
                    None => local::open(path).await?,
                };
                let (opened, identity) = match content {
                    Content::Whole(bytes, identity) => (Opened::whole(bytes), identity),
                    Content::Open(file, identity) => {
                        (Opened::reader(Box::pin(file), identity.size), identity)
                    }
                };
                Ok(Opened {
                    origin: Some(Origin {
                        file: path.clone(),
                        identity,
                    }),
                    ..opened
                })
            }
            Source::Bytes(bytes) => Ok(Opened::whole(bytes.clone())),
            Source::Reader(reader) => match reader.take() {
                Some((reader, length)) => Ok(Opened::reader(reader, length)),
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
    pub(super) chunks: Chunks,
    pub(super) length: u64,
    pub(super) origin: Option<Origin>,
}

/// The file that is sent, and what it looked like before.
#[derive(Clone)]
pub(super) struct Origin {
    file: LocalFile,
    identity: LocalIdentity,
}

impl Origin {
    /// The file as it was when it was opened.
    pub(super) fn identity(&self) -> LocalIdentity {
        self.identity
    }

    /// Whether it has been left alone; an error if not. Blocks as long as looking at a file takes.
    pub(super) fn is_unchanged(&self) -> Result<()> {
        local::is_unchanged(&self.file, &self.identity)
    }
}

impl Opened {
    fn whole(bytes: Bytes) -> Self {
        Self {
            length: bytes.len() as u64,
            chunks: Chunks::Whole(bytes),
            origin: None,
        }
    }

    fn reader(reader: Reader, length: u64) -> Self {
        Self {
            chunks: Chunks::of(reader, length),
            length,
            origin: None,
        }
    }
}

impl std::fmt::Debug for UploadSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.source {
            Source::Path(file, _) => f.debug_tuple("Path").field(&file.path()).finish(),
            Source::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Source::Reader(Some((_, length))) => write!(f, "Reader({length})"),
            Source::Reader(None) => f.write_str("Reader"),
        }
    }
}

impl_from_paths!(UploadSource, |path| {
    Source::Path(LocalFile::anywhere(path), None).into()
});

impl From<Bytes> for UploadSource {
    fn from(bytes: Bytes) -> Self {
        Source::Bytes(bytes).into()
    }
}

impl From<Vec<u8>> for UploadSource {
    fn from(bytes: Vec<u8>) -> Self {
        Source::Bytes(bytes.into()).into()
    }
}

impl From<&'static [u8]> for UploadSource {
    fn from(bytes: &'static [u8]) -> Self {
        Source::Bytes(Bytes::from_static(bytes)).into()
    }
}
