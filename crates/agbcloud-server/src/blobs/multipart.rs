//! Uploads in parts, to a bucket or to memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::error::BlobError;

/// Minimum size of a part in bytes. S3 requires 5 MiB, except for the last part. A content of at most one part is written with
/// one request.
pub(super) const MIN_PART_BYTES: u64 = 8 * MIB;
/// Maximum number of parts. S3 allows 10,000.
const MAX_PARTS: u64 = 9_000;
/// Maximum number of parts that are sent at the same time. Together with the part that is received, they are the memory of one
/// upload.
const PARTS_IN_FLIGHT: usize = 2;
const MIB: u64 = 1024 * 1024;

/// Returns the size of the parts of a content.
fn part_bytes(length: u64) -> u64 {
    length
        .div_ceil(MAX_PARTS)
        .next_multiple_of(MIB)
        .max(MIN_PART_BYTES)
}

/// A blob that is written in parts. If it is dropped before it is complete, its parts are removed in the background.
pub(super) struct PartUpload {
    store: Arc<dyn ObjectStore>,
    parts: Parts,
    length: u64,
    part_bytes: usize,
    /// The part that is received.
    pending: BytesMut,
    started: usize,
    done: BTreeMap<usize, PartId>,
}

impl PartUpload {
    /// Starts an upload of exactly `length` bytes. Stores nothing yet.
    pub(super) async fn start(
        store: Arc<dyn ObjectStore>,
        multipart: Arc<dyn MultipartStore>,
        key: Key,
        length: u64,
    ) -> Result<Self, BlobError> {
        let part_bytes = usize::try_from(part_bytes(length)).map_err(std::io::Error::other)?;
        let id = multipart.create_multipart(&key).await?;
        Ok(Self {
            store,
            parts: Parts {
                multipart,
                key,
                id,
                in_flight: JoinSet::new(),
                open: true,
            },
            length,
            part_bytes,
            pending: BytesMut::new(),
            started: 0,
            done: BTreeMap::new(),
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.parts.id
    }

    pub(super) async fn write(&mut self, mut bytes: Bytes) -> Result<(), BlobError> {
        while self.pending.len() + bytes.len() >= self.part_bytes {
            let fits = bytes.split_to(self.part_bytes - self.pending.len());
            self.pending.extend_from_slice(&fits);
            self.send_pending().await?;
        }
        if self.pending.capacity() == 0 && !bytes.is_empty() {
            // The exact size: doubling would take up to twice the memory.
            self.pending.reserve(self.part_bytes);
        }
        self.pending.extend_from_slice(&bytes);
        Ok(())
    }

    async fn send_pending(&mut self) -> Result<(), BlobError> {
        while self.parts.in_flight.len() >= PARTS_IN_FLIGHT {
            self.join_part().await?;
        }
        let payload = PutPayload::from(std::mem::take(&mut self.pending).freeze());
        self.parts.send(self.started, payload);
        self.started += 1;
        Ok(())
    }

    /// Waits for one part. Returns whether there was one.
    async fn join_part(&mut self) -> Result<bool, BlobError> {
        let Some(sent) = self.parts.in_flight.join_next().await else {
            return Ok(false);
        };
        let (index, part) = sent.map_err(std::io::Error::other)?;
        self.done.insert(index, part?);
        Ok(true)
    }

    pub(super) async fn finish(mut self) -> Result<(), BlobError> {
        match self.complete().await {
            Ok(()) => {
                self.parts.open = false;
                Ok(())
            }
            Err(error) => {
                self.abort().await;
                Err(error)
            }
        }
    }

    async fn complete(&mut self) -> Result<(), BlobError> {
        if !self.pending.is_empty() {
            self.send_pending().await?;
        }
        while self.join_part().await? {}
        let done = std::mem::take(&mut self.done).into_values().collect();
        let completed = self.parts.complete(done).await;
        // Also after an error: its first attempt may have succeeded although the response was lost. The key is random, so that an
        // object of this size is this upload.
        let stored = self.store.head(&self.parts.key).await;
        match (completed, stored) {
            (_, Ok(stored)) if stored.size == self.length => Ok(()),
            (Err(error), _) | (Ok(()), Err(error)) => Err(error.into()),
            (Ok(()), Ok(stored)) => Err(std::io::Error::other(format!(
                "the blob store stored {} bytes instead of {}",
                stored.size, self.length
            ))
            .into()),
        }
    }

    /// Returns whether nothing is left of the upload.
    pub(super) async fn abort(mut self) -> bool {
        match self.parts.take_open() {
            Some(open) => open.abort().await,
            None => false,
        }
    }
}

/// The parts of one multipart upload.
struct Parts {
    multipart: Arc<dyn MultipartStore>,
    key: Key,
    id: String,
    in_flight: JoinSet<(usize, object_store::Result<PartId>)>,
    /// Whether the parts must be removed.
    open: bool,
}

impl Parts {
    fn send(&mut self, index: usize, payload: PutPayload) {
        let (multipart, key, id) = (self.multipart.clone(), self.key.clone(), self.id.clone());
        self.in_flight.spawn(async move {
            let part = multipart.put_part(&key, &id, index, payload).await;
            (index, part)
        });
    }

    async fn complete(&self, parts: Vec<PartId>) -> object_store::Result<()> {
        self.multipart
            .complete_multipart(&self.key, &self.id, parts)
            .await
            .map(drop)
    }

    /// Takes what must be removed, so that it is removed once.
    fn take_open(&mut self) -> Option<Self> {
        std::mem::take(&mut self.open).then(|| Self {
            multipart: self.multipart.clone(),
            key: self.key.clone(),
            id: self.id.clone(),
            in_flight: std::mem::take(&mut self.in_flight),
            open: false,
        })
    }

    /// Returns whether nothing is left: a store may keep a part that it was still receiving.
    async fn abort(mut self) -> bool {
        let none_in_flight = self.in_flight.is_empty();
        self.in_flight.shutdown().await;
        match self.multipart.abort_multipart(&self.key, &self.id).await {
            Ok(()) => none_in_flight,
            Err(error) => {
                let error = BlobError::from(error);
                tracing::warn!(%error, "failed to remove the parts of an aborted upload; they are removed later");
                false
            }
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        if let (Some(open), Ok(runtime)) = (self.take_open(), Handle::try_current()) {
            runtime.spawn(open.abort());
        }
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    #[test]
    fn parts_have_a_size_that_stores_accept() {
        const GIB: u64 = 1024 * MIB;
        for length in [
            1,
            MIN_PART_BYTES,
            MIN_PART_BYTES + 1,
            GIB,
            5 * GIB,
            5000 * GIB,
        ] {
            let part = part_bytes(length);
            assert!(
                part >= MIN_PART_BYTES && part.is_multiple_of(MIB),
                "{length}"
            );
            assert!(length.div_ceil(part) <= MAX_PARTS, "{length}");
        }
        assert_eq!(part_bytes(5 * GIB), MIN_PART_BYTES);
    }

    #[tokio::test]
    async fn parts_are_joined_in_order() {
        let store = Arc::new(InMemory::new());
        for length in [
            2 * MIN_PART_BYTES,
            2 * MIN_PART_BYTES + 1,
            5 * MIN_PART_BYTES - 1,
        ] {
            let content: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let key = Key::from(format!("blob-{length}"));
            let started = PartUpload::start(store.clone(), store.clone(), key.clone(), length);
            let mut upload = started.await.unwrap();
            for chunk in content.chunks(3_000_017) {
                upload.write(Bytes::copy_from_slice(chunk)).await.unwrap();
                assert!(upload.parts.in_flight.len() <= PARTS_IN_FLIGHT);
                assert!(upload.pending.capacity() <= upload.part_bytes);
            }
            upload.finish().await.unwrap();
            let stored = store.get(&key).await.unwrap().bytes().await.unwrap();
            assert!(stored == content, "{length}");
        }
    }

    #[tokio::test]
    async fn an_incomplete_or_lost_content_is_an_error() {
        let store = Arc::new(InMemory::new());
        let key = Key::from("blob");
        let length = 2 * MIN_PART_BYTES;
        let start = || PartUpload::start(store.clone(), store.clone(), key.clone(), length);
        let mut short = start().await.unwrap();
        short.write(Bytes::from(vec![1; 9_000_000])).await.unwrap();
        assert!(short.finish().await.is_err());

        // Another process aborted the upload.
        let mut aborted = start().await.unwrap();
        store
            .abort_multipart(&key, &aborted.id().to_owned())
            .await
            .unwrap();
        let content = Bytes::from(vec![1; MIN_PART_BYTES as usize]);
        aborted.write(content.clone()).await.unwrap();
        assert!(aborted.finish().await.is_err());
    }
}
