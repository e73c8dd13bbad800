//! Moves unreferenced contents to the quarantine, and deletes old ones from it.

use std::io;

use crate::blobs::local::blocking;
use crate::blobs::{Blobs, FileTotals};
use crate::metadata::{Metadata, StoreError};
use crate::system::clock::Micros;

/// Blobs that are looked up with one query.
const BLOBS_PER_QUERY: u32 = 500;

/// Moves the blobs of earlier processes that no file references to the quarantine. Logs failures.
pub(super) async fn sweep(blobs: &Blobs, metadata: &dyn Metadata, now: Micros) {
    let unreferenced = |keys| async move {
        let found = metadata.unreferenced_blobs(keys).await;
        found.map_err(io::Error::other)
    };
    match blobs.sweep(now, unreferenced).await {
        Ok(swept) => {
            if swept.removed > 0 {
                tracing::info!(files = swept.removed, "deleted unfinished uploads");
            }
            if swept.moved.files > 0 {
                tracing::warn!(
                    files = swept.moved.files,
                    bytes = swept.moved.bytes,
                    "moved unreferenced contents to the folder \"quarantine\""
                );
            }
        }
        Err(error) => {
            tracing::warn!(%error, "failed to move unreferenced contents to the folder \"quarantine\"");
        }
    }
}

/// Deletes contents that were moved to the quarantine before a time, unless damage is reported. Logs failures.
pub(super) async fn purge(blobs: &Blobs, metadata: &dyn Metadata, before: Micros) {
    match try_purge(blobs, metadata, before).await {
        Ok(purged) if purged.files > 0 => tracing::info!(
            files = purged.files,
            bytes = purged.bytes,
            "deleted contents from the quarantine"
        ),
        Ok(_) | Err(StoreError::Closed) => {}
        Err(error) => tracing::warn!(%error, "failed to delete contents from the quarantine"),
    }
}

async fn try_purge(
    blobs: &Blobs,
    metadata: &dyn Metadata,
    before: Micros,
) -> Result<FileTotals, StoreError> {
    let failed = |error: io::Error| StoreError::Failed(error.to_string());
    let Some(quarantine) = blobs.quarantine().cloned() else {
        return Ok(FileTotals::default());
    };
    let old = quarantine.clone();
    let has_older = blocking(move || old.has_older(before));
    if !has_older.await.map_err(failed)? {
        return Ok(FileTotals::default());
    }
    // A missing blob may be in quarantine.
    if let Some(blob) = first_missing(blobs, metadata).await? {
        tracing::error!(blob, "the content of a file is missing");
        blobs.report_damage().await.map_err(failed)?;
    }
    let purged = blocking(move || {
        if quarantine.is_held() {
            tracing::warn!(
                "not deleting contents from the quarantine while damage is reported: run `agb serve fsck`"
            );
            return Ok(FileTotals::default());
        }
        quarantine.purge(before)
    });
    purged.await.map_err(failed)
}

/// Returns the first referenced blob whose file is missing.
async fn first_missing(
    blobs: &Blobs,
    metadata: &dyn Metadata,
) -> Result<Option<String>, StoreError> {
    let mut after = String::new();
    loop {
        let referenced = metadata.referenced_blobs(after, BLOBS_PER_QUERY).await?;
        let Some(last) = referenced.last() else {
            return Ok(None);
        };
        after = last.clone();
        let missing = blobs.find_missing(referenced).await;
        if let Some(blob) = missing.map_err(|error| StoreError::Failed(error.to_string()))? {
            return Ok(Some(blob));
        }
    }
}
