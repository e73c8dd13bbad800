//! Reading a stream of unknown length, into memory or a temporary file.

use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_util::StreamExt;
use tempfile::{NamedTempFile, TempPath};
use tokio::io::AsyncWriteExt;

use crate::{
    Error, ErrorKind, Result,
    file::local::{blocking, cannot},
};

/// Default of the bytes that are kept in memory.
pub(super) const DEFAULT_IN_MEMORY: usize = 8 * 1024 * 1024;

type StreamError = Box<dyn std::error::Error + Send + Sync>;
pub(super) type BoxedStream = Pin<Box<dyn Stream<Item = Result<Bytes, StreamError>> + Send>>;

/// The whole content of a stream.
pub(super) enum Spooled {
    Memory(Bytes),
    /// Removed when it is dropped.
    File(TempPath),
}

/// Reads a stream to its end, up to `max_in_memory` bytes into memory.
pub(super) async fn spool(mut stream: BoxedStream, max_in_memory: usize) -> Result<Spooled> {
    let mut memory = BytesMut::new();
    let mut next = Bytes::new();
    while memory.len() + next.len() <= max_in_memory {
        memory.extend_from_slice(&next);
        next = match stream.next().await {
            None => return Ok(Spooled::Memory(memory.freeze())),
            Some(chunk) => chunk.map_err(reader_failed)?,
        };
    }
    let folder = std::env::temp_dir();
    let (file, path) = blocking(move || {
        let file = NamedTempFile::new_in(&folder);
        let file = file.map_err(|error| cannot("create a temporary file in", &folder, error))?;
        Ok(file.into_parts())
    })
    .await?;
    let failed = |error| cannot("write", &path, error);
    let mut file = tokio::fs::File::from_std(file);
    file.write_all(&memory).await.map_err(failed)?;
    drop(memory);
    file.write_all(&next).await.map_err(failed)?;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(reader_failed)?;
        file.write_all(&chunk).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    Ok(Spooled::File(path))
}

/// The error of a reader or stream of the caller.
pub(super) fn reader_failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::CallerStream, "the source of the upload failed").with_source(error)
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::stream;

    use super::*;
    use crate::ErrorKind;

    const MAX_IN_MEMORY: usize = 1000;

    fn stream_of(chunks: Vec<Result<Bytes, StreamError>>) -> BoxedStream {
        Box::pin(stream::iter(chunks))
    }

    #[tokio::test]
    async fn the_limit_decides_between_memory_and_a_file() {
        let chunk = || Ok(Bytes::from(vec![7; MAX_IN_MEMORY / 2]));
        match spool(stream_of(vec![chunk(), chunk()]), MAX_IN_MEMORY)
            .await
            .unwrap()
        {
            Spooled::Memory(bytes) => assert_eq!(bytes, vec![7; MAX_IN_MEMORY]),
            Spooled::File(_) => panic!("it fits into memory"),
        }
        let byte = Ok(Bytes::from_static(b"8"));
        let Spooled::File(path) = spool(stream_of(vec![chunk(), chunk(), byte]), MAX_IN_MEMORY)
            .await
            .unwrap()
        else {
            panic!("it does not fit into memory");
        };
        let content = std::fs::read(&path).unwrap();
        assert_eq!(content.len(), MAX_IN_MEMORY + 1);
        assert_eq!(content.last(), Some(&b'8'));
        let name = path.to_path_buf();
        drop(path);
        assert!(!name.exists());
    }

    #[tokio::test]
    async fn the_error_of_a_stream_is_that_of_the_caller() {
        for before in [0, MAX_IN_MEMORY + 1] {
            let broken = Err(io::Error::other("broken").into());
            let chunks = vec![Ok(Bytes::from(vec![7; before])), broken];
            let error = spool(stream_of(chunks), MAX_IN_MEMORY).await.err().unwrap();
            assert_eq!(error.kind(), ErrorKind::CallerStream);
            let source = std::error::Error::source(&error).unwrap();
            assert_eq!(source.to_string(), "broken");
        }
    }
}
