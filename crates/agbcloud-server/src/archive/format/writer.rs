//! A new archive as a sink.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use data_encoding::HEXLOWER;
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::file_writer::FileWriter;
use super::manifest::{Manifest, StoreLine};
use super::{BLOBS, MANIFEST, RECORDS, is_tar, tar_file};
use crate::archive::endpoint::{BlobWriter, Sink};
use crate::archive::error::ArchiveError;
use crate::archive::options::CopyOptions;
use crate::archive::report::CopyReport;
use crate::blobs::local::{self, blocking};
use crate::blobs::{Chunks, read_file};
use crate::metadata::record::{BlobChecksums, Record, StoreIdentity};
use crate::system::clock::{Clock, Micros, SystemClock};
use crate::system::durable_fs::{make_private_folder, sync_folder};

/// An archive that is being written. It has no manifest before it is complete.
pub(in crate::archive) struct ArchiveSink {
    path: PathBuf,
    /// Whether this created the folder.
    created_folder: bool,
    store: StoreIdentity,
    /// In a folder this is the final file, for a tar file a temporary one beside it.
    records: FileWriter,
    digest: Sha256,
    blobs: u64,
    /// `None` for a folder.
    tar: Option<Arc<Mutex<FileWriter>>>,
    modified: u64,
}

/// The temporary file with the records of a tar file.
fn spool(archive: &Path) -> PathBuf {
    let mut name = archive.as_os_str().to_owned();
    name.push(".records");
    PathBuf::from(name)
}

impl ArchiveSink {
    /// Fails if the archive exists.
    pub(in crate::archive) fn check(path: &Path) -> Result<(), ArchiveError> {
        let exists = match fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() && !is_tar(path) => {
                let mut entries = fs::read_dir(path).map_err(ArchiveError::io(path))?;
                entries.next().is_some()
            }
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(ArchiveError::io(path)(error)),
        };
        match exists {
            true => Err(ArchiveError::Exists {
                path: path.to_owned(),
            }),
            false => Ok(()),
        }
    }

    /// Creates an archive.
    pub(in crate::archive) async fn create(
        path: &Path,
        store: &StoreIdentity,
    ) -> Result<Self, ArchiveError> {
        let created_folder = !is_tar(path) && !path.exists();
        let exists = |error: io::Error| match error.kind() {
            ErrorKind::AlreadyExists => ArchiveError::Exists {
                path: path.to_owned(),
            },
            _ => ArchiveError::io(path)(error),
        };
        let (tar, records) = if is_tar(path) {
            let tar = FileWriter::create(path).map_err(exists)?;
            // A leftover of a killed backup of this name.
            let spool = spool(path);
            let removed = local::remove_if_exists(&spool);
            let records = removed.and_then(|()| FileWriter::create(&spool));
            let records = records.map_err(|error| {
                // The error of the records is the one to report.
                let _ = local::remove_if_exists(path);
                ArchiveError::io(&spool)(error)
            });
            (Some(Arc::new(Mutex::new(tar))), records?)
        } else {
            make_private_folder(path).map_err(ArchiveError::io(path))?;
            let records = local::create_folders(&path.join(BLOBS))
                .map_err(ArchiveError::io(path))
                .and_then(|()| FileWriter::create(&path.join(RECORDS)).map_err(exists));
            (
                None,
                records.inspect_err(|_| {
                    if created_folder {
                        // The first error is the one to report.
                        let _ = fs::remove_dir_all(path);
                    }
                })?,
            )
        };
        let now = Micros::of(SystemClock.now());
        let mut sink = Self {
            path: path.to_owned(),
            created_folder,
            store: store.clone(),
            records,
            digest: Sha256::new(),
            blobs: 0,
            tar,
            modified: u64::try_from(now.seconds()).unwrap_or(0),
        };
        sink.write_line(&StoreLine::of(store)).await?;
        Ok(sink)
    }

    async fn write_line(&mut self, line: &impl serde::Serialize) -> Result<(), ArchiveError> {
        let mut json = serde_json::to_vec(line).map_err(ArchiveError::failed)?;
        json.push(b'\n');
        self.digest.update(&json);
        self.records.write(&json).await
    }

    /// Removes what was written, after a failure.
    pub(in crate::archive) fn discard(&self) {
        let removed = match self.tar {
            Some(_) => local::remove_if_exists(&self.path)
                .and_then(|()| local::remove_if_exists(self.records.path())),
            None if self.created_folder => fs::remove_dir_all(&self.path),
            None => fs::remove_dir_all(self.path.join(BLOBS))
                .and_then(|()| local::remove_if_exists(self.records.path()))
                .and_then(|()| local::remove_if_exists(&self.path.join(MANIFEST))),
        };
        if let Err(error) = removed {
            tracing::warn!(%error, archive = %self.path.display(), "failed to remove an incomplete archive");
        }
    }

    /// Appends the records and the manifest to a tar file.
    async fn finish_tar(
        &self,
        tar: &Mutex<FileWriter>,
        manifest: &[u8],
    ) -> Result<(), ArchiveError> {
        let mut tar = tar.lock().await;
        let size = self.records.len();
        let header = |name: &str, size| {
            tar_file::header(name, size, self.modified).map_err(ArchiveError::io(&self.path))
        };
        tar.write(&header(RECORDS, size)?).await?;
        let spool = self.records.path().to_owned();
        let records = blocking(move || File::open(spool)).await;
        let mut records = read_file(records.map_err(ArchiveError::io(self.records.path()))?);
        while let Some(bytes) = records.try_next().await? {
            tar.write(&bytes).await?;
        }
        tar.write(tar_file::padding(size)).await?;
        let size = manifest.len() as u64;
        tar.write(&header(MANIFEST, size)?).await?;
        tar.write(manifest).await?;
        tar.write(tar_file::padding(size)).await?;
        tar.write(&tar_file::END).await?;
        tar.finish().await
    }

    /// Makes the names of all files durable, and writes the manifest.
    async fn finish_folder(&self, manifest: &[u8]) -> Result<(), ArchiveError> {
        let folder = self.path.clone();
        let synced = blocking(move || {
            let blobs = folder.join(BLOBS);
            local::parts().try_for_each(|part| sync_folder(&blobs.join(part)))?;
            sync_folder(&blobs)?;
            sync_folder(&folder)
        });
        synced.await.map_err(ArchiveError::io(&self.path))?;
        let path = self.path.join(MANIFEST);
        let mut file = FileWriter::create(&path).map_err(ArchiveError::io(&path))?;
        file.write(manifest).await?;
        file.finish().await
    }
}

#[async_trait]
impl Sink for ArchiveSink {
    fn concurrency(&self) -> usize {
        match self.tar {
            Some(_) => 1,
            None => usize::MAX,
        }
    }

    async fn open_existing(&self, _blob: &str) -> Result<Option<Chunks>, ArchiveError> {
        Ok(None)
    }

    async fn create_blob(
        &self,
        blob: &str,
        size: u64,
    ) -> Result<Box<dyn BlobWriter>, ArchiveError> {
        let name = format!("{BLOBS}/{blob}");
        let Some(tar) = &self.tar else {
            let path = self.path.join(name);
            let created = {
                let path = path.clone();
                blocking(move || FileWriter::create(&path)).await
            };
            let file = created.map_err(ArchiveError::io(&path))?;
            return Ok(Box::new(BlobFile(file)));
        };
        let mut tar = tar.clone().lock_owned().await;
        let header = tar_file::header(&name, size, self.modified);
        tar.write(&header.map_err(ArchiveError::io(&self.path))?)
            .await?;
        Ok(Box::new(TarBlob { tar, size }))
    }

    async fn write(
        &mut self,
        records: Vec<Record>,
        _blobs: HashMap<String, BlobChecksums>,
    ) -> Result<(), ArchiveError> {
        for record in records {
            if let Record::File(file) = &record {
                self.blobs += u64::from(file.blob().is_some());
            }
            self.write_line(&record).await?;
        }
        Ok(())
    }

    async fn finish(
        &mut self,
        report: &CopyReport,
        _options: &CopyOptions,
    ) -> Result<(), ArchiveError> {
        self.records.finish().await?;
        let digest = HEXLOWER.encode(&self.digest.clone().finalize());
        let created = Micros::of(SystemClock.now()).rfc3339();
        let (blobs, length) = (self.blobs, self.records.len());
        let manifest = Manifest::new(&self.store, report, created, blobs, length, digest);
        let manifest = manifest.to_json()?;
        match &self.tar {
            Some(tar) => {
                self.finish_tar(tar, &manifest).await?;
                let spool = self.records.path();
                local::remove_if_exists(spool).map_err(ArchiveError::io(spool))?;
            }
            None => {
                self.finish_folder(&manifest).await?;
                let folder = &self.path;
                sync_folder(folder).map_err(ArchiveError::io(folder))?;
            }
        }
        let parent = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        sync_folder(parent).map_err(ArchiveError::io(parent))
    }
}

/// A blob in a folder.
struct BlobFile(FileWriter);

#[async_trait]
impl BlobWriter for BlobFile {
    async fn write(&mut self, bytes: Bytes) -> Result<(), ArchiveError> {
        self.0.write(&bytes).await
    }

    async fn finish(mut self: Box<Self>) -> Result<(), ArchiveError> {
        self.0.finish().await
    }

    /// The whole archive is discarded.
    async fn abort(self: Box<Self>) {}
}

/// A blob in a tar file.
struct TarBlob {
    tar: OwnedMutexGuard<FileWriter>,
    size: u64,
}

#[async_trait]
impl BlobWriter for TarBlob {
    async fn write(&mut self, bytes: Bytes) -> Result<(), ArchiveError> {
        self.tar.write(&bytes).await
    }

    async fn finish(mut self: Box<Self>) -> Result<(), ArchiveError> {
        self.tar.write(tar_file::padding(self.size)).await
    }

    /// The whole archive is discarded.
    async fn abort(self: Box<Self>) {}
}
