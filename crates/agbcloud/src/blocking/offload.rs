//! An adapter from the readers of std to those of tokio. Each operation runs on a thread for blocking work.

use std::{
    io::{self, Read},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, ReadBuf},
    task::{JoinHandle, spawn_blocking},
};

/// Maximum number of bytes of one operation: the size of a transfer's buffer.
const CHUNK: usize = 128 * 1024;

/// A reader, or the operation that owns it while it runs.
enum Offloaded<T, D> {
    Idle(T),
    Busy(JoinHandle<(T, io::Result<D>)>),
    /// An operation panicked and dropped it.
    Lost,
}

impl<T: Send + 'static, D: Send + 'static> Offloaded<T, D> {
    /// Starts the operation, unless one is running already: [`poll`](Self::poll) waits for that one then.
    fn start<O>(&mut self, operation: impl FnOnce() -> O)
    where
        O: FnOnce(&mut T) -> io::Result<D> + Send + 'static,
    {
        *self = match std::mem::replace(self, Self::Lost) {
            Self::Idle(mut thing) => {
                let operation = operation();
                Self::Busy(spawn_blocking(move || {
                    let done = operation(&mut thing);
                    (thing, done)
                }))
            }
            other => other,
        };
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<D>> {
        let Self::Busy(running) = self else {
            return Poll::Ready(Err(io::Error::other("it panicked before")));
        };
        Pin::new(running).poll(cx).map(|ended| match ended {
            Ok((thing, done)) => {
                *self = Self::Idle(thing);
                done
            }
            Err(panic) => {
                *self = Self::Lost;
                Err(io::Error::other(panic))
            }
        })
    }
}

type Reader = Box<dyn Read + Send>;

/// Reads as many bytes as the caller requests, at most a chunk at a time.
pub(super) struct OffloadedReader {
    work: Offloaded<Reader, Bytes>,
    /// Bytes that were read but not returned yet.
    chunk: Bytes,
}

impl OffloadedReader {
    pub(super) fn new(reader: impl Read + Send + 'static) -> Self {
        Self {
            work: Offloaded::Idle(Box::new(reader)),
            chunk: Bytes::new(),
        }
    }
}

impl AsyncRead for OffloadedReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.chunk.is_empty() {
            let wanted = buffer.remaining().min(CHUNK);
            self.work
                .start(|| move |reader: &mut Reader| read(reader, wanted));
            self.chunk = ready!(self.work.poll(cx))?;
        }
        let taken = self.chunk.len().min(buffer.remaining());
        buffer.put_slice(&self.chunk.split_to(taken));
        Poll::Ready(Ok(()))
    }
}

/// Reads once. Returns no bytes at the end.
fn read(reader: &mut impl Read, wanted: usize) -> io::Result<Bytes> {
    let mut chunk = vec![0; wanted];
    loop {
        match reader.read(&mut chunk) {
            Ok(read) => {
                chunk.truncate(read);
                return Ok(chunk.into());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Returns one byte at a time, and is interrupted before each.
    struct Interrupted(&'static [u8], bool);

    impl Read for Interrupted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let length = buffer.len().min(1);
            self.0.read(&mut buffer[..length])
        }
    }

    async fn read_once(reader: &mut OffloadedReader, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let read = tokio::io::AsyncReadExt::read(reader, &mut bytes).await;
        bytes.truncate(read.unwrap());
        bytes
    }

    #[tokio::test]
    async fn an_interrupted_reader_is_read_to_its_end() {
        let mut reader = OffloadedReader::new(Interrupted(b"he", false));
        for part in ["h", "e", "", ""] {
            assert_eq!(read_once(&mut reader, 5).await, part.as_bytes());
        }
    }

    #[tokio::test]
    async fn bytes_that_do_not_fit_a_smaller_buffer_are_kept() {
        let (sender, receiver) = mpsc::channel();
        let mut reader = OffloadedReader::new(Waiting(receiver, b"hello"));
        let mut large = [0; 5];
        std::future::poll_fn(|cx| {
            // Starts to read five bytes and does not wait for them.
            let read = Pin::new(&mut reader).poll_read(cx, &mut ReadBuf::new(&mut large));
            assert!(read.is_pending());
            Poll::Ready(())
        })
        .await;
        drop(sender);
        assert_eq!(read_once(&mut reader, 2).await, b"he");
        assert_eq!(read_once(&mut reader, 9).await, b"llo");
        assert_eq!(read_once(&mut reader, 9).await, b"");
    }

    /// Waits until the sender is dropped.
    struct Waiting(mpsc::Receiver<()>, &'static [u8]);

    impl Read for Waiting {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.read(buffer)
        }
    }

    #[tokio::test]
    async fn a_large_buffer_receives_one_chunk_at_a_time() {
        let mut reader = OffloadedReader::new(io::repeat(7));
        assert_eq!(read_once(&mut reader, 10 * CHUNK).await, vec![7; CHUNK]);
    }
}
