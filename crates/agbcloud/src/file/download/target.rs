//! Where a download goes.

use std::{path::PathBuf, pin::Pin};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::{Error, ErrorDetail, ErrorKind, Result, file::local::impl_from_paths};

pub(super) type Writer = Pin<Box<dyn AsyncWrite + Send>>;

/// Where the bytes of a download go: a local path, or a writer.
pub struct DownloadTarget(pub(super) Target);

pub(super) enum Target {
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

impl_from_paths!(DownloadTarget, |path| Self(Target::Path(path)));

/// Whatever takes the bytes of a download, chunk by chunk.
pub(in crate::file) trait Sink: Send {
    fn take(&mut self, chunk: &[u8]) -> impl Future<Output = Result<()>> + Send;

    /// Forgets what it has taken. Whether it could.
    fn restart(&mut self) -> impl Future<Output = Result<bool>> + Send;

    /// There is no more to come.
    fn finish(&mut self) -> impl Future<Output = Result<()>> + Send;
}

pub(super) struct ToWriter {
    writer: Writer,
    taken: bool,
}

impl ToWriter {
    pub(super) fn new(writer: Writer) -> Self {
        Self {
            writer,
            taken: false,
        }
    }
}

impl Sink for ToWriter {
    async fn take(&mut self, chunk: &[u8]) -> Result<()> {
        self.taken = true;
        self.writer.write_all(chunk).await.map_err(cannot_write)
    }

    async fn restart(&mut self) -> Result<bool> {
        Ok(!self.taken)
    }

    async fn finish(&mut self) -> Result<()> {
        // Tokio's stdout writes what it holds when it is flushed, and not when it is shut down.
        self.writer.flush().await.map_err(cannot_write)?;
        self.writer.shutdown().await.map_err(cannot_write)
    }
}

fn cannot_write(error: std::io::Error) -> Error {
    let message = "the target of the download can't be written";
    Error::new(ErrorKind::LocalFile, message).with_source(error)
}

/// Memory, up to a limit.
pub(super) struct Memory {
    bytes: BytesMut,
    limit: u64,
}

impl Memory {
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

impl Sink for Memory {
    async fn take(&mut self, chunk: &[u8]) -> Result<()> {
        if (self.bytes.len() + chunk.len()) as u64 > self.limit {
            let message = format!("the file is larger than the limit of {} bytes", self.limit);
            let bytes = self.limit;
            return Err(Error::new(ErrorKind::Rejected, message)
                .with_detail(ErrorDetail::SizeLimit { bytes }));
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
        let writer = Noting(Arc::default());
        let told = writer.0.clone();
        let mut sink = ToWriter::new(Box::pin(writer));
        sink.take(b"abc").await.unwrap();
        sink.finish().await.unwrap();
        assert_eq!(*told.lock().unwrap(), ["write", "flush", "shutdown"]);
    }

    /// Notes what is asked of it.
    struct Noting(Arc<Mutex<Vec<&'static str>>>);

    impl tokio::io::AsyncWrite for Noting {
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
