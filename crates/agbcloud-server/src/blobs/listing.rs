//! Lists the blobs of a store that several processes share.

use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;

use super::Blobs;
use super::error::BlobError;
use crate::system::clock::Micros;

impl Blobs {
    /// Lists all blobs, and no other object of the store. A store without prefix may list in any order.
    pub(crate) fn list(&self) -> BoxStream<'_, Result<StoredBlob, BlobError>> {
        #[cfg(feature = "s3")]
        let prefix = self.bucket.as_ref().map(|bucket| &bucket.prefix);
        #[cfg(not(feature = "s3"))]
        let prefix: Option<&object_store::path::Path> = None;
        let prefix = prefix.filter(|prefix| !prefix.as_ref().is_empty());
        self.store
            .list(prefix)
            .try_filter_map(async |object| {
                let blob = self.name(&object.location);
                Ok(is_blob(blob).then(|| StoredBlob {
                    blob: blob.to_owned(),
                    size: object.size,
                    modified: Micros(object.last_modified.timestamp_micros()),
                }))
            })
            .map_err(BlobError::from)
            .boxed()
    }

    /// Returns the size of a blob. `None` if it is missing.
    pub(crate) async fn size(&self, blob: &str) -> Result<Option<u64>, BlobError> {
        match self
            .store
            .head(&self.key(blob))
            .await
            .map_err(BlobError::from)
        {
            Ok(object) => Ok(Some(object.size)),
            Err(BlobError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Returns the number of blobs in a bucket, without a check of its store.
#[cfg(all(feature = "s3", feature = "test-store"))]
#[expect(clippy::unwrap_used, reason = "for tests")]
pub(crate) async fn count_in_bucket(url: &str) -> usize {
    let blobs = Blobs::unprobed_bucket(url).unwrap();
    let listed = blobs.list().try_collect::<Vec<_>>().await;
    listed.unwrap().len()
}

/// A blob in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredBlob {
    pub(crate) blob: String,
    pub(crate) size: u64,
    /// When it was stored, by the clock of the store.
    pub(crate) modified: Micros,
}

/// Whether an object is a blob: see [`Blobs::new_key`]. Another store may have a prefix below this one, and its marker is no blob.
fn is_blob(name: &str) -> bool {
    let is_hex = |part: &str, length: usize| {
        part.len() == length
            && part
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let parts = name.split_once('/').and_then(|(part, rest)| {
        let (run, random) = rest.split_once('-')?;
        Some(is_hex(part, 2) && is_hex(run, 12) && is_hex(random, 32))
    });
    parts.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_blobs_are_blobs() {
        let blobs = Blobs::memory().unwrap();
        for _ in 0..100 {
            let blob = blobs.new_key().unwrap();
            assert!(is_blob(&blob), "{blob}");
        }
        for other in [
            "mark",
            "probe/00000000000000000000000000000000/small",
            // Of a store whose prefix is below this one.
            "ab/mark",
            "ab/0f/0123456789ab-00112233445566778899aabbccddeeff",
            "ab/report.pdf",
            "ab/0123456789ab-00112233445566778899aabbccddee",
            "AB/0123456789ab-00112233445566778899aabbccddeeff",
        ] {
            assert!(!is_blob(other), "{other}");
        }
    }
}
