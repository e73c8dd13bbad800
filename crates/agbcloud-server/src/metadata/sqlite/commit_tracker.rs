//! Numbers the commits, and writes the marker file in the folder of blobs after them.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use super::meta;
use crate::blobs::local::create_folders;
use crate::data_folder::{DATABASE_WAL, FolderLocation};
use crate::durability::Durability;
use crate::markers::{CommitPosition, DatabaseMarker, FolderMarker, MarkerFile};
use crate::metadata::{Result, StoreError};
use crate::system::durable_fs::sync_folder;

/// Interval at which the marker file is synced.
const INTERVAL: Duration = Duration::from_secs(1);

/// Tracks the commits of a store. Clones share one state. Does nothing for a store in memory.
#[derive(Clone)]
pub(super) struct CommitTracker(Option<Arc<Tracked>>);

struct Tracked {
    /// The marker at the start of the run.
    start: DatabaseMarker,
    strict: bool,
    /// The number of the last commit.
    committed: AtomicU64,
    /// The number of the last commit whose marker is on the disk.
    confirmed: AtomicU64,
    file: Mutex<MarkerFile>,
    /// Another handle to the marker file, for syncing without the lock.
    handle: File,
    log: PathBuf,
    location: FolderLocation,
    /// Whether a move of the data folder is logged.
    moved: AtomicBool,
}

/// The thread that syncs the marker file. It ends when this is dropped.
pub(super) struct MarkerThread(Option<(mpsc::Sender<()>, thread::JoinHandle<()>)>);

impl CommitTracker {
    /// For a store in memory.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Writes the first marker of a run whose start is committed, and records the location of the files.
    pub(super) fn open(
        database: &Path,
        blobs: &Path,
        start: DatabaseMarker,
        durability: Durability,
    ) -> io::Result<Self> {
        create_folders(blobs)?;
        let log = database.with_file_name(DATABASE_WAL);
        let file = MarkerFile::open(blobs)?;
        let handle = file.handle()?;
        let data = database.parent().unwrap_or(Path::new("."));
        let tracked = Tracked {
            start,
            strict: durability == Durability::Strict,
            committed: AtomicU64::new(start.position.sequence),
            confirmed: AtomicU64::new(0),
            file: Mutex::new(file),
            handle,
            location: FolderLocation::of(&[data, blobs], &[database, &log])?,
            log,
            moved: AtomicBool::new(false),
        };
        tracked.confirm()?;
        sync_folder(blobs)?;
        Ok(Self(Some(Arc::new(tracked))))
    }

    /// Starts the thread that syncs the marker file.
    pub(super) fn start_thread(&self) -> io::Result<MarkerThread> {
        let Some(tracked) = self.0.clone() else {
            return Ok(MarkerThread(None));
        };
        let (stop, stopped) = mpsc::channel();
        let run = move || {
            while stopped.recv_timeout(INTERVAL) == Err(mpsc::RecvTimeoutError::Timeout) {
                tracked.tick();
            }
        };
        let thread = thread::Builder::new()
            .name("agb-marker".to_owned())
            .spawn(run)?;
        Ok(MarkerThread(Some((stop, thread))))
    }

    /// Fails if the store was moved, removed or replaced.
    pub(super) fn check_location(&self) -> Result<()> {
        let Some(tracked) = &self.0 else {
            return Ok(());
        };
        let checked = tracked.location.check();
        checked.map_err(|moved| StoreError::Moved(moved.0))
    }

    /// Stores the number of the next commit in the open transaction.
    pub(super) fn number_commit(&self, db: &Connection) -> Result<()> {
        let Some(tracked) = &self.0 else {
            return Ok(());
        };
        let sequence = tracked.committed.load(Ordering::Acquire) + 1;
        Ok(meta::set_marker_positions(db, tracked.marker(sequence))?)
    }

    /// Records that the transaction is committed. Called before the commit is acknowledged.
    pub(super) fn record_commit(&self) {
        let Some(tracked) = &self.0 else {
            return;
        };
        let sequence = tracked.committed.fetch_add(1, Ordering::AcqRel) + 1;
        // In other modes the commit may not be on the disk yet, and the marker must not be there before it.
        if tracked.strict
            && let Err(error) = tracked.write(sequence)
        {
            tracing::warn!(%error, "failed to write the marker file blobs/mark");
        }
    }

    /// Waits until all commits are on the disk, in modes where commits do not wait for it.
    pub(super) fn sync_commits(&self) -> Result<()> {
        match &self.0 {
            Some(tracked) if !tracked.strict => {
                let synced = tracked.sync_log();
                synced.map_err(|error| StoreError::Failed(error.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Brings the marker file and the database to the same state after the last commit.
    pub(super) fn close(&self, db: &Connection) {
        let Some(tracked) = &self.0 else {
            return;
        };
        let closed = tracked
            .confirm()
            .map_err(|error| StoreError::Failed(error.to_string()))
            .and_then(|()| {
                let marker = tracked.marker(tracked.committed.load(Ordering::Acquire));
                Ok(meta::set_marker_positions(db, marker)?)
            });
        if let Err(error) = closed {
            tracing::warn!(%error, "failed to update the marker file blobs/mark");
        }
    }
}

impl Tracked {
    fn position(&self, sequence: u64) -> CommitPosition {
        CommitPosition {
            run: self.start.position.run,
            sequence,
        }
    }

    fn marker(&self, sequence: u64) -> DatabaseMarker {
        let confirmed = self.confirmed.load(Ordering::Acquire);
        DatabaseMarker {
            store: self.start.store,
            position: self.position(sequence),
            confirmed: (confirmed > 0).then(|| self.position(confirmed)),
        }
    }

    fn write(&self, sequence: u64) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write(&FolderMarker {
            store: self.start.store,
            position: self.position(sequence),
            strict: self.strict,
        })
    }

    /// Writes and syncs the marker of the last commit.
    fn confirm(&self) -> io::Result<()> {
        let sequence = self.committed.load(Ordering::Acquire);
        let confirmed = self.confirmed.load(Ordering::Acquire);
        if sequence == confirmed {
            return Ok(());
        }
        if !self.strict {
            self.sync_log()?;
            self.write(sequence)?;
        } else if confirmed == 0 {
            self.write(sequence)?;
        }
        self.handle.sync_data()?;
        self.confirmed.store(sequence, Ordering::Release);
        Ok(())
    }

    fn sync_log(&self) -> io::Result<()> {
        let log = File::options().read(true).write(true).open(&self.log);
        match log.and_then(|log| log.sync_data()) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    fn tick(&self) {
        match self.location.check() {
            Ok(()) => {
                if self.moved.swap(false, Ordering::Relaxed) {
                    tracing::warn!("the data folder is back at its path: writes succeed again");
                }
                if let Err(error) = self.confirm() {
                    tracing::warn!(%error, "failed to sync the marker file blobs/mark");
                }
            }
            Err(moved) => {
                if !self.moved.swap(true, Ordering::Relaxed) {
                    tracing::error!(%moved, "writes fail until the data folder is back at its path");
                }
            }
        }
    }
}

impl Drop for MarkerThread {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}
