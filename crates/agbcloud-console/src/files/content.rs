//! [`Content`]: the content of an upload, whose fingerprint is known after it was sent.

use std::{
    collections::hash_map::{DefaultHasher, RandomState},
    hash::{BuildHasher, Hasher},
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use agbcloud::UploadSource;
use bytes::Bytes;
use futures_util::Stream;
use tokio_util::io::StreamReader;

/// Bytes that are hashed at a time, whatever the lengths of the chunks are.
const BLOCK: usize = 4096;

/// The size of a content, and its hash under a random key: no one can prepare another content with the same hash.
#[derive(Clone)]
pub(super) struct Fingerprint {
    hasher: DefaultHasher,
    /// The start of the next block.
    block: Vec<u8>,
    bytes: u64,
}

impl Fingerprint {
    /// The fingerprints of different contents are comparable if they have the same key.
    fn new(key: &RandomState) -> Self {
        Self {
            hasher: key.build_hasher(),
            block: Vec::with_capacity(BLOCK),
            bytes: 0,
        }
    }

    pub(super) fn add(&mut self, mut chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        while !chunk.is_empty() {
            let (start, rest) = chunk.split_at(chunk.len().min(BLOCK - self.block.len()));
            self.block.extend_from_slice(start);
            if self.block.len() == BLOCK {
                self.hasher.write(&self.block);
                self.block.clear();
            }
            chunk = rest;
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn hash(&self) -> u64 {
        let mut hasher = self.hasher.clone();
        hasher.write(&self.block);
        hasher.finish()
    }
}

impl PartialEq for Fingerprint {
    fn eq(&self, other: &Self) -> bool {
        (self.bytes, self.hash()) == (other.bytes, other.hash())
    }
}

/// What was read of a content.
pub(super) struct Sent {
    key: RandomState,
    fingerprint: Fingerprint,
    /// The length of the content, as soon as it is known.
    length: Option<u64>,
}

impl Sent {
    /// The fingerprint of the content; `None` before the whole content was read.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        let is_whole = self.length == Some(self.fingerprint.bytes);
        is_whole.then(|| self.fingerprint.clone())
    }

    /// An empty fingerprint with the same key.
    pub(super) fn same_key(&self) -> Fingerprint {
        Fingerprint::new(&self.key)
    }
}

/// The content of an upload.
pub(super) struct Content {
    pub(super) source: UploadSource,
    pub(super) sent: Arc<Mutex<Sent>>,
}

impl Content {
    /// The chunks of a stream. Without a length, the SDK stores them before it sends them.
    pub(super) fn new(
        chunks: impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
        length: Option<u64>,
    ) -> Self {
        let key = RandomState::new();
        let sent = Sent {
            fingerprint: Fingerprint::new(&key),
            key,
            length,
        };
        let sent = Arc::new(Mutex::new(sent));
        let chunks = Observed {
            chunks,
            sent: sent.clone(),
        };
        let source = match length {
            Some(length) => UploadSource::reader(StreamReader::new(chunks), length),
            None => UploadSource::stream(chunks),
        };
        Self { source, sent }
    }
}

/// Adds the chunks of a stream to a fingerprint.
struct Observed<S> {
    chunks: S,
    sent: Arc<Mutex<Sent>>,
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> Stream for Observed<S> {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let chunk = ready!(Pin::new(&mut self.chunks).poll_next(context));
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        match &chunk {
            Some(Ok(chunk)) => sent.fingerprint.add(chunk),
            Some(Err(_)) => {}
            None => sent.length = sent.length.or(Some(sent.fingerprint.bytes)),
        }
        drop(sent);
        Poll::Ready(chunk)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};

    use super::*;

    #[test]
    fn a_fingerprint_depends_on_each_byte_but_not_on_the_chunks() {
        let key = RandomState::new();
        let of = |content: &[u8], size: usize| {
            let mut fingerprint = Fingerprint::new(&key);
            for chunk in content.chunks(size) {
                fingerprint.add(chunk);
            }
            fingerprint
        };
        let content: Vec<u8> = (0..30_000_u32).map(|n| (n % 251) as u8).collect();
        let whole = of(&content, content.len());
        for size in [1, 7, BLOCK, BLOCK + 1] {
            assert!(of(&content, size) == whole, "{size}");
        }
        for at in [0, BLOCK, content.len() - 1] {
            let mut other = content.clone();
            other[at] ^= 1;
            assert!(of(&other, BLOCK) != whole, "{at}");
        }
        assert!(of(&content[1..], BLOCK) != whole);
    }

    #[tokio::test]
    async fn only_a_whole_content_has_a_fingerprint() {
        for length in [None, Some(4)] {
            let chunks = || [Ok(Bytes::from("ab")), Ok(Bytes::from("cd"))];
            let content = Content::new(stream::iter(chunks()), length);
            assert!(content.sent.lock().unwrap().fingerprint().is_none());
            let mut observed = Observed {
                chunks: stream::iter(chunks()),
                sent: content.sent.clone(),
            };
            assert!(observed.next().await.is_some());
            assert!(content.sent.lock().unwrap().fingerprint().is_none());
            while observed.next().await.is_some() {}
            let sent = content.sent.lock().unwrap();
            let mut expected = sent.same_key();
            expected.add(b"abcd");
            assert!(sent.fingerprint() == Some(expected));
        }
    }
}
