//! The sources of an upload: a local path, bytes, a reader or a stream.

use std::{
    io,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use tempfile::TempPath;
use tokio::io::{AsyncRead, AsyncReadExt, Take};
use tokio_util::io::ReaderStream;

use super::spool::{BoxedStream, DEFAULT_IN_MEMORY, Spooled, reader_failed, spool};
use crate::{
    Error, ErrorKind, Result,
    file::local::{
        LocalContent, LocalFile, LocalIdentity, LocalReader, hash_file, impl_from_paths,
    },
    transfer::ContentHasher,
};

/// Bytes that are sent at a time. An upload is idle while none of them is accepted, so more of them would need a faster
/// connection.
pub(super) const CHUNK: usize = 128 * 1024;

type BoxedReader = Pin<Box<dyn AsyncRead + Send>>;

/// The content of an upload in chunks.
pub(super) enum BodyChunks {
    Whole(Bytes),
    /// A local file, and what has not been returned of its last block.
    File(LocalReader, Bytes),
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
            Self::Whole(bytes) => Poll::Ready(Some(Ok(split_chunk(bytes)))),
            Self::File(reader, rest) => {
                if rest.is_empty() {
                    *rest = match ready!(reader.poll_next(cx)) {
                        Some(Ok(block)) => block,
                        end => return Poll::Ready(end),
                    };
                }
                Poll::Ready(Some(Ok(split_chunk(rest))))
            }
            Self::Read(reader) => {
                let reader = reader.get_mut().unwrap_or_else(PoisonError::into_inner);
                Pin::new(reader).poll_next(cx)
            }
        }
    }
}

fn split_chunk(bytes: &mut Bytes) -> Bytes {
    bytes.split_to(CHUNK.min(bytes.len()))
}

/// The source of an upload: a local path, bytes, a reader of known length, or a stream.
///
/// A failed upload is retried, except that of a [`reader`](Self::reader), which can be read only once.
pub struct UploadSource(SourceKind);

enum SourceKind {
    /// With its content if it is open and has not been sent.
    Path(LocalFile, Option<LocalContent>),
    Bytes(Bytes),
    /// With its length; `None` after it was sent.
    Reader(Option<(BoxedReader, u64)>),
    /// Of unknown length, with the limit in memory; `None` while it is spooled.
    Stream(Option<(BoxedStream, usize)>),
    /// A spooled stream in a temporary file.
    Temporary {
        file: LocalFile,
        _removes_it: TempPath,
    },
}

impl UploadSource {
    /// A reader of `length` bytes, which is read as the bytes are sent. The upload fails if it has fewer or more, and stores
    /// nothing. Use [`AsyncReadExt::take`] to send only a part of a reader.
    pub fn reader(reader: impl AsyncRead + Send + 'static, length: u64) -> Self {
        Self(SourceKind::Reader(Some((Box::pin(reader), length))))
    }

    /// A stream of unknown length. It is read to its end before the upload starts, since a presigned URL needs a length: up to
    /// 8 MiB into memory, or the [`memory_limit`](Self::memory_limit), and beyond that into a temporary file in
    /// [`std::env::temp_dir`]. Nothing limits its time.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// use agbcloud::UploadSource;
    /// use bytes::Bytes;
    /// use futures_util::stream;
    ///
    /// let lines = stream::iter(["one\n", "two\n"]).map(|line| Ok::<_, std::io::Error>(Bytes::from(line)));
    /// # use futures_util::StreamExt;
    /// files.upload("/lines.txt", UploadSource::stream(lines)).await?;
    /// assert_eq!(files.read("/lines.txt").await?, b"one\ntwo\n"[..]);
    /// # Ok(()) });
    /// ```
    pub fn stream<S, B, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<B, E>> + Send + 'static,
        B: Into<Bytes>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let stream = stream.map(|chunk| chunk.map(Into::into).map_err(Into::into));
        Self(SourceKind::Stream(Some((
            Box::pin(stream),
            DEFAULT_IN_MEMORY,
        ))))
    }

    /// A reader of unknown length, which is read to its end before the upload starts: see [`stream`](Self::stream).
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// use agbcloud::UploadSource;
    ///
    /// let reader = std::io::Cursor::new("the output of a process"); // any AsyncRead
    /// files.upload("/output.txt", UploadSource::reader_to_end(reader)).await?;
    /// # Ok(()) });
    /// ```
    pub fn reader_to_end(reader: impl AsyncRead + Send + 'static) -> Self {
        Self::stream(ReaderStream::with_capacity(reader, CHUNK))
    }

    /// Maximum bytes in memory of a source of unknown length. Defaults to 8 MiB. At 0, everything is written to a temporary file.
    /// Other sources ignore it.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// use agbcloud::UploadSource;
    ///
    /// let source = UploadSource::reader_to_end("many of these run at once".as_bytes());
    /// files.upload("/small.txt", source.memory_limit(64 * 1024)).await?;
    /// # Ok(()) });
    /// ```
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        if let SourceKind::Stream(Some((_, limit))) = &mut self.0 {
            *limit = bytes;
        }
        self
    }

    /// A local file, with its content if it is open already.
    pub(crate) fn local(file: LocalFile, opened: Option<LocalContent>) -> Self {
        Self(SourceKind::Path(file, opened))
    }

    /// Whether the source can be sent again.
    pub(super) fn is_available(&self) -> bool {
        !matches!(self.0, SourceKind::Reader(None))
    }

    /// Opens a local file and reads a stream, so that an error is returned before any request is sent.
    pub(super) async fn prepare(&mut self) -> Result<()> {
        match &mut self.0 {
            SourceKind::Path(path, opened @ None) => *opened = Some(path.open().await?),
            SourceKind::Stream(stream) => {
                let (stream, memory_limit) = stream.take().ok_or_else(read_already)?;
                self.0 = match spool(stream, memory_limit).await? {
                    Spooled::Memory(bytes) => SourceKind::Bytes(bytes),
                    Spooled::File(path) => SourceKind::Temporary {
                        file: LocalFile::following_links(path.to_path_buf()),
                        _removes_it: path,
                    },
                };
            }
            _ => {}
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
                Ok(OpenedSource::local(path.clone(), content))
            }
            SourceKind::Temporary { file, .. } => {
                Ok(OpenedSource::local(file.clone(), file.open().await?))
            }
            SourceKind::Bytes(bytes) => Ok(OpenedSource::whole(bytes.clone())),
            SourceKind::Reader(reader) => {
                let (reader, length) = reader.take().ok_or_else(read_already)?;
                OpenedSource::exact(reader, length).await
            }
            SourceKind::Stream(_) => Err(read_already()),
        }
    }
}

fn read_already() -> Error {
    Error::new(
        ErrorKind::CallerStream,
        "the reader of the upload was read already",
    )
}

/// An open source.
pub(super) struct OpenedSource {
    pub(super) chunks: BodyChunks,
    pub(super) length: u64,
    pub(super) origin: Option<LocalOrigin>,
    /// A reader that must end after `length` bytes.
    pub(super) exact: bool,
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

    /// The error of a file that has changed.
    pub(super) fn changed(&self) -> Error {
        self.file.changed()
    }

    /// Reads the content again.
    pub(super) async fn hash(&self, hasher: ContentHasher) -> Result<ContentHasher> {
        hash_file(self.file.path(), hasher).await
    }
}

impl OpenedSource {
    fn whole(bytes: Bytes) -> Self {
        Self {
            length: bytes.len() as u64,
            chunks: BodyChunks::Whole(bytes),
            origin: None,
            exact: false,
        }
    }

    fn local(file: LocalFile, content: LocalContent) -> Self {
        let (opened, identity) = match content {
            LocalContent::InMemory(bytes, identity) => (Self::whole(bytes), identity),
            LocalContent::Streamed(reader, identity) => {
                let opened = Self {
                    chunks: BodyChunks::File(reader, Bytes::new()),
                    length: identity.size,
                    origin: None,
                    exact: false,
                };
                (opened, identity)
            }
        };
        Self {
            origin: Some(LocalOrigin { file, identity }),
            ..opened
        }
    }

    /// A reader of the caller, with one byte more than its length, so that a longer one is noticed.
    async fn exact(mut reader: BoxedReader, length: u64) -> Result<Self> {
        if length == 0 {
            // An empty body is never polled.
            match reader.read(&mut [0]).await {
                Ok(0) => {}
                Ok(_) => return Err(longer_than(0)),
                Err(error) => return Err(reader_failed(error)),
            }
        }
        Ok(Self {
            chunks: BodyChunks::of(reader, length.saturating_add(1)),
            length,
            origin: None,
            exact: true,
        })
    }
}

pub(super) fn longer_than(length: u64) -> Error {
    let message = format!("the reader of the upload has more than the declared {length} bytes");
    Error::new(ErrorKind::CallerStream, message)
}

impl std::fmt::Debug for UploadSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            SourceKind::Path(file, _) => f.debug_tuple("Path").field(&file.path()).finish(),
            SourceKind::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            SourceKind::Reader(Some((_, length))) => write!(f, "Reader({length})"),
            SourceKind::Reader(None) => f.write_str("Reader"),
            SourceKind::Stream(_) | SourceKind::Temporary { .. } => f.write_str("Stream"),
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

impl<const N: usize> From<&'static [u8; N]> for UploadSource {
    fn from(bytes: &'static [u8; N]) -> Self {
        bytes[..].into()
    }
}

/// The content, not a path: use [`Path::new`](std::path::Path::new) for a path.
impl From<&'static str> for UploadSource {
    fn from(content: &'static str) -> Self {
        content.as_bytes().into()
    }
}

/// The content, not a path.
impl From<String> for UploadSource {
    fn from(content: String) -> Self {
        content.into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_memory_limit_is_that_of_the_source() {
        for (limit, in_memory) in [(3, false), (4, true)] {
            let mut source = UploadSource::reader_to_end(&b"four"[..]).memory_limit(limit);
            source.prepare().await.unwrap();
            assert_eq!(matches!(source.0, SourceKind::Bytes(_)), in_memory);
        }
    }
}
