//! A data folder as a source.

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::endpoint::{Item, Source};
use super::error::ArchiveError;
use crate::blobs::local::blocking;
use crate::blobs::{BlobError, Blobs, Chunks};
use crate::data_folder::{BLOBS, BackupLock, BackupLockGuard, DATABASE, DATABASE_WAL, ReadLock};
use crate::error::StartError;
use crate::fsck::Finding;
use crate::markers::MarkerFile;
use crate::metadata::record::{ImportSource, StoreIdentity};
use crate::metadata::sqlite::DatabaseError;
use crate::metadata::sqlite::export::{DatabaseUse, Export, Exported};
use crate::metadata::sqlite::open::has_blobs;

/// Number of records in a batch.
const BATCH: usize = 256;

/// A snapshot of a data folder, which a service may be using.
pub(super) struct DataFolderSource {
    folder: PathBuf,
    identity: StoreIdentity,
    blobs: Blobs,
    /// The records, from the thread that reads the database. Ends with an error if it fails.
    batches: mpsc::Receiver<Result<Vec<Exported>, DatabaseError>>,
    _lock: SourceLock,
}

/// What keeps the contents of the snapshot in place.
enum SourceLock {
    /// No service runs, and none can start.
    Unused { _lock: ReadLock },
    /// A service runs, and deletes no blob.
    Running { _lock: BackupLockGuard },
}

impl DataFolderSource {
    pub(super) async fn open(folder: &Path) -> Result<Self, ArchiveError> {
        let path = folder.to_owned();
        let opened = tokio::task::spawn_blocking(move || Self::open_blocking(&path));
        opened.await.map_err(ArchiveError::failed)?
    }

    fn open_blocking(folder: &Path) -> Result<Self, ArchiveError> {
        let unusable = |source| {
            let path = folder.to_owned();
            ArchiveError::Store(StartError::Folder { path, source })
        };
        check_exists(folder)?;
        let folder = fs::canonicalize(folder).map_err(unusable)?;
        let (lock, usage) = lock(&folder)?;
        let export = Export::open(&folder.join(DATABASE), usage)?;
        let identity = export.identity()?;
        let path = folder.join(BLOBS);
        if usage != DatabaseUse::Running {
            let marker = MarkerFile::read(&path).map_err(unusable)?;
            export.check_marker(marker.as_ref())?;
        }
        let blobs = Blobs::existing(&path).map_err(unusable)?;
        let (sender, batches) = mpsc::channel(2);
        let read = move || {
            if let Err(error) = send_batches(&export, &sender) {
                // Fails if the copy has ended.
                let _ = sender.blocking_send(Err(error));
            }
        };
        let thread = thread::Builder::new().name("agb-export".to_owned());
        thread.spawn(read).map_err(unusable)?;
        Ok(Self {
            folder,
            identity,
            blobs,
            batches,
            _lock: lock,
        })
    }
}

/// Fails unless there is a database in a folder.
fn check_exists(folder: &Path) -> Result<(), ArchiveError> {
    if folder.join(DATABASE).is_file() {
        return Ok(());
    }
    if has_blobs(&folder.join(BLOBS)) {
        return Err(DatabaseError::Lost.into());
    }
    Err(ArchiveError::NoStore {
        place: folder.display().to_string(),
    })
}

/// Keeps the contents of a data folder in place, and returns whether a service uses it.
fn lock(folder: &Path) -> Result<(SourceLock, DatabaseUse), ArchiveError> {
    match ReadLock::acquire(folder) {
        Ok(Some(lock)) => Ok((
            SourceLock::Unused { _lock: lock },
            usage_without_service(folder),
        )),
        Ok(None) => match BackupLock::of(folder).share() {
            Ok(lock) => Ok((SourceLock::Running { _lock: lock }, DatabaseUse::Running)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(ArchiveError::OlderService {
                    path: folder.to_owned(),
                })
            }
            Err(error) => Err(ArchiveError::io(folder)(error)),
        },
        Err(error) => Err(ArchiveError::io(folder)(error)),
    }
}

/// Whether the last process that used a database has left a log.
pub(super) fn usage_without_service(folder: &Path) -> DatabaseUse {
    match fs::metadata(folder.join(DATABASE_WAL)) {
        Ok(log) if log.len() > 0 => DatabaseUse::Killed,
        _ => DatabaseUse::Unused,
    }
}

fn send_batches(
    export: &Export,
    sender: &mpsc::Sender<Result<Vec<Exported>, DatabaseError>>,
) -> Result<(), DatabaseError> {
    let mut batch = Vec::new();
    export.each_record(|record| {
        batch.push(record);
        if batch.len() < BATCH {
            return ControlFlow::Continue(());
        }
        match sender.blocking_send(Ok(std::mem::take(&mut batch))) {
            Ok(()) => ControlFlow::Continue(()),
            // The copy has ended.
            Err(_) => ControlFlow::Break(()),
        }
    })?;
    if !batch.is_empty() {
        let _ = sender.blocking_send(Ok(batch));
    }
    Ok(())
}

#[async_trait]
impl Source for DataFolderSource {
    fn describe(&self) -> String {
        self.folder.display().to_string()
    }

    fn identity(&self) -> &StoreIdentity {
        &self.identity
    }

    fn import_source(&self) -> ImportSource {
        ImportSource {
            store: self.identity.id,
            archive: None,
        }
    }

    fn concurrency(&self) -> usize {
        usize::MAX
    }

    async fn next(&mut self) -> Result<Vec<Item>, ArchiveError> {
        let Some(batch) = self.batches.recv().await else {
            return Ok(Vec::new());
        };
        let items = batch?.into_iter();
        Ok(items.map(|item| item.map_err(Finding::from)).collect())
    }

    async fn open_blob(&self, blob: &str) -> Result<Chunks, BlobError> {
        self.blobs.read_unchecked(blob).await
    }

    async fn finish(&mut self) -> Result<(), ArchiveError> {
        // A service that was replaced by another folder would have deleted blobs without regard to this backup.
        let database = self.folder.join(DATABASE);
        let exists = blocking(move || Ok(database.is_file()));
        match exists.await {
            Ok(true) => Ok(()),
            _ => Err(ArchiveError::failed("the data folder was moved or removed")),
        }
    }
}
