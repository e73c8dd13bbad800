//! The targets of a download: a local path, a writer or memory.

use std::{io, path::PathBuf, pin::Pin};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::{
    Error, ErrorDetail, ErrorKind, Result,
    file::{download_sink::DownloadSink, local::impl_from_paths},
};

pub(super) type BoxedWriter<'w> = Pin<Box<dyn AsyncWrite + Send + 'w>>;

/// The target of a download: a local path, a writer or memory, which may be borrowed.
///
/// ```
/// # agbcloud_doctest::run_with_context(async |client, context, files| {
/// use agbcloud::DownloadTarget;
///
/// files.upload("/notes.txt", &b"hello"[..]).await?;
/// let mut memory = Vec::new();
/// files.download("/notes.txt", &mut memory).await?;
/// assert_eq!(memory, b"hello");
///
/// let mut writer = std::io::BufWriter::new(Vec::new()); // any std::io::Write that does not block
/// files.download("/notes.txt", DownloadTarget::io_writer(&mut writer)).await?;
/// assert_eq!(writer.buffer().len() + writer.get_ref().len(), 5);
/// # Ok(()) });
/// ```
pub struct DownloadTarget<'w>(pub(super) TargetKind<'w>);

pub(super) enum TargetKind<'w> {
    Path(PathBuf),
    Writer(BoxedWriter<'w>),
    Io(Box<dyn io::Write + Send + 'w>),
    Memory(&'w mut Vec<u8>),
}

impl<'w> DownloadTarget<'w> {
    /// A writer. It receives the bytes as they arrive, so a failed download may have written some of them. It is flushed and
    /// shut down at the end; `&mut writer` can be passed too.
    pub fn writer(writer: impl AsyncWrite + Send + 'w) -> Self {
        Self(TargetKind::Writer(Box::pin(writer)))
    }

    /// Passes the content to a function, in chunks as they arrive, in the task of the download. A failed download may have
    /// passed some of them.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// use agbcloud::DownloadTarget;
    /// use md5::{Digest, Md5};
    ///
    /// files.upload("/notes.txt", &b"hello"[..]).await?;
    /// let mut hasher = Md5::new();
    /// files.download("/notes.txt", DownloadTarget::chunks(|chunk| hasher.update(chunk))).await?;
    /// assert_eq!(hasher.finalize(), Md5::digest("hello"));
    /// # Ok(()) });
    /// ```
    pub fn chunks(receive: impl FnMut(&[u8]) + Send + 'w) -> Self {
        Self::io_writer(ChunkReceiver(receive))
    }

    /// A writer of the standard library that does not block. It receives the bytes as they arrive, in the task of the download,
    /// and is flushed at the end.
    pub fn io_writer(writer: impl io::Write + Send + 'w) -> Self {
        Self(TargetKind::Io(Box::new(writer)))
    }
}

/// A function that receives chunks, as a writer.
struct ChunkReceiver<F>(F);

impl<F: FnMut(&[u8])> io::Write for ChunkReceiver<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.0)(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for DownloadTarget<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            TargetKind::Path(path) => f.debug_tuple("Path").field(path).finish(),
            TargetKind::Writer(_) | TargetKind::Io(_) => f.write_str("Writer"),
            TargetKind::Memory(_) => f.write_str("Memory"),
        }
    }
}

impl_from_paths!(DownloadTarget<'_>, |path| Self(TargetKind::Path(path)));

/// Appends the content. A failed download leaves the vector as it was.
impl<'w> From<&'w mut Vec<u8>> for DownloadTarget<'w> {
    fn from(memory: &'w mut Vec<u8>) -> Self {
        Self(TargetKind::Memory(memory))
    }
}

/// Passes the bytes to a writer of the caller.
pub(super) struct WriterSink<W> {
    writer: W,
    written: bool,
}

impl<W> WriterSink<W> {
    pub(super) fn new(writer: W) -> Self {
        Self {
            writer,
            written: false,
        }
    }
}

impl DownloadSink for WriterSink<BoxedWriter<'_>> {
    async fn write(&mut self, chunk: &Bytes) -> Result<()> {
        self.written = true;
        self.writer.write_all(chunk).await.map_err(writer_failed)
    }

    async fn restart(&mut self) -> Result<bool> {
        Ok(!self.written)
    }

    async fn finish(&mut self) -> Result<()> {
        // Tokio's stdout writes its buffer when it is flushed, but not when it is shut down.
        self.writer.flush().await.map_err(writer_failed)?;
        self.writer.shutdown().await.map_err(writer_failed)
    }
}

impl DownloadSink for WriterSink<Box<dyn io::Write + Send + '_>> {
    async fn write(&mut self, chunk: &Bytes) -> Result<()> {
        self.written = true;
        self.writer.write_all(chunk).map_err(writer_failed)
    }

    async fn restart(&mut self) -> Result<bool> {
        Ok(!self.written)
    }

    async fn finish(&mut self) -> Result<()> {
        self.writer.flush().map_err(writer_failed)
    }
}

fn writer_failed(error: io::Error) -> Error {
    let message = "the writer of the download failed";
    Error::new(ErrorKind::CallerStream, message).with_source(error)
}

/// Appends the bytes to a vector. Removes them again unless the content is complete.
pub(super) struct AppendSink<'w> {
    memory: &'w mut Vec<u8>,
    before: usize,
    complete: bool,
}

impl<'w> AppendSink<'w> {
    pub(super) fn new(memory: &'w mut Vec<u8>) -> Self {
        Self {
            before: memory.len(),
            memory,
            complete: false,
        }
    }
}

impl Drop for AppendSink<'_> {
    fn drop(&mut self) {
        if !self.complete {
            self.memory.truncate(self.before);
        }
    }
}

impl DownloadSink for AppendSink<'_> {
    async fn write(&mut self, chunk: &Bytes) -> Result<()> {
        self.memory.extend_from_slice(chunk);
        Ok(())
    }

    async fn restart(&mut self) -> Result<bool> {
        self.memory.truncate(self.before);
        Ok(true)
    }

    async fn finish(&mut self) -> Result<()> {
        self.complete = true;
        Ok(())
    }
}

/// Collects a limited number of bytes in memory.
pub(super) struct MemorySink {
    bytes: BytesMut,
    limit: u64,
}

impl MemorySink {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            bytes: BytesMut::new(),
            limit,
        }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        self.bytes.freeze()
    }
}

impl DownloadSink for MemorySink {
    async fn write(&mut self, chunk: &Bytes) -> Result<()> {
        if (self.bytes.len() + chunk.len()) as u64 > self.limit {
            let message = format!("the file is larger than the limit of {} bytes", self.limit);
            let detail = ErrorDetail::SizeLimit { bytes: self.limit };
            return Err(Error::new(ErrorKind::Rejected, message).with_detail(detail));
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    async fn restart(&mut self) -> Result<bool> {
        self.bytes.clear();
        Ok(true)
    }

    async fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        pin::Pin,
        sync::{Arc, Mutex},
        task::{Context, Poll},
    };

    use super::*;

    #[tokio::test]
    async fn a_writer_is_flushed_and_shut_down_at_the_end() {
        let writer = RecordingWriter(Arc::default());
        let calls = writer.0.clone();
        let mut sink: WriterSink<BoxedWriter<'_>> = WriterSink::new(Box::pin(writer));
        sink.write(&Bytes::from_static(b"abc")).await.unwrap();
        sink.finish().await.unwrap();
        assert_eq!(*calls.lock().unwrap(), ["write", "flush", "shutdown"]);
    }

    /// Records the calls that it receives.
    struct RecordingWriter(Arc<Mutex<Vec<&'static str>>>);

    impl tokio::io::AsyncWrite for RecordingWriter {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0.lock().unwrap().push("write");
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.0.lock().unwrap().push("flush");
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.0.lock().unwrap().push("shutdown");
            Poll::Ready(Ok(()))
        }
    }
}
