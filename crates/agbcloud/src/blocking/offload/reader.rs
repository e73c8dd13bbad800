//! A reader of std that async code can read.

use std::{
    io::{self, Read},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};

use super::{CHUNK, Offloaded};

/// Reads on a thread for it, a chunk when one is wanted and never more than is wanted.
pub(in crate::blocking) struct OffloadedReader {
    work: Offloaded<Box<dyn Read + Send>, Bytes>,
    /// What was read and has not been taken.
    chunk: Bytes,
}

impl OffloadedReader {
    pub(in crate::blocking) fn new(reader: impl Read + Send + 'static) -> Self {
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
                .start(|| move |reader: &mut Box<dyn Read + Send>| read(reader, wanted));
            self.chunk = ready!(self.work.poll(cx))?;
        }
        let taken = self.chunk.len().min(buffer.remaining());
        buffer.put_slice(&self.chunk.split_to(taken));
        Poll::Ready(Ok(()))
    }
}

/// What one reading gives; nothing at the end.
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
    use super::*;

    /// Gives a byte at a time, and is interrupted before each.
    struct Halting(&'static [u8], bool);

    impl Read for Halting {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let length = buffer.len().min(1);
            self.0.read(&mut buffer[..length])
        }
    }

    async fn taken(reader: &mut OffloadedReader, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let read = tokio::io::AsyncReadExt::read(reader, &mut bytes).await;
        bytes.truncate(read.unwrap());
        bytes
    }

    #[tokio::test]
    async fn an_interrupted_reader_is_read_to_its_end() {
        let mut reader = OffloadedReader::new(Halting(b"he", false));
        for part in ["h", "e", "", ""] {
            assert_eq!(taken(&mut reader, 5).await, part.as_bytes());
        }
    }

    #[tokio::test]
    async fn what_a_smaller_buffer_leaves_is_kept_for_the_next() {
        let (go, gone) = std::sync::mpsc::channel();
        let mut reader = OffloadedReader::new(Held(gone, b"hello"));
        let mut large = [0; 5];
        std::future::poll_fn(|cx| {
            // Begins to read five bytes, and does not wait for them.
            let begun = Pin::new(&mut reader).poll_read(cx, &mut ReadBuf::new(&mut large));
            assert!(begun.is_pending());
            Poll::Ready(())
        })
        .await;
        drop(go);
        assert_eq!(taken(&mut reader, 2).await, b"he");
        assert_eq!(taken(&mut reader, 9).await, b"llo");
        assert_eq!(taken(&mut reader, 9).await, b"");
    }

    /// Gives nothing before the other end is dropped.
    struct Held(std::sync::mpsc::Receiver<()>, &'static [u8]);

    impl io::Read for Held {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.read(buffer)
        }
    }

    #[tokio::test]
    async fn a_large_buffer_gets_a_chunk_at_a_time() {
        let mut reader = OffloadedReader::new(io::repeat(7));
        assert_eq!(taken(&mut reader, 10 * CHUNK).await, vec![7; CHUNK]);
    }
}
