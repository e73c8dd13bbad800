//! The probe at the start: checks what a store guarantees, in the bucket that will be used.

use bytes::Bytes;
use data_encoding::HEXLOWER;
use futures_util::TryStreamExt;
use futures_util::stream::{self, StreamExt};
use object_store::multipart::MultipartStore;
use object_store::path::Path as Key;
use object_store::{MultipartId, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use super::Bucket;
use crate::blobs::error::BlobError;
use crate::blobs::store_report::{BlobStoreError, StoreCapability};
use crate::system::random;

/// S3 requires this size of each part except the last.
const FIRST_PART_BYTES: usize = 5 * 1024 * 1024;

impl Bucket {
    /// Checks the store with objects under a random key of their own, and deletes them.
    pub(super) async fn probe(&mut self) -> Result<(), BlobStoreError> {
        let random: [u8; 16] = random::bytes()?;
        let name = format!("probe/{}", HEXLOWER.encode(&random));
        let keys = ["small", "large", "aborted"].map(|part| self.key(&format!("{name}/{part}")));
        let [small, large, aborted] = &keys;
        let probed = async {
            self.probe_objects(small).await?;
            self.probe_listing(&self.key(&name), small).await?;
            self.probe_multipart(large).await?;
            self.probe_abort(aborted).await
        };
        let probed = Box::pin(probed).await;
        self.report.conditional_put = probed.is_ok() && self.has_conditional_put(small).await;
        let deleted = self.probe_deletion(&keys).await;
        self.denies_ended_upload = probed?;
        deleted?;
        self.report.clock_offset = self.connector.clock.seconds();
        Ok(())
    }

    async fn probe_objects(&self, key: &Key) -> Result<(), BlobStoreError> {
        let first = pattern(70_001, 1);
        // The first request decides whether the store is there at all.
        let put = self.store.put(key, PutPayload::from(first.clone())).await;
        put.map_err(|error| match error.into() {
            error @ (BlobError::Unavailable(_) | BlobError::Missing) => self.unusable(&error),
            error => self.lacks(StoreCapability::Put, error),
        })?;
        let read = self.read(key).await;
        let read = read.map_err(|error| self.lacks(StoreCapability::Get, error))?;
        self.check(StoreCapability::Get, read == first)?;
        let second = pattern(80_003, 2);
        let put = self.store.put(key, PutPayload::from(second.clone())).await;
        put.map_err(|error| self.lacks(StoreCapability::Put, error.into()))?;
        let read = self.read(key).await;
        let read = read.map_err(|error| self.lacks(StoreCapability::ReadAfterWrite, error))?;
        self.check(StoreCapability::ReadAfterWrite, read == second)?;
        let head = self.store.head(key).await;
        let head = head.map_err(|error| self.lacks(StoreCapability::Head, error.into()))?;
        self.check(StoreCapability::Head, head.size == second.len() as u64)?;
        let part = self.store.get_range(key, 65_000..70_000).await;
        let part = part.map_err(|error| self.lacks(StoreCapability::Range, error.into()))?;
        self.check(StoreCapability::Range, part == second.slice(65_000..70_000))
    }

    async fn probe_listing(&self, prefix: &Key, key: &Key) -> Result<(), BlobStoreError> {
        let listed = self.store.list(Some(prefix)).try_collect::<Vec<_>>().await;
        let listed = listed.map_err(|error| self.lacks(StoreCapability::List, error.into()))?;
        let found = listed.iter().any(|object| object.location == *key);
        self.check(StoreCapability::List, found)
    }

    async fn probe_multipart(&self, key: &Key) -> Result<(), BlobStoreError> {
        let content = pattern(FIRST_PART_BYTES + 100_000, 3);
        let id = self.store.create_multipart(key).await;
        let id = id.map_err(|error| self.lacks(StoreCapability::Multipart, error.into()))?;
        let written = async {
            let mut parts = Vec::new();
            for (index, part) in [0..FIRST_PART_BYTES, FIRST_PART_BYTES..content.len()]
                .into_iter()
                .enumerate()
            {
                let part = PutPayload::from(content.slice(part));
                parts.push(self.store.put_part(key, &id, index, part).await?);
            }
            self.store.complete_multipart(key, &id, parts).await?;
            let boundary = (FIRST_PART_BYTES - 1000) as u64..(FIRST_PART_BYTES + 1000) as u64;
            let size = self.store.head(key).await?.size;
            Ok::<_, object_store::Error>((size, self.store.get_range(key, boundary).await?))
        };
        let (size, part) = match written.await {
            Ok(written) => written,
            Err(error) => {
                self.give_up(key, &id).await;
                return Err(self.lacks(StoreCapability::Multipart, error.into()));
            }
        };
        let expected = content.slice(FIRST_PART_BYTES - 1000..FIRST_PART_BYTES + 1000);
        let is_whole = size == content.len() as u64 && part == expected;
        self.check(StoreCapability::Multipart, is_whole)
    }

    /// Returns whether the store refuses to abort an upload again.
    async fn probe_abort(&self, key: &Key) -> Result<bool, BlobStoreError> {
        let id = self.store.create_multipart(key).await;
        let id = id.map_err(|error| self.lacks(StoreCapability::Multipart, error.into()))?;
        let aborted = async {
            let part = PutPayload::from_static(b"aborted");
            self.store.put_part(key, &id, 0, part).await?;
            self.store.abort_multipart(key, &id).await
        };
        if let Err(error) = aborted.await {
            self.give_up(key, &id).await;
            return Err(self.lacks(StoreCapability::Multipart, error.into()));
        }
        let visible = self.store.head(key).await.is_ok();
        self.check(StoreCapability::Multipart, !visible)?;
        match self.store.abort_multipart(key, &id).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(false),
            // The first one was allowed.
            Err(_) => Ok(true),
        }
    }

    /// Aborts an upload after a failure, so that its parts do not stay.
    async fn give_up(&self, key: &Key, id: &MultipartId) {
        if let Err(error) = self.store.abort_multipart(key, id).await {
            let error = BlobError::from(error);
            tracing::warn!(%error, "failed to abort a multipart upload of the probe");
        }
    }

    async fn has_conditional_put(&self, key: &Key) -> bool {
        let options = PutOptions::from(PutMode::Create);
        let replaced = self
            .store
            .put_opts(key, PutPayload::from_static(b"replaced"), options);
        matches!(
            replaced.await,
            Err(object_store::Error::AlreadyExists { .. })
        )
    }

    async fn probe_deletion(&self, keys: &[Key; 3]) -> Result<(), BlobStoreError> {
        let keys = stream::iter(keys.clone().map(Ok)).boxed();
        let deleted = self.store.delete_stream(keys).try_collect::<Vec<_>>().await;
        match deleted {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.lacks(StoreCapability::Delete, error.into())),
        }
    }

    async fn read(&self, key: &Key) -> Result<Bytes, BlobError> {
        Ok(self.store.get(key).await?.bytes().await?)
    }

    fn check(&self, capability: StoreCapability, works: bool) -> Result<(), BlobStoreError> {
        match works {
            true => Ok(()),
            false => Err(BlobStoreError::Lacks {
                store: self.report.store.clone(),
                capability,
                reason: "the result differs from what was written".to_owned(),
            }),
        }
    }

    fn lacks(&self, capability: StoreCapability, error: BlobError) -> BlobStoreError {
        BlobStoreError::Lacks {
            store: self.report.store.clone(),
            capability,
            reason: error.to_string(),
        }
    }

    fn unusable(&self, error: &BlobError) -> BlobStoreError {
        BlobStoreError::Unusable {
            store: self.report.store.clone(),
            reason: error.to_string(),
        }
    }
}

fn pattern(length: usize, seed: usize) -> Bytes {
    (0..length)
        .map(|at| ((at * 7 + seed) % 251) as u8)
        .collect()
}
