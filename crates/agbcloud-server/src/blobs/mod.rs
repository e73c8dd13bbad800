//! The contents of files, under random keys. Only the metadata knows which file a key belongs to.
//!
//! A blob is written once and never changed. It is garbage until a row references it, and stays garbage after a failed upload or
//! a crash: [`Blobs::sweep`] moves it to the quarantine.

mod block_checksums;
#[cfg(feature = "s3")]
mod bucket;
mod copy;
mod deletion;
mod error;
mod file_upload;
#[cfg(feature = "postgres")]
mod listing;
pub(crate) mod local;
mod metrics;
mod multipart;
mod quarantine;
mod range_reader;
mod store_report;
mod sweep;
mod upload;

use std::fmt;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::multipart::MultipartStore;
use object_store::path::Path as Key;
use object_store::{GetResultPayload, ObjectStore, ObjectStoreExt, PutPayload};

use self::block_checksums::BlockSource;
pub(crate) use self::block_checksums::{BlockChecksums, BlockHasher, Chunks};
#[cfg(feature = "s3")]
use self::bucket::Bucket;
pub(crate) use self::copy::read_file;
pub(crate) use self::error::BlobError;
use self::file_upload::FileUpload;
#[cfg(all(feature = "s3", feature = "test-store"))]
pub(crate) use self::listing::count_in_bucket;
pub(crate) use self::metrics::BlobMetrics;
use self::multipart::{MIN_PART_BYTES, PartUpload};
pub(crate) use self::quarantine::{FileTotals, Quarantine, QuarantinedFile};
use self::range_reader::RangeReader;
pub(crate) use self::store_report::DownloadHeaders;
pub use self::store_report::{
    BlobStoreError, BlobStoreReport, DirectDownloadError, InvalidBucketUrl, StoreCapability,
};
pub(crate) use self::sweep::SweepOutcome;
pub(crate) use self::upload::Upload;
use crate::data_folder::BackupLock;
use crate::durability::Durability;
use crate::markers::SharedMarker;
use crate::system::clock::Micros;
use crate::system::random::{self, NoRandom};

/// The name of the marker of a store that several processes share. No blob has this name.
const SHARED_MARKER: &str = "mark";

/// Size of the reads of a whole object in bytes.
const READ_BYTES: u64 = 256 * 1024;

/// The store of blobs. Clones share one store.
#[derive(Clone)]
pub(crate) struct Blobs {
    store: Arc<dyn ObjectStore>,
    /// The same store, for uploads in parts. `None` in a folder.
    multipart: Option<Arc<dyn MultipartStore>>,
    /// `None` unless the blobs are files.
    folder: Option<PathBuf>,
    /// That of files.
    durability: Durability,
    /// A part of all keys of this process, so that a sweep ignores current uploads.
    run: Arc<str>,
    quarantine: Option<Quarantine>,
    /// `None` if a copy of the store does not need it.
    backups: Option<BackupLock>,
    /// Whether the staging files of earlier processes belong to uploads that were never acknowledged.
    staged_is_unacknowledged: bool,
    metrics: BlobMetrics,
    #[cfg(feature = "s3")]
    bucket: Option<Arc<Bucket>>,
}

impl Blobs {
    fn new(
        store: Arc<dyn ObjectStore>,
        multipart: Option<Arc<dyn MultipartStore>>,
        folder: Option<PathBuf>,
    ) -> Result<Self, NoRandom> {
        Ok(Self {
            store,
            multipart,
            folder,
            durability: Durability::Strict,
            run: HEXLOWER.encode(&random::bytes::<6>()?).into(),
            quarantine: None,
            backups: None,
            staged_is_unacknowledged: false,
            metrics: BlobMetrics::default(),
            #[cfg(feature = "s3")]
            bucket: None,
        })
    }

    /// Opens a bucket, and checks what its store guarantees.
    #[cfg(feature = "s3")]
    pub(crate) async fn bucket(url: &str) -> Result<Self, BlobStoreError> {
        let metrics = BlobMetrics::default();
        let bucket = Box::pin(Bucket::open(url, metrics.clone())).await?;
        Ok(Self::of_bucket(bucket, metrics)?)
    }

    /// Opens a bucket without a request to its store.
    #[cfg(all(feature = "s3", feature = "postgres"))]
    pub(crate) fn unprobed_bucket(url: &str) -> Result<Self, BlobStoreError> {
        let metrics = BlobMetrics::default();
        let bucket = Bucket::unprobed(url, metrics.clone())?;
        Ok(Self::of_bucket(bucket, metrics)?)
    }

    #[cfg(feature = "s3")]
    fn of_bucket(bucket: Bucket, metrics: BlobMetrics) -> Result<Self, NoRandom> {
        let store = bucket.store.clone();
        let blobs = Self::new(store.clone(), Some(store), None)?;
        Ok(Self {
            metrics,
            bucket: Some(Arc::new(bucket)),
            ..blobs
        })
    }

    /// Creates a store in memory.
    pub(crate) fn memory() -> Result<Self, NoRandom> {
        let store = Arc::new(InMemory::new());
        Self::new(store.clone(), Some(store), None)
    }

    /// Creates a store of files in a folder. Blocks the thread.
    pub(crate) fn folder(folder: &Path, durability: Durability) -> io::Result<Self> {
        local::create_folders(folder)?;
        // Syncs a new file and, after the rename, its folder. Deletions are not synced: a sweep moves a blob that reappears
        // after a power failure.
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(io::Error::other)?
            .with_fsync(durability == Durability::Strict);
        let blobs = Self::new(Arc::new(store), None, Some(folder.to_owned()));
        let blobs = blobs.map_err(io::Error::other)?;
        Ok(Self {
            durability,
            ..blobs
        })
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

    /// Starts a new blob of `length` bytes.
    pub(crate) async fn upload(&self, length: u64) -> Result<Upload, BlobError> {
        self.upload_to(self.new_key()?, length).await
    }

    async fn upload_to(&self, blob: String, length: u64) -> Result<Upload, BlobError> {
        let store = self.store.clone();
        let Some(multipart) = &self.multipart else {
            let folder = self.folder.clone().unwrap_or_default();
            let file = FileUpload::new(folder, Key::from(blob.as_str()), self.durability);
            return Ok(Upload::file(file, blob));
        };
        let key = self.key(&blob);
        match usize::try_from(length) {
            Ok(bytes) if length <= MIN_PART_BYTES => Ok(Upload::object(store, key, blob, bytes)),
            _ => {
                let parts = PartUpload::start(store, multipart.clone(), key, length).await?;
                Ok(Upload::parts(parts, blob))
            }
        }
    }

    /// Returns the key of a blob in the store.
    fn key(&self, blob: &str) -> Key {
        #[cfg(feature = "s3")]
        if let Some(bucket) = &self.bucket {
            return bucket.key(blob);
        }
        Key::from(blob)
    }

    /// Returns the name of an object without the prefix of the bucket.
    fn name<'a>(&self, key: &'a Key) -> &'a str {
        #[cfg(feature = "s3")]
        if let Some(bucket) = &self.bucket
            && let Some(name) = key.as_ref().strip_prefix(bucket.prefix.as_ref())
        {
            return name.trim_start_matches('/');
        }
        key.as_ref()
    }

    /// The metrics of the store.
    pub(crate) fn metrics(&self) -> BlobMetrics {
        self.metrics.clone()
    }

    /// What the store guarantees, if it is a bucket.
    pub(crate) fn report(&self) -> Option<&BlobStoreReport> {
        #[cfg(feature = "s3")]
        if let Some(bucket) = &self.bucket {
            return Some(&bucket.report);
        }
        None
    }

    /// Checks that clients can download straight from the store.
    pub(crate) async fn probe_direct_downloads(&self) -> Result<(), BlobStoreError> {
        #[cfg(feature = "s3")]
        if let Some(bucket) = &self.bucket {
            return Box::pin(bucket.probe_direct_downloads()).await;
        }
        Err(DirectDownloadError::NoBucket.into())
    }

    /// Returns a URL at which the store serves a blob.
    #[cfg_attr(not(feature = "s3"), expect(unused_variables))]
    pub(crate) async fn download_url(
        &self,
        blob: &str,
        headers: DownloadHeaders<'_>,
        expires_in: Duration,
    ) -> Result<String, BlobError> {
        #[cfg(feature = "s3")]
        if let Some(bucket) = &self.bucket {
            let key = bucket.key(blob);
            let url = bucket.download_url(&key, headers, expires_in).await?;
            return Ok(url.into());
        }
        Err(io::Error::from(ErrorKind::Unsupported).into())
    }

    /// Streams a range of a blob of this size. The range must lie within the blob and must not be empty. Blocks are
    /// verified before they are yielded, the first block before this returns.
    ///
    /// The stream of a file is complete even if the blob is deleted while it is read. That of an object may break if it has to be
    /// resumed.
    pub(crate) async fn read(
        &self,
        blob: &str,
        size: u64,
        range: Range<u64>,
        checksums: BlockChecksums,
    ) -> Result<Chunks, BlobError> {
        let source = match &self.folder {
            Some(_) => {
                let result = self.store.get(&self.key(blob)).await?;
                if result.meta.size != size {
                    return Err(BlobError::Damaged(io::Error::new(
                        ErrorKind::InvalidData,
                        format!("it has {} bytes instead of {size}", result.meta.size),
                    )));
                }
                let GetResultPayload::File(file, _) = result.payload else {
                    return Err(io::Error::other("not a file").into());
                };
                BlockSource::File(file)
            }
            None => {
                let (store, key) = (self.store.clone(), self.key(blob));
                let range = block_checksums::extend_to_blocks(&range, size);
                let metrics = self.metrics.clone();
                let object = RangeReader::open(store, key, size, range, metrics);
                BlockSource::Object(object.await?)
            }
        };
        block_checksums::read(source, size, range, checksums).await
    }

    /// Reads a whole blob and computes the checksums of its blocks. Passes its bytes to `consume`.
    pub(crate) async fn compute_checksums<T: Send + 'static>(
        &self,
        blob: &str,
        mut state: T,
        consume: impl Fn(&mut T, &[u8]) + Send + 'static,
    ) -> Result<(T, BlockChecksums), BlobError> {
        if self.folder.is_none() {
            let size = self.store.head(&self.key(blob)).await?.size;
            return self
                .compute_object_checksums(blob, size, state, consume)
                .await;
        }
        let result = self.store.get(&self.key(blob)).await?;
        let GetResultPayload::File(mut file, _) = result.payload else {
            return Err(io::Error::other("not a file").into());
        };
        let computed = local::blocking(move || {
            let consume = |bytes: &[u8]| consume(&mut state, bytes);
            let checksums = block_checksums::compute(&mut file, consume)?;
            Ok((state, checksums))
        });
        Ok(computed.await?)
    }

    async fn compute_object_checksums<T>(
        &self,
        blob: &str,
        size: u64,
        mut state: T,
        consume: impl Fn(&mut T, &[u8]),
    ) -> Result<(T, BlockChecksums), BlobError> {
        let mut hasher = BlockHasher::default();
        if size > 0 {
            let (store, key, metrics) = (self.store.clone(), self.key(blob), self.metrics());
            let mut object = RangeReader::open(store, key, size, 0..size, metrics).await?;
            let mut left = size;
            while left > 0 {
                let length = left.min(READ_BYTES);
                let bytes = object
                    .read(usize::try_from(length).map_err(io::Error::other)?)
                    .await?;
                hasher.update(&bytes);
                consume(&mut state, &bytes);
                left -= length;
            }
        }
        Ok((state, hasher.finish()))
    }

    /// Reads the marker of a store that several processes share. Returns `None` if there is none.
    pub(crate) async fn shared_marker(&self) -> Result<Option<SharedMarker>, BlobError> {
        let found = match self.store.get(&self.key(SHARED_MARKER)).await {
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
        self.store.put(&self.key(SHARED_MARKER), text).await?;
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
        use futures_util::StreamExt;

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

#[cfg(test)]
mod tests;
