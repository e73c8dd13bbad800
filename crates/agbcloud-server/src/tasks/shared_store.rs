//! What the collector does only in a store that several processes share: uploads that were given up, and the marker.

use std::time::Duration;

use crate::blobs::Blobs;
use crate::metadata::{Metadata, StoreError};

/// Maximum number of uploads that are discarded in one round.
const UPLOADS_PER_ROUND: u32 = 100;

/// Queues the blobs of expired uploads for deletion after the quarantine.
pub(super) async fn discard_expired_uploads(
    blobs: &Blobs,
    metadata: &dyn Metadata,
    quarantine: Duration,
) -> Result<(), StoreError> {
    let mut discarded = Vec::new();
    for upload in metadata.expired_uploads(UPLOADS_PER_ROUND).await? {
        let multipart = upload.multipart.as_deref();
        match blobs.discard_upload(&upload.blob, multipart).await {
            Ok(()) => discarded.push(upload.blob),
            // Its claim expires, so that it is retried.
            Err(error) => {
                tracing::warn!(%error, "failed to discard an unfinished upload; retrying")
            }
        }
    }
    if discarded.is_empty() {
        return Ok(());
    }
    tracing::info!(uploads = discarded.len(), "discarded unfinished uploads");
    metadata.discard_uploads(discarded, quarantine).await
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
