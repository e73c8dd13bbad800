//! A new data folder as a sink.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::data_folder::usage_without_service;
use super::endpoint::{BlobWriter, Sink};
use super::error::ArchiveError;
use super::options::CopyOptions;
use super::report::{CopyPhase, CopyProgress, CopyReport};
use super::target_blobs::TargetBlobs;
use crate::blobs::{Blobs, Chunks, local};
use crate::data_folder::{BLOBS, DATABASE, FolderLock, ReadLock};
use crate::durability::Durability;
use crate::error::StartError;
use crate::fsck;
use crate::key_file::KeyFile;
use crate::markers::FolderMarker;
use crate::metadata::record::{BlobChecksums, ImportSource, KeyRecord, Record, StoreIdentity};
use crate::metadata::sqlite::DatabaseError;
use crate::metadata::sqlite::export::{DatabaseUse, Export};
use crate::metadata::sqlite::import::{Import, StartedImport};
use crate::metadata::sqlite::open::has_blobs;
use crate::system::durable_fs::sync_folder;

/// The key file in the data folder.
const KEYS: &str = "keys";

/// A data folder that is being filled. Locked until this is dropped.
pub(super) struct DataFolderSink {
    folder: PathBuf,
    target: TargetBlobs,
    /// `None` when it is published.
    import: Arc<Mutex<Option<Import>>>,
    /// The keys of a source that stores them in its database. `None` if there are none.
    keys: Option<KeyFile>,
    _lock: FolderLock,
}

impl DataFolderSink {
    /// Checks that a folder can be the target, and changes nothing.
    pub(super) async fn check(folder: &Path, source: &ImportSource) -> Result<(), ArchiveError> {
        let (folder, source) = (folder.to_owned(), source.clone());
        run(move || {
            if !folder.exists() {
                return Ok(());
            }
            if !is_unused(&folder)? {
                return Err(StartError::FolderInUse { path: folder }.into());
            }
            let database = folder.join(DATABASE);
            let length = fs::metadata(&database).map_or(0, |found| found.len());
            if length == 0 {
                return check_no_blobs(&folder);
            }
            let export = Export::open(&database, usage_without_service(&folder))?;
            // A killed import may have created the file only.
            if export.is_empty()? {
                return check_no_blobs(&folder);
            }
            match export.importing()? {
                Some(found) if found == source => Ok(()),
                Some(_) => Err(ArchiveError::of_target(DatabaseError::OtherImport, &folder)),
                None => Err(ArchiveError::of_target(DatabaseError::NotEmpty, &folder)),
            }
        })
        .await
    }

    /// Locks a folder and starts or continues the import of a store.
    pub(super) async fn open(
        folder: &Path,
        source: ImportSource,
        store: StoreIdentity,
    ) -> Result<Self, ArchiveError> {
        Self::check(folder, &source).await?;
        let folder = folder.to_owned();
        run(move || Self::open_blocking(&folder, &source, &store)).await
    }

    fn open_blocking(
        folder: &Path,
        source: &ImportSource,
        store: &StoreIdentity,
    ) -> Result<Self, ArchiveError> {
        let unusable = |source| {
            let path = folder.to_owned();
            ArchiveError::Store(StartError::Folder { path, source })
        };
        let lock = FolderLock::acquire(folder).map_err(unusable)?;
        let folder = fs::canonicalize(folder).map_err(unusable)?;
        let lock = lock.ok_or_else(|| StartError::FolderInUse {
            path: folder.clone(),
        })?;
        // Durable before the first blob, so that an unfinished import is never without its row in the database.
        let started = Import::start(&folder.join(DATABASE), source, store);
        let StartedImport {
            import,
            marker,
            resumed,
        } = started.map_err(|error| ArchiveError::of_target(error, &folder))?;
        sync_folder(&folder).map_err(unusable)?;
        folder
            .parent()
            .map_or(Ok(()), sync_folder)
            .map_err(unusable)?;
        let path = folder.join(BLOBS);
        let blobs = Blobs::folder(&path, Durability::Strict).map_err(unusable)?;
        let marker = FolderMarker {
            store: marker.store,
            position: marker.position,
            strict: true,
        };
        fsck::write_marker(&path, &marker).map_err(unusable)?;
        Ok(Self {
            folder,
            target: TargetBlobs { blobs, resumed },
            import: Arc::new(Mutex::new(Some(import))),
            keys: None,
            _lock: lock,
        })
    }

    /// Runs work with the database on a thread that may block.
    async fn with_import<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Option<Import>) -> Result<T, ArchiveError> + Send + 'static,
    ) -> Result<T, ArchiveError> {
        let import = self.import.clone();
        run(move || work(&mut import.lock().unwrap_or_else(PoisonError::into_inner))).await
    }

    /// Adds keys, which SQLite does not store, to the key file.
    fn add_keys(&mut self, records: &[Record]) -> Result<(), ArchiveError> {
        for record in records {
            let Record::Key(key) = record else {
                return Ok(());
            };
            let keys = self.keys.get_or_insert_default();
            match key {
                KeyRecord::Required => {}
                KeyRecord::Api { .. } => {
                    let invalid = || ArchiveError::failed("the row of an API key is invalid");
                    keys.push_key(key.api_entry().ok_or_else(invalid)?);
                }
                KeyRecord::Signing { entry } => {
                    keys.push_signing_line(entry)
                        .map_err(ArchiveError::failed)?;
                }
            }
        }
        Ok(())
    }

    /// Writes the key file. An earlier attempt may have written it, too.
    async fn write_keys(&self) -> Result<(), ArchiveError> {
        let (Some(keys), path) = (self.keys.clone(), self.folder.join(KEYS)) else {
            return Ok(());
        };
        run(move || {
            let written = KeyFile::edit(&path, |file| {
                *file = keys;
                Ok(())
            });
            written.map_err(ArchiveError::failed)
        })
        .await
    }

    /// Reads the records back. Keys are not among them.
    async fn read_back(&self) -> Result<CopyReport, ArchiveError> {
        let database = self.folder.join(DATABASE);
        run(move || {
            let mut report = CopyReport::default();
            let mut added = Ok(());
            // The connection of the import is open.
            Export::open(&database, DatabaseUse::Running)?.each_record(|record| {
                // The check has found the rows that can't be read.
                let records = record.as_ref().map_or(&[][..], std::slice::from_ref);
                report.add(records);
                added = report.add_checksums(records);
                match added {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            })?;
            added.map_err(ArchiveError::failed)?;
            Ok(report)
        })
        .await
    }

    /// Removes blobs of earlier attempts that no file references any more, and their staging files.
    async fn remove_orphans(&self) -> Result<(), ArchiveError> {
        let blobs = self.folder.join(BLOBS);
        self.with_import(move |import| {
            let Some(import) = import else {
                return Ok(());
            };
            for part in local::parts() {
                let folder = blobs.join(&part);
                let names = local::file_names(&folder).map_err(ArchiveError::io(&folder))?;
                let keys = names.iter().map(|name| format!("{part}/{name}"));
                let orphans: HashSet<_> = import
                    .unreferenced_blobs(keys.collect())?
                    .into_iter()
                    .collect();
                for name in names {
                    if orphans.contains(&format!("{part}/{name}")) {
                        let path = folder.join(name);
                        fs::remove_file(&path).map_err(ArchiveError::io(&path))?;
                    }
                }
            }
            Ok(())
        })
        .await
    }
}

/// Whether no service uses a folder.
fn is_unused(folder: &Path) -> Result<bool, ArchiveError> {
    match ReadLock::acquire(folder) {
        Ok(lock) => Ok(lock.is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(ArchiveError::io(folder)(error)),
    }
}

fn check_no_blobs(folder: &Path) -> Result<(), ArchiveError> {
    match has_blobs(&folder.join(BLOBS)) {
        true => Err(ArchiveError::of_target(DatabaseError::NotEmpty, folder)),
        false => Ok(()),
    }
}

async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, ArchiveError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(ArchiveError::failed)?
}

#[async_trait]
impl Sink for DataFolderSink {
    fn concurrency(&self) -> usize {
        usize::MAX
    }

    async fn open_existing(&self, blob: &str) -> Result<Option<Chunks>, ArchiveError> {
        self.target.open_existing(blob).await
    }

    async fn create_blob(
        &self,
        blob: &str,
        size: u64,
    ) -> Result<Box<dyn BlobWriter>, ArchiveError> {
        Ok(Box::new(self.target.create(blob, size).await?))
    }

    async fn write(
        &mut self,
        records: Vec<Record>,
        blobs: HashMap<String, BlobChecksums>,
    ) -> Result<(), ArchiveError> {
        self.add_keys(&records)?;
        self.with_import(move |import| match import {
            Some(import) => Ok(import.write(&records, &blobs)?),
            None => Ok(()),
        })
        .await
    }

    fn key_file(&self) -> Option<PathBuf> {
        self.keys.as_ref().map(|_| self.folder.join(KEYS))
    }

    async fn finish(
        &mut self,
        report: &CopyReport,
        options: &CopyOptions,
    ) -> Result<(), ArchiveError> {
        self.with_import(|import| match import {
            Some(import) => Ok(import.complete()?),
            None => Ok(()),
        })
        .await?;
        self.remove_orphans().await?;
        self.write_keys().await?;
        options.report(CopyProgress {
            phase: CopyPhase::Verifying,
            files: report.files,
            bytes: report.bytes,
        });
        let folder = self.folder.clone();
        let check = run(move || Ok(fsck::check_import(&folder)?)).await?;
        if !check.is_clean() {
            return Err(ArchiveError::Damaged {
                place: self.folder.display().to_string(),
                report: Box::new(CopyReport {
                    findings: check.findings,
                    ..report.clone()
                }),
            });
        }
        if !self.read_back().await?.has_same_entries(report) {
            return Err(ArchiveError::failed(
                "the target differs from what was written",
            ));
        }
        self.with_import(|import| match import.take() {
            Some(import) => Ok(import.publish()?),
            None => Ok(()),
        })
        .await
    }
}
