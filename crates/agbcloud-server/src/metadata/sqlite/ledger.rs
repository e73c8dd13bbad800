//! Numbers the commits, and keeps the mark in the folder of blobs behind them.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use super::state::{beside, store};
use crate::blobs::{local, sync_folder};
use crate::durability::Durability;
use crate::location::Location;
use crate::mark::{Mark, MarkFile, Position, State};
use crate::metadata::{Result, StoreError};

/// At most this long after a commit its mark is on the disk.
const INTERVAL: Duration = Duration::from_secs(1);

/// What the writing thread notes about its commits. Nothing for a store in memory.
pub(super) struct Ledger(Option<Arc<Book>>);

/// What the threads share.
pub(super) struct Book {
    state: State,
    strict: bool,
    committed: AtomicU64,
    confirmed: AtomicU64,
    file: Mutex<MarkFile>,
    handle: File,
    log: PathBuf,
    location: Location,
    /// Whether it is reported that the folder is not where it was.
    moved: AtomicBool,
}

/// The thread that syncs the mark; it ends when this is dropped.
pub(super) struct Keeper {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Ledger {
    /// For a store in memory.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Writes the first mark of a run whose state is committed, and remembers where everything is.
    pub(super) fn open(
        database: &Path,
        blobs: &Path,
        state: State,
        durability: Durability,
    ) -> io::Result<Self> {
        local::prepare(blobs)?;
        let log = beside(database, "-wal");
        let strict = durability == Durability::Strict;
        let file = MarkFile::open(blobs)?;
        let handle = file.handle()?;
        let data = database.parent().unwrap_or(Path::new("."));
        let book = Book {
            state,
            strict,
            committed: AtomicU64::new(state.position.sequence),
            confirmed: AtomicU64::new(0),
            file: Mutex::new(file),
            handle,
            location: Location::of(&[data, blobs], &[database, &log])?,
            log,
            moved: AtomicBool::new(false),
        };
        book.confirm()?;
        sync_folder(blobs)?;
        Ok(Self(Some(Arc::new(book))))
    }

    /// What others need of it.
    pub(super) fn book(&self) -> Option<Arc<Book>> {
        self.0.clone()
    }

    /// Whether the store is where it was opened.
    pub(super) fn check_location(&self) -> Result<()> {
        self.0.as_ref().map_or(Ok(()), |book| book.check_location())
    }

    /// Numbers the open transaction.
    pub(super) fn note(&self, db: &Connection) -> Result<()> {
        let Some(book) = &self.0 else {
            return Ok(());
        };
        let sequence = book.committed.load(Ordering::Acquire) + 1;
        store(db, &book.state_at(sequence))
    }

    /// Notes that the transaction is committed, before anybody learns it.
    pub(super) fn committed(&self) {
        let Some(book) = &self.0 else {
            return;
        };
        let sequence = book.committed.fetch_add(1, Ordering::AcqRel) + 1;
        // Without `strict` the commit may not be on the disk yet, and no mark may be there before it.
        if book.strict
            && let Err(error) = book.write(sequence)
        {
            tracing::warn!(%error, "the mark of the folder of blobs can't be written");
        }
    }

    /// Makes database and mark the same, when nothing is written any more.
    pub(super) fn close(&self, db: &Connection) {
        let Some(book) = &self.0 else {
            return;
        };
        let closed = book
            .confirm()
            .map_err(|error| StoreError::Failed(error.to_string()))
            .and_then(|()| store(db, &book.state_at(book.committed.load(Ordering::Acquire))));
        if let Err(error) = closed {
            tracing::warn!(%error, "the mark of the folder of blobs is not up to date");
        }
    }
}

impl Book {
    fn position(&self, sequence: u64) -> Position {
        Position {
            run: self.state.position.run,
            sequence,
        }
    }

    fn state_at(&self, sequence: u64) -> State {
        let confirmed = self.confirmed.load(Ordering::Acquire);
        State {
            position: self.position(sequence),
            confirmed: (confirmed > 0).then(|| self.position(confirmed)),
            ..self.state
        }
    }

    fn write(&self, sequence: u64) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write(&Mark {
            store: self.state.store,
            position: self.position(sequence),
            strict: self.strict,
        })
    }

    /// Brings the mark of all that is committed now to the disk.
    fn confirm(&self) -> io::Result<()> {
        let sequence = self.committed.load(Ordering::Acquire);
        if sequence == self.confirmed.load(Ordering::Acquire) {
            return Ok(());
        }
        if !self.strict {
            self.sync_log()?;
            self.write(sequence)?;
        } else if self.confirmed.load(Ordering::Acquire) == 0 {
            self.write(sequence)?;
        }
        self.handle.sync_data()?;
        self.confirmed.store(sequence, Ordering::Release);
        Ok(())
    }

    /// Brings all that is committed to the disk, where commits do not do that themselves.
    pub(super) fn settle(&self) -> io::Result<()> {
        match self.strict {
            true => Ok(()),
            false => self.sync_log(),
        }
    }

    fn sync_log(&self) -> io::Result<()> {
        let log = File::options().read(true).write(true).open(&self.log);
        match log.and_then(|log| log.sync_data()) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    pub(super) fn check_location(&self) -> Result<()> {
        self.location
            .check()
            .map_err(|moved| StoreError::Moved(moved.0))
    }

    fn tick(&self) {
        match self.location.check() {
            Ok(()) => {
                if self.moved.swap(false, Ordering::Relaxed) {
                    tracing::warn!("the data folder is back: writes are accepted again");
                }
                if let Err(error) = self.confirm() {
                    tracing::warn!(%error, "the mark of the folder of blobs can't be synced");
                }
            }
            Err(moved) => {
                if !self.moved.swap(true, Ordering::Relaxed) {
                    tracing::error!(%moved, "writes are refused until it is back");
                }
            }
        }
    }
}

impl Keeper {
    pub(super) fn start(book: Option<Arc<Book>>) -> io::Result<Self> {
        let Some(book) = book else {
            return Ok(Self {
                stop: None,
                thread: None,
            });
        };
        let (stop, stopped) = mpsc::channel();
        let keep = move || {
            while stopped.recv_timeout(INTERVAL) == Err(mpsc::RecvTimeoutError::Timeout) {
                book.tick();
            }
        };
        let thread = thread::Builder::new()
            .name("agb-mark".to_owned())
            .spawn(keep)?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
