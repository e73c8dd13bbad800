//! [`BlockingReader`]: a remote file for code that blocks.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use tokio::{
    io::AsyncRead,
    sync::mpsc::{Receiver, Sender, channel},
};
use tokio_util::io::ReaderStream;

/// Size of a chunk in bytes, and the number of chunks that wait for the reader.
const CHUNK: usize = 256 * 1024;
const CHUNKS: usize = 4;

/// Reads what [`BlockingReader::forward`] receives. It needs no runtime, which may end while a thread still reads.
pub(super) struct BlockingReader {
    chunks: Receiver<io::Result<Bytes>>,
    current: Bytes,
    is_complete: bool,
}

impl BlockingReader {
    pub(super) fn new() -> (Sender<io::Result<Bytes>>, Self) {
        let (sender, chunks) = channel(CHUNKS);
        let reader = Self {
            chunks,
            current: Bytes::new(),
            is_complete: false,
        };
        (sender, reader)
    }

    /// Sends a file to the reader, and its end. Calls `listener` with the number of bytes so far.
    pub(super) async fn forward(
        file: impl AsyncRead,
        sender: Sender<io::Result<Bytes>>,
        listener: impl Fn(u64),
    ) {
        let mut chunks = std::pin::pin!(ReaderStream::with_capacity(file, CHUNK));
        let mut sent = 0;
        while let Some(chunk) = chunks.next().await {
            sent += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
            if sender.send(chunk).await.is_err() {
                return;
            }
            listener(sent);
        }
        // The reader may have failed.
        let _ = sender.send(Ok(Bytes::new())).await;
    }
}

impl Read for BlockingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.current.is_empty() && !self.is_complete {
            self.current = match self.chunks.blocking_recv() {
                Some(chunk) => chunk?,
                // Without the end, the file is not complete.
                None => return Err(io::ErrorKind::BrokenPipe.into()),
            };
            self.is_complete = self.current.is_empty();
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut reader: BlockingReader) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        reader.read_to_end(&mut content).map(|_| content)
    }

    #[tokio::test]
    async fn a_reader_gets_the_content_and_its_end() {
        let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        let (sender, reader) = BlockingReader::new();
        let reader = tokio::task::spawn_blocking(|| read(reader));
        let reported = std::cell::Cell::new(0);
        BlockingReader::forward(&content[..], sender, |bytes| reported.set(bytes)).await;
        assert_eq!(reader.await.unwrap().unwrap(), content);
        assert_eq!(reported.get(), content.len() as u64);
    }

    #[test]
    fn an_end_of_the_runtime_is_an_error_and_no_panic() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (sender, reader) = BlockingReader::new();
        let reader = std::thread::spawn(|| read(reader));
        runtime.spawn(BlockingReader::forward(
            tokio::io::repeat(1),
            sender,
            |_| (),
        ));
        drop(runtime);
        let error = reader.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
