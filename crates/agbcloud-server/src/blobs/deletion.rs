//! Deletes blobs, and the remains of uploads.

use std::io;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use futures_util::stream::{self, StreamExt};
use object_store::ObjectStoreExt;
use object_store::path::Path as Key;

use super::Blobs;
use super::error::BlobError;
use super::local::{self, DeleteOutcome};
use crate::data_folder::{BackupLock, BackupLockGuard};

impl Blobs {
    /// Deletes a blob. Succeeds if it does not exist.
    pub(crate) async fn delete(&self, blob: &str) -> Result<(), BlobError> {
        match self
            .store
            .delete(&self.key(blob))
            .await
            .map_err(BlobError::from)
        {
            Ok(()) | Err(BlobError::Missing) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Deletes no blob while a backup holds this lock.
    pub(crate) fn with_backup_lock(self, backups: BackupLock) -> Self {
        Self {
            backups: Some(backups),
            ..self
        }
    }

    /// Permits deletions while the result exists. Returns `None` while a backup is running.
    pub(crate) async fn permit_deletions(&self) -> io::Result<Option<DeletionPermit>> {
        let guard = match self.backups.clone() {
            Some(backups) => match local::blocking(move || backups.try_exclude()).await? {
                Some(guard) => Some(guard),
                None => return Ok(None),
            },
            None => None,
        };
        Ok(Some(DeletionPermit { _guard: guard }))
    }

    /// Deletes many blobs, and continues after a failure.
    pub(crate) async fn delete_all(&self, blobs: Vec<String>) -> Result<DeleteOutcome, BlobError> {
        match &self.folder {
            // The object store switches threads for each blob, which takes longer than the deletion.
            Some(folder) => Ok(local::delete_all(folder, blobs).await?),
            None => {
                let keys: Vec<_> = blobs.iter().map(|blob| Ok(self.key(blob))).collect();
                let mut deleted = self.store.delete_stream(stream::iter(keys).boxed());
                let mut outcome = DeleteOutcome::default();
                loop {
                    match AssertUnwindSafe(deleted.next()).catch_unwind().await {
                        Ok(Some(Ok(key))) => outcome.blobs.push(self.name(&key).to_owned()),
                        Ok(Some(Err(object_store::Error::NotFound { path, .. }))) => {
                            outcome.blobs.push(self.name(&Key::from(path)).to_owned());
                        }
                        Ok(Some(Err(error))) => outcome.failed = Some(error.into()),
                        Ok(None) => break,
                        // Its client panics if the response of the store names a key that was not requested.
                        Err(_) => {
                            let invalid = io::Error::other("the response to a deletion is invalid");
                            outcome.failed = Some(invalid.into());
                            break;
                        }
                    }
                }
                Ok(outcome)
            }
        }
    }

    /// Removes what an interrupted upload of another process has stored, except the blob itself. Succeeds if there is nothing, also
    /// if the upload is complete.
    pub(crate) async fn discard_upload(
        &self,
        blob: &str,
        multipart: Option<&str>,
    ) -> Result<(), BlobError> {
        if let Some(folder) = &self.folder {
            return Ok(local::remove_staged(folder, blob).await?);
        }
        let (Some(store), Some(id)) = (&self.multipart, multipart) else {
            return Ok(());
        };
        match store.abort_multipart(&self.key(blob), &id.to_owned()).await {
            #[cfg(feature = "s3")]
            Err(error)
                if self
                    .bucket
                    .as_ref()
                    .is_some_and(|bucket| bucket.is_ended_upload(&error)) =>
            {
                Ok(())
            }
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Permits deletions of blobs, until it is dropped.
pub(crate) struct DeletionPermit {
    _guard: Option<BackupLockGuard>,
}
