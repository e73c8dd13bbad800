//! Checks and repairs a store: a data folder that no server uses, or a database and a store of blobs that servers may use.

mod contents;
mod findings;
mod report;
#[cfg(feature = "postgres")]
mod shared_store;

use std::fs;
use std::io;
use std::path::Path;

use self::contents::{Contents, find_orphans, report_orphans};
pub use self::report::{Finding, FindingKind, FsckReport, QuarantinedContent};
use crate::blobs::{Quarantine, local};
use crate::data_folder::{BLOBS, DATABASE, FolderLock};
use crate::error::StartError;
use crate::markers::{FolderMarker, MarkerFile};
use crate::metadata::sqlite::DatabaseError;
use crate::metadata::sqlite::check::DatabaseCheck;
use crate::metadata::sqlite::open::has_blobs;
use crate::storage::{Engine, InvalidStorage, Storage};
use crate::system::clock::{Clock, Micros, SystemClock};
use crate::system::durable_fs::sync_folder;

/// Whether a check changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FsckMode {
    /// Changes nothing.
    Check,
    /// Repairs what can be repaired without loss: see [`FindingKind`]. A file with damaged content is reported and not changed.
    /// Unreferenced contents move to the quarantine, unless there is damage that can't be repaired, since they may be what is
    /// missing.
    Repair,
    /// Repairs, and accepts a database and a folder of blobs that do not belong together as one store. Changes that only one of
    /// them contains are lost. See [`StoreMismatch`](crate::StoreMismatch).
    Accept,
}

/// Checks a store. Reads all contents.
///
/// A data folder is checked as by [`fsck`]. A PostgreSQL database and its store of blobs can be in use: one state of the database is
/// checked, and a repair locks one tenant at a time. A repair moves unreferenced contents to the quarantine of the database. Blobs
/// that are younger than a day are ignored, because they may belong to uploads. Only a repair migrates a database of an older
/// version, and writes to the store of blobs. If damage is found and not repaired, nothing leaves the quarantine until a check finds
/// none.
///
/// # Errors
///
/// As [`fsck`], and:
///
/// - [`StartError::Postgres`]: the database can't be used, or contains no store.
/// - [`StartError::Blobs`], [`StartError::BlobStore`]: the store of blobs can't be used.
/// - [`StartError::InvalidStorage`]: the store is in memory.
pub async fn fsck_storage(storage: &Storage, mode: FsckMode) -> Result<FsckReport, StartError> {
    match &storage.0 {
        Engine::Memory => Err(InvalidStorage::NotPersistent.into()),
        Engine::Folder(folder) => {
            let path = folder.clone();
            let check = tokio::task::spawn_blocking(move || fsck(path, mode)).await;
            check.unwrap_or_else(|error| {
                Err(StartError::Folder {
                    path: folder.clone(),
                    source: io::Error::other(error),
                })
            })
        }
        #[cfg(feature = "postgres")]
        Engine::Postgres { metadata, blobs } => {
            Box::pin(shared_store::check(metadata, blobs, mode)).await
        }
        #[cfg(not(feature = "postgres"))]
        Engine::Postgres { .. } => Err(StartError::InvalidStorage(InvalidStorage::Unsupported {
            engine: "PostgreSQL",
            feature: "postgres",
        })),
    }
}

/// Checks a data folder. Reads all contents, and blocks the thread.
///
/// The folder is locked while this runs. A store of an older version is checked as if it were migrated; only a repair migrates
/// it. If damage is found and not repaired, the file `quarantine/hold` is created, which prevents deletions from the quarantine;
/// otherwise it is removed.
///
/// # Errors
///
/// - [`StartError::FolderInUse`]: a server or another check uses the folder.
/// - [`StartError::NewerSchema`]: the store has a newer version.
/// - [`StartError::Database`]: the database can't be read, or is missing although there are blobs.
/// - [`StartError::Folder`]: the folder can't be read or contains no database.
pub fn fsck(folder: impl AsRef<Path>, mode: FsckMode) -> Result<FsckReport, StartError> {
    let folder = folder.as_ref();
    let unusable = |source| StartError::Folder {
        path: folder.to_owned(),
        source,
    };
    if !folder.join(DATABASE).is_file() {
        if has_blobs(&folder.join(BLOBS)) {
            return Err(DatabaseError::Lost.into());
        }
        let missing = format!("{DATABASE} not found");
        return Err(unusable(io::Error::new(io::ErrorKind::NotFound, missing)));
    }
    let folder = &fs::canonicalize(folder).map_err(unusable)?;
    let _lock = FolderLock::acquire(folder)
        .map_err(unusable)?
        .ok_or_else(|| StartError::FolderInUse {
            path: folder.clone(),
        })?;
    let check = DatabaseCheck::open(&folder.join(DATABASE), &folder.join(BLOBS))?;
    run(folder, mode, check)
}

/// Checks a data folder into which an import is not finished. The caller holds the lock on it.
pub(crate) fn check_import(folder: &Path) -> Result<FsckReport, StartError> {
    let check = DatabaseCheck::open(&folder.join(DATABASE), &folder.join(BLOBS))?;
    run(folder, FsckMode::Check, check.including_incomplete())
}

fn run(folder: &Path, mode: FsckMode, mut check: DatabaseCheck) -> Result<FsckReport, StartError> {
    let unusable = |source| StartError::Folder {
        path: folder.to_owned(),
        source,
    };
    let (repair, accept) = (mode != FsckMode::Check, mode == FsckMode::Accept);
    let mut report = FsckReport::default();
    let blobs = folder.join(BLOBS);
    let quarantine = Quarantine::of(folder);
    let quarantined = quarantine.list().map_err(unusable)?;
    let now = Micros::of(SystemClock.now());
    let (moves, orphans, marker) = check.run(repair, |transaction| {
        report.add(transaction.database()?);
        report.add(transaction.meta()?);
        let (markers, problems) = transaction.markers(&blobs, accept)?;
        report.add(problems);
        report.add(transaction.trees()?);
        report.contexts = transaction.count_contexts()?;
        report.add(transaction.context_counts()?);
        report.add(transaction.usage()?);
        report.add(transaction.folders()?);
        report.add(transaction.offset_indexes()?);
        report.add(transaction.contents()?);
        report.add(transaction.row_checksums()?);
        let contents = Contents {
            blobs: &blobs,
            quarantine: &quarantine,
            quarantined: &quarantined,
            repair,
        };
        contents.check(transaction, &mut report)?;
        // While rows are damaged or lost, unreferenced contents may be what is missing.
        let moves = repair && !report.is_damaged();
        let store = |key: i64, bytes: &[u8]| quarantine.store_content(key, bytes, now);
        report.add(transaction.orphan_contents(moves.then_some(&store))?);
        let marker = match repair {
            true => transaction.start_run(&markers, accept)?,
            false => None,
        };
        Ok((moves, find_orphans(transaction, &blobs)?, marker))
    })?;
    if let Some(marker) = marker {
        write_marker(&blobs, &marker).map_err(unusable)?;
    }
    // After the commit, which a failure would undo.
    let target = moves.then_some((&quarantine, now));
    report_orphans(&blobs, orphans, target, &mut report).map_err(unusable)?;
    let quarantined = quarantine.list().map_err(unusable)?;
    report.quarantine = quarantined.iter().map(QuarantinedContent::of).collect();
    let damaged = report.is_damaged();
    quarantine.set_held(damaged).map_err(unusable)?;
    Ok(report)
}

/// Writes and syncs the marker of a folder of blobs.
pub(crate) fn write_marker(blobs: &Path, marker: &FolderMarker) -> io::Result<()> {
    local::create_folders(blobs)?;
    let mut file = MarkerFile::open(blobs)?;
    file.write(marker)?;
    file.handle()?.sync_all()?;
    sync_folder(blobs)
}
