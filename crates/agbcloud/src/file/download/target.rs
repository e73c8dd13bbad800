//! The targets of a download: a local path, a writer or memory.

use std::{path::PathBuf, pin::Pin};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::{
    Error, ErrorDetail, ErrorKind, Result,
    file::{download_sink::DownloadSink, local::impl_from_paths},
};

pub(super) type BoxedWriter = Pin<Box<dyn AsyncWrite + Send>>;

/// The target of a download: a local path or a writer.
pub struct DownloadTarget(pub(super) TargetKind);

pub(super) enum TargetKind {
    Path(PathBuf),
    Writer(BoxedWriter),
}

impl DownloadTarget {
    /// A writer. It receives the bytes as they arrive, so a failed download may have written some of them.
    pub fn writer(writer: impl AsyncWrite + Send + 'static) -> Self {
        Self(TargetKind::Writer(Box::pin(writer)))
    }
}

impl std::fmt::Debug for DownloadTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            TargetKind::Path(path) => f.debug_tuple("Path").field(path).finish(),
            TargetKind::Writer(_) => f.write_str("Writer"),
        }
    }
}

impl_from_paths!(DownloadTarget, |path| Self(TargetKind::Path(path)));

pub(super) struct WriterSink {
    writer: BoxedWriter,
    written: bool,
}

impl WriterSink {
    pub(super) fn new(writer: BoxedWriter) -> Self {
        Self {
            writer,
            written: false,
        }
    }
}

impl DownloadSink for WriterSink {
    async fn write(&mut self, chunk: &Bytes) -> Result<()> {
        self.written = true;
        self.writer.write_all(chunk).await.map_err(cannot_write)
    }

    async fn restart(&mut self) -> Result<bool> {
        Ok(!self.written)
    }

    async fn finish(&mut self) -> Result<()> {
        // Tokio's stdout writes its buffer when it is flushed, but not when it is shut down.
        self.writer.flush().await.map_err(cannot_write)?;
        self.writer.shutdown().await.map_err(cannot_write)
    }
}

fn cannot_write(error: std::io::Error) -> Error {
    let message = "can't write to the target of the download";
    Error::new(ErrorKind::LocalFile, message).with_source(error)
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
        let mut sink = WriterSink::new(Box::pin(writer));
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
