//! What the collector does only in a store that several processes share: uploads that were given up, the
//! quarantine, and the marker.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use crate::blobs::Blobs;
use crate::metadata::{Metadata, StoreError};

/// Maximum number of uploads that are discarded in one round.
const UPLOADS_PER_ROUND: u32 = 100;
/// Number of uploads that are discarded at the same time.
const DISCARDS: usize = 8;
/// Maximum number of blobs that leave the quarantine in one transaction.
const BLOBS_PER_RELEASE: u32 = 500;

/// Moves the blobs of expired uploads to the quarantine.
pub(super) async fn discard_expired_uploads(
    blobs: &Blobs,
    metadata: &dyn Metadata,
) -> Result<(), StoreError> {
    let mut discarded = Vec::new();
    let expired = metadata.expired_uploads(UPLOADS_PER_ROUND).await?;
    let mut discards = stream::iter(expired)
        .map(|upload| async move {
            let multipart = upload.multipart.as_deref();
            let result = blobs.discard_upload(&upload.blob, multipart).await;
            (upload.blob, result)
        })
        .buffer_unordered(DISCARDS);
    while let Some((blob, result)) = discards.next().await {
        // The claim of an upload that is not discarded expires, so that it is retried.
        match result {
            Ok(()) => discarded.push(blob),
            Err(error) => {
                tracing::warn!(%error, "failed to discard an unfinished upload; retrying");
                if error.is_unreachable() {
                    break;
                }
            }
        }
    }
    drop(discards);
    if discarded.is_empty() {
        return Ok(());
    }
    tracing::info!(uploads = discarded.len(), "discarded unfinished uploads");
    metadata.discard_uploads(discarded).await
}

/// Queues blobs for deletion that have been in quarantine for some time. Logs failures.
pub(super) async fn release_quarantine(metadata: &dyn Metadata, age: Duration) {
    loop {
        match metadata.release_quarantine(age, BLOBS_PER_RELEASE).await {
            Ok(Some(released)) => {
                if released > 0 {
                    tracing::info!(
                        blobs = released,
                        "queued contents in quarantine for deletion"
                    );
                }
                if released < u64::from(BLOBS_PER_RELEASE) {
                    return;
                }
            }
            Ok(None) => {
                tracing::warn!(
                    "not deleting contents from the quarantine while damage is reported: run `agb serve fsck`"
                );
                return;
            }
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::warn!(%error, "failed to delete contents from the quarantine");
                return;
            }
        }
    }
}

/// Whether blobs may be deleted: not if the store of blobs belongs to another store or to a newer database, since that is the one
/// that knows which blobs are needed.
pub(super) async fn may_delete(blobs: &Blobs, metadata: &dyn Metadata) -> Result<bool, StoreError> {
    let Some(marker) = metadata.shared_marker().await? else {
        return Ok(true);
    };
    let found = match blobs.shared_marker().await {
        Ok(found) => found,
        Err(error) => {
            tracing::error!(%error, "not deleting blobs: failed to read the marker of their store");
            return Ok(false);
        }
    };
    match marker.check(found.as_ref(), true) {
        Ok(()) => Ok(true),
        Err(mismatch) => {
            tracing::error!(%mismatch, "not deleting blobs: their store does not match the database");
            Ok(false)
        }
    }
}

/// Writes the current marker to the store of blobs if that is due. Logs failures.
pub(super) async fn advance_marker(blobs: &Blobs, metadata: &dyn Metadata) {
    let advanced = async {
        let Some(marker) = metadata.advance_marker().await? else {
            return Ok(());
        };
        let written = blobs.write_shared_marker(marker).await;
        written.map_err(|error| StoreError::Failed(error.to_string()))
    };
    match advanced.await {
        Ok(()) | Err(StoreError::Closed) => {}
        Err(error) => tracing::warn!(%error, "failed to update the marker in the store of blobs"),
    }
}
