//! Reads a range of an object, and resumes after the connection breaks.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{BoxStream, StreamExt};
use object_store::path::Path as Key;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt};

use super::error::{BlobError, StoreFailure};
use super::metrics::BlobMetrics;

/// Maximum number of consecutive requests that break before they return what is read next.
const MAX_BREAKS: u32 = 3;

/// A position in an object that is read from there to the end of the range.
pub(super) struct RangeReader {
    store: Arc<dyn ObjectStore>,
    key: Key,
    /// Of the object.
    size: u64,
    position: u64,
    end: u64,
    /// `None` after it broke.
    stream: Option<BoxStream<'static, object_store::Result<Bytes>>>,
    /// Received, and not read yet. Ends at `position`.
    ahead: Bytes,
    metrics: BlobMetrics,
}

impl RangeReader {
    /// Opens a range, which must not be empty, of an object of this size.
    pub(super) async fn open(
        store: Arc<dyn ObjectStore>,
        key: Key,
        size: u64,
        range: Range<u64>,
        metrics: BlobMetrics,
    ) -> Result<Self, BlobError> {
        let mut reader = Self {
            store,
            key,
            size,
            position: range.start,
            end: range.end,
            stream: None,
            ahead: Bytes::new(),
            metrics,
        };
        reader.request().await?;
        Ok(reader)
    }

    async fn request(&mut self) -> Result<(), BlobError> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(self.position..self.end)),
            ..Default::default()
        };
        let requested = self.store.get_opts(&self.key, options).await;
        let found = match requested.map_err(BlobError::from) {
            Ok(found) => found,
            // A store refuses a range beyond the end of a shorter object.
            Err(error @ (BlobError::Unavailable(_) | BlobError::Missing)) => return Err(error),
            Err(error) => {
                let stored = self.store.head(&self.key).await?;
                self.check_size(stored.size)?;
                return Err(error);
            }
        };
        self.check_size(found.meta.size)?;
        self.stream = Some(found.into_stream());
        Ok(())
    }

    fn check_size(&self, found: u64) -> Result<(), BlobError> {
        match found == self.size {
            true => Ok(()),
            false => Err(damaged(format!(
                "it has {found} bytes instead of {}",
                self.size
            ))),
        }
    }

    /// Reads exactly `length` bytes, which must be in the range.
    pub(super) async fn read(&mut self, length: usize) -> Result<Bytes, BlobError> {
        if self.ahead.len() >= length {
            return Ok(self.ahead.split_to(length));
        }
        let mut bytes = BytesMut::with_capacity(length);
        bytes.extend_from_slice(&std::mem::take(&mut self.ahead));
        let mut breaks = 0;
        while bytes.len() < length {
            let mut received = self.next(&mut breaks).await?;
            let missing = length - bytes.len();
            bytes.extend_from_slice(&received.split_to(missing.min(received.len())));
            self.ahead = received;
        }
        Ok(bytes.freeze())
    }

    /// Receives the next bytes.
    async fn next(&mut self, breaks: &mut u32) -> Result<Bytes, BlobError> {
        loop {
            let Some(stream) = &mut self.stream else {
                self.request().await?;
                continue;
            };
            let broken = match stream.next().await {
                Some(Ok(bytes)) if bytes.is_empty() => continue,
                Some(Ok(bytes)) => {
                    self.position += bytes.len() as u64;
                    if self.position > self.end {
                        return Err(damaged("the store returned too many bytes".to_owned()));
                    }
                    return Ok(bytes);
                }
                Some(Err(error)) => BlobError::from(error),
                None => BlobError::Unavailable(StoreFailure::Transport(
                    "the response is incomplete".to_owned(),
                )),
            };
            self.stream = None;
            *breaks += 1;
            if *breaks > MAX_BREAKS {
                return Err(broken);
            }
            tracing::info!(error = %broken, "a read from the blob store broke; resuming");
            self.metrics.count_resumed_read();
        }
    }

    /// Continues at a position, which must be in the range, with a new request.
    pub(super) fn restart(&mut self, position: u64) {
        self.stream = None;
        self.ahead = Bytes::new();
        self.position = position;
    }
}

fn damaged(reason: String) -> BlobError {
    BlobError::Damaged(io::Error::new(io::ErrorKind::InvalidData, reason))
}
