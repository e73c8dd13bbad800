//! The bytes of the files, under random keys: what a key belongs to stands in the metadata alone.
//!
//! A blob is written once and never changed. It counts only when a row names it, so what is written and not
//! named (a broken upload, a crash) is refuse, and [`Blobs::sweep`] takes it away.

mod blocks;
pub(crate) mod local;
pub(crate) mod quarantine;
mod upload;

use std::fmt;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{GetOptions, GetRange, GetResultPayload, ObjectStore, ObjectStoreExt};

pub(crate) use self::blocks::{BlockHasher, BlockSums};
pub(crate) use self::local::{make_private_folder, sync_folder};
pub(crate) use self::quarantine::{Amount, Quarantine};
pub(crate) use self::upload::Upload;
use crate::clock::Micros;
use crate::durability::Durability;
use crate::metadata::{Metadata, StoreError};
use crate::random::{self, NoRandom};

/// What came of deleting many blobs.
#[derive(Debug, Default)]
pub(crate) struct Deleted {
    /// Those that are gone.
    pub(crate) blobs: Vec<String>,
    /// Why another is not.
    pub(crate) failed: Option<BlobError>,
}

/// The folder of blobs in the data folder.
pub(crate) const BLOBS: &str = "blobs";

/// Why bytes could not be stored or fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BlobError {
    /// There is no blob with this key: it was replaced since, or it was lost.
    #[error("there is no such blob")]
    Missing,
    /// The bytes are not those that were written.
    #[error("the blob is damaged: {0}")]
    Damaged(io::Error),
    /// The disk has no room for the bytes.
    #[error("the disk is full")]
    Full,
    #[error(transparent)]
    NoRandom(#[from] NoRandom),
    #[error("the blob store failed: {0}")]
    Failed(object_store::Error),
    #[error("the blob store failed: {0}")]
    Io(#[from] io::Error),
}

impl From<object_store::Error> for BlobError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::Missing,
            error if is_full(&error) => Self::Full,
            error => Self::Failed(error),
        }
    }
}

/// Whether a full disk, or a used up quota, is behind an error.
fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>()
            && matches!(io.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// A stream of a blob's bytes.
pub(crate) type Chunks = BoxStream<'static, io::Result<Bytes>>;

/// The store of blobs. Clones are the same store.
#[derive(Clone)]
pub(crate) struct Blobs {
    store: Arc<dyn ObjectStore>,
    /// The folder, if the blobs are files.
    folder: Option<PathBuf>,
    /// Begins every key that this process makes, so that a sweep leaves alone what is being uploaded.
    run: Arc<str>,
    quarantine: Option<Quarantine>,
    /// Whether what the runs before had staged was never acknowledged.
    staged_is_unacknowledged: bool,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Unfinished uploads that were deleted.
    pub(crate) removed: u64,
    /// What was moved to the quarantine.
    pub(crate) moved: Amount,
}

impl Blobs {
    /// Blobs that end with the process.
    pub(crate) fn memory() -> Result<Self, NoRandom> {
        Ok(Self {
            store: Arc::new(InMemory::new()),
            folder: None,
            run: new_run()?,
            quarantine: None,
            staged_is_unacknowledged: false,
        })
    }

    /// Blobs as files in a folder, on the disk when they are written if that is asked for. Blocks.
    pub(crate) fn folder(folder: &Path, durability: Durability) -> io::Result<Self> {
        local::prepare(folder)?;
        // Syncs a new file and, after the rename, the folder that it lies in; the folders themselves were
        // made and synced by `prepare`. Deletions are not synced: a blob that comes back is swept up.
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(io::Error::other)?
            .with_fsync(durability == Durability::Strict);
        Ok(Self {
            store: Arc::new(store),
            folder: Some(folder.to_owned()),
            run: new_run().map_err(io::Error::other)?,
            quarantine: None,
            staged_is_unacknowledged: false,
        })
    }

    /// Moves what no row names to this quarantine. Staged files of uploads that were never acknowledged are deleted.
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

    /// A key that was never used, in one of 256 folders.
    fn new_key(&self) -> Result<String, NoRandom> {
        let random: [u8; 17] = random::bytes()?;
        Ok(format!(
            "{}/{}-{}",
            HEXLOWER.encode(&random[..1]),
            self.run,
            HEXLOWER.encode(&random[1..])
        ))
    }

    /// Begins a new blob.
    pub(crate) fn upload(&self) -> Result<Upload, NoRandom> {
        Ok(Upload::new(
            self.store.clone(),
            self.folder.clone(),
            self.new_key()?,
        ))
    }

    /// The bytes of a range of a blob of this size, which must lie within it and not be empty. Those of a file are verified
    /// block by block before they are there, the first block before this returns.
    ///
    /// Once this has returned, the stream goes on to its end even if the blob is deleted meanwhile: an open
    /// file stays, and so do bytes in memory.
    pub(crate) async fn read(
        &self,
        blob: &str,
        size: u64,
        range: Range<u64>,
        sums: BlockSums,
    ) -> Result<Chunks, BlobError> {
        let result = self
            .store
            .get_opts(&Key::from(blob), GetOptions::default())
            .await?;
        if result.meta.size != size {
            return Err(BlobError::Damaged(io::Error::new(
                ErrorKind::InvalidData,
                format!("it has {} bytes instead of {size}", result.meta.size),
            )));
        }
        match result.payload {
            GetResultPayload::File(file, _) => blocks::read(file, size, range, sums)
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

    /// Reads a whole blob from before blocks had sums, and computes them. `take` gets its bytes.
    pub(crate) async fn sum<T: Send + 'static>(
        &self,
        blob: &str,
        mut state: T,
        take: impl Fn(&mut T, &[u8]) + Send + 'static,
    ) -> Result<(T, BlockSums), BlobError> {
        let result = self
            .store
            .get_opts(&Key::from(blob), GetOptions::default())
            .await?;
        match result.payload {
            GetResultPayload::File(mut file, _) => {
                let summed = local::blocking(move || {
                    let sums = blocks::sum(&mut file, |bytes| take(&mut state, bytes))?;
                    Ok((state, sums))
                });
                Ok(summed.await?)
            }
            GetResultPayload::Stream(mut stream) => {
                let mut hasher = BlockHasher::default();
                while let Some(bytes) = stream.try_next().await? {
                    hasher.update(&bytes);
                    take(&mut state, &bytes);
                }
                Ok((state, hasher.finish()))
            }
        }
    }

    /// Deletes a blob; one that is not there is deleted already.
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

    /// Deletes many blobs. One that can't be deleted stops no other.
    pub(crate) async fn delete_all(&self, blobs: Vec<String>) -> Result<Deleted, BlobError> {
        match &self.folder {
            // The object store would change threads for each of them, which costs more than the deletion.
            Some(folder) => Ok(local::delete_all(folder, blobs).await?),
            None => {
                let mut outcome = Deleted::default();
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

    /// Moves what earlier processes have left and no row names to the quarantine. Only the owner of the folder may.
    pub(crate) async fn sweep(&self, metadata: &dyn Metadata, now: Micros) -> io::Result<Swept> {
        match (&self.folder, &self.quarantine) {
            (Some(folder), Some(quarantine)) => {
                let sweep = local::Sweep {
                    folder,
                    run: &self.run,
                    quarantine,
                    staged_is_unacknowledged: self.staged_is_unacknowledged,
                    now,
                };
                sweep.run(metadata).await
            }
            _ => Ok(Swept::default()),
        }
    }

    /// Deletes what is in quarantine since before a time. Nothing while damage is reported: any content that a row names and
    /// that is not there is reported here.
    pub(crate) async fn purge(
        &self,
        metadata: &dyn Metadata,
        before: Micros,
    ) -> Result<Amount, StoreError> {
        let failed = |error: io::Error| StoreError::Failed(error.to_string());
        let (Some(folder), Some(quarantine)) = (&self.folder, &self.quarantine) else {
            return Ok(Amount::default());
        };
        let old = quarantine.clone();
        if !local::blocking(move || old.has_older(before))
            .await
            .map_err(failed)?
        {
            return Ok(Amount::default());
        }
        if let Some(missing) = local::first_missing(folder, metadata).await? {
            tracing::error!(blob = missing, "the content of a file is missing");
            self.report_damage().await.map_err(failed)?;
        }
        let quarantine = quarantine.clone();
        local::blocking(move || {
            if quarantine.is_held() {
                tracing::warn!(
                    "nothing in quarantine is deleted while damage is reported: run `agb serve fsck`"
                );
                return Ok(Amount::default());
            }
            quarantine.purge(before)
        })
        .await
        .map_err(failed)
    }

    /// From now on nothing in quarantine is deleted, until a check finds no damage.
    pub(crate) async fn report_damage(&self) -> io::Result<()> {
        match self.quarantine.clone() {
            Some(quarantine) => local::blocking(move || quarantine.hold(true)).await,
            None => Ok(()),
        }
    }

    /// How many blobs there are, finished or not.
    #[cfg(test)]
    pub(crate) async fn count(&self) -> usize {
        match &self.folder {
            Some(folder) => local::count(folder),
            None => self.store.list(None).count().await,
        }
    }
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blobs")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

fn new_run() -> Result<Arc<str>, NoRandom> {
    Ok(HEXLOWER.encode(&random::bytes::<6>()?).into())
}

#[cfg(test)]
mod tests;
