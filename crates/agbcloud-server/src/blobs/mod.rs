//! The contents of files, under random keys. Only the metadata knows which file a key belongs to.
//!
//! A blob is written once and never changed. It is garbage until a row references it, and stays garbage after a failed upload or
//! a crash: [`Blobs::sweep`] moves it to the quarantine.

mod block_checksums;
mod copy;
mod error;
pub(crate) mod local;
mod quarantine;
mod sweep;
mod upload;

use std::fmt;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::HEXLOWER;
use futures_util::stream::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{
    GetOptions, GetRange, GetResultPayload, ObjectStore, ObjectStoreExt, PutPayload,
};

pub(crate) use self::block_checksums::{BlockChecksums, BlockHasher, Chunks};
pub(crate) use self::copy::read_file;
pub(crate) use self::error::BlobError;
pub(crate) use self::local::DeleteOutcome;
pub(crate) use self::quarantine::{FileTotals, Quarantine, QuarantinedFile};
pub(crate) use self::sweep::SweepOutcome;
pub(crate) use self::upload::Upload;
use crate::data_folder::{BackupLock, BackupLockGuard};
use crate::durability::Durability;
use crate::markers::SharedMarker;
use crate::system::clock::Micros;
use crate::system::random::{self, NoRandom};

/// The name of the marker of a store that several processes share. No blob has this name.
const SHARED_MARKER: &str = "mark";

/// The store of blobs. Clones share one store.
#[derive(Clone)]
pub(crate) struct Blobs {
    store: Arc<dyn ObjectStore>,
    /// `None` in memory.
    folder: Option<PathBuf>,
    /// A part of all keys of this process, so that a sweep ignores current uploads.
    run: Arc<str>,
    quarantine: Option<Quarantine>,
    /// `None` if a copy of the store does not need it.
    backups: Option<BackupLock>,
    /// Whether the staging files of earlier processes belong to uploads that were never acknowledged.
    staged_is_unacknowledged: bool,
}

impl Blobs {
    fn new(store: Arc<dyn ObjectStore>, folder: Option<PathBuf>) -> Result<Self, NoRandom> {
        Ok(Self {
            store,
            folder,
            run: HEXLOWER.encode(&random::bytes::<6>()?).into(),
            quarantine: None,
            backups: None,
            staged_is_unacknowledged: false,
        })
    }

    /// Creates a store in memory.
    pub(crate) fn memory() -> Result<Self, NoRandom> {
        Self::new(Arc::new(InMemory::new()), None)
    }

    /// Creates a store of files in a folder. Blocks the thread.
    pub(crate) fn folder(folder: &Path, durability: Durability) -> io::Result<Self> {
        local::create_folders(folder)?;
        // Syncs a new file and, after the rename, its folder. Deletions are not synced: a sweep moves a blob that reappears
        // after a power failure.
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(io::Error::other)?
            .with_fsync(durability == Durability::Strict);
        Self::new(Arc::new(store), Some(folder.to_owned())).map_err(io::Error::other)
    }

    /// Sets the quarantine, and whether a sweep deletes staging files instead of moving them there.
    pub(crate) fn with_quarantine(
        self,
        quarantine: Quarantine,
        staged_is_unacknowledged: bool,
    ) -> Self {
        Self {
            quarantine: Some(quarantine),
            staged_is_unacknowledged,
            ..self
        }
    }

    /// Returns an unused key, in one of 256 folders.
    fn new_key(&self) -> Result<String, NoRandom> {
        let random: [u8; 17] = random::bytes()?;
        Ok(format!(
            "{}/{}-{}",
            HEXLOWER.encode(&random[..1]),
            self.run,
            HEXLOWER.encode(&random[1..])
        ))
    }

    /// Starts a new blob.
    pub(crate) fn upload(&self) -> Result<Upload, NoRandom> {
        Ok(Upload::new(
            self.store.clone(),
            self.folder.clone(),
            self.new_key()?,
        ))
    }

    /// Streams a range of a blob of this size. The range must lie within the blob and must not be empty. Blocks of a file are
    /// verified before they are yielded, the first block before this returns.
    ///
    /// The stream is complete even if the blob is deleted while it is read.
    pub(crate) async fn read(
        &self,
        blob: &str,
        size: u64,
        range: Range<u64>,
        checksums: BlockChecksums,
    ) -> Result<Chunks, BlobError> {
        let result = self.store.get(&Key::from(blob)).await?;
        if result.meta.size != size {
            return Err(BlobError::Damaged(io::Error::new(
                ErrorKind::InvalidData,
                format!("it has {} bytes instead of {size}", result.meta.size),
            )));
        }
        match result.payload {
            GetResultPayload::File(file, _) => block_checksums::read(file, size, range, checksums)
                .await
                .map_err(BlobError::Damaged),
            GetResultPayload::Stream(_) => {
                let range = Some(GetRange::Bounded(range));
                let options = GetOptions {
                    range,
                    ..Default::default()
                };
                let part = self.store.get_opts(&Key::from(blob), options).await?;
                Ok(part.into_stream().map_err(io::Error::other).boxed())
            }
        }
    }

    /// Reads a whole blob and computes the checksums of its blocks. Passes its bytes to `consume`.
    pub(crate) async fn compute_checksums<T: Send + 'static>(
        &self,
        blob: &str,
        mut state: T,
        consume: impl Fn(&mut T, &[u8]) + Send + 'static,
    ) -> Result<(T, BlockChecksums), BlobError> {
        let result = self.store.get(&Key::from(blob)).await?;
        match result.payload {
            GetResultPayload::File(mut file, _) => {
                let computed = local::blocking(move || {
                    let consume = |bytes: &[u8]| consume(&mut state, bytes);
                    let checksums = block_checksums::compute(&mut file, consume)?;
                    Ok((state, checksums))
                });
                Ok(computed.await?)
            }
            GetResultPayload::Stream(mut stream) => {
                let mut hasher = BlockHasher::default();
                while let Some(bytes) = stream.try_next().await? {
                    hasher.update(&bytes);
                    consume(&mut state, &bytes);
                }
                Ok((state, hasher.finish()))
            }
        }
    }

    /// Deletes a blob. Succeeds if it does not exist.
    pub(crate) async fn delete(&self, blob: &str) -> Result<(), BlobError> {
        match self
            .store
            .delete(&Key::from(blob))
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
                let mut outcome = DeleteOutcome::default();
                for blob in blobs {
                    match self.delete(&blob).await {
                        Ok(()) => outcome.blobs.push(blob),
                        Err(error) => outcome.failed = Some(error),
                    }
                }
                Ok(outcome)
            }
        }
    }

    /// Deletes what an interrupted upload of another process has stored, except the blob itself. Succeeds if there is nothing.
    pub(crate) async fn discard_upload(
        &self,
        blob: &str,
        _multipart: Option<&str>,
    ) -> Result<(), BlobError> {
        if let Some(folder) = &self.folder {
            local::remove_staged(folder, blob).await;
        }
        Ok(())
    }

    /// Reads the marker of a store that several processes share. Returns `None` if there is none.
    pub(crate) async fn shared_marker(&self) -> Result<Option<SharedMarker>, BlobError> {
        let found = match self.store.get(&Key::from(SHARED_MARKER)).await {
            Ok(found) => found.bytes().await?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let marker = std::str::from_utf8(&found)
            .ok()
            .and_then(SharedMarker::parse);
        let damaged = || io::Error::new(ErrorKind::InvalidData, "the marker is damaged");
        marker
            .map(Some)
            .ok_or_else(|| BlobError::Damaged(damaged()))
    }

    /// Writes the marker of a store that several processes share.
    pub(crate) async fn write_shared_marker(&self, marker: SharedMarker) -> Result<(), BlobError> {
        let text = PutPayload::from(marker.to_text());
        self.store.put(&Key::from(SHARED_MARKER), text).await?;
        Ok(())
    }

    /// Moves the files of earlier processes that no row references to the quarantine. `unreferenced` returns those of the given
    /// blobs that no row references. The caller holds the lock on the data folder.
    pub(crate) async fn sweep<F>(
        &self,
        now: Micros,
        unreferenced: impl Fn(Vec<String>) -> F,
    ) -> io::Result<SweepOutcome>
    where
        F: Future<Output = io::Result<Vec<String>>>,
    {
        match (&self.folder, &self.quarantine) {
            (Some(folder), Some(quarantine)) => {
                let sweep = sweep::Sweep {
                    folder,
                    run: &self.run,
                    quarantine,
                    staged_is_unacknowledged: self.staged_is_unacknowledged,
                    now,
                };
                sweep.run(unreferenced).await
            }
            _ => Ok(SweepOutcome::default()),
        }
    }

    /// The quarantine. `None` in memory.
    pub(crate) fn quarantine(&self) -> Option<&Quarantine> {
        self.quarantine.as_ref()
    }

    /// Returns the first of these blobs whose file is missing.
    pub(crate) async fn find_missing(&self, blobs: Vec<String>) -> io::Result<Option<String>> {
        let Some(folder) = self.folder.clone() else {
            return Ok(None);
        };
        local::blocking(move || Ok(blobs.into_iter().find(|blob| !folder.join(blob).is_file())))
            .await
    }

    /// Forbids deletions from the quarantine until a check finds no damage.
    pub(crate) async fn report_damage(&self) -> io::Result<()> {
        match self.quarantine.clone() {
            Some(quarantine) => local::blocking(move || quarantine.set_held(true)).await,
            None => Ok(()),
        }
    }

    /// The number of blobs and staging files.
    #[cfg(test)]
    pub(crate) async fn count(&self) -> usize {
        match &self.folder {
            Some(folder) => local::count(folder),
            None => self.store.list(None).count().await,
        }
    }
}

/// Permits deletions of blobs, until it is dropped.
pub(crate) struct DeletionPermit {
    _guard: Option<BackupLockGuard>,
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blobs")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
