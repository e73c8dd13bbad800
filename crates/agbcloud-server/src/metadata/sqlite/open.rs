//! Opens a store: the database, its threads, and its reserve.

use std::io::ErrorKind;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tokio::sync::oneshot;

use super::commit_tracker::CommitTracker;
use super::direct_reads::{DirectConnection, DirectReads};
use super::disk_reserve::DiskReserve;
use super::meta::{self, DatabaseError};
use super::threads::{self, BUSY_TIMEOUT, CLOSE_TIMEOUT, ReadQueue, Readers};
use super::{Sqlite, row_checksums, schema};
use crate::blobs::{Quarantine, local};
use crate::data_folder::{BLOBS, DATABASE_WAL, FolderLock, RESERVE};
use crate::durability::Durability;
use crate::markers::{DatabaseMarker, FolderMarker, MarkerFile, check_match};
use crate::signing::Secret;
use crate::system::clock::{Clock, Micros, SystemClock};

const READERS: usize = 4;
/// Maximum number of connections for direct reads. Each has a cache of up to 2 MB.
const MAX_DIRECT: usize = 8;
/// Number of prepared statements that a connection keeps.
const STATEMENTS: usize = 64;
/// Size in bytes to which the write-ahead log is truncated after a burst.
const LOG_SIZE: i64 = 16 * 1024 * 1024;

/// An open store.
pub(crate) struct Opened {
    pub(crate) store: Sqlite,
    pub(crate) secret: Secret,
    /// The marker of the previous run in the folder of blobs.
    pub(crate) previous: Option<FolderMarker>,
}

/// The lock on the data folder and a sender that is dropped with it. Shared by all threads of a store.
struct Alive {
    // Dropped in this order: the folder is unlocked when the receiver notices the end.
    _lock: Option<FolderLock>,
    _running: mpsc::Sender<()>,
}

impl Alive {
    /// Also returns the receiver that disconnects when the last thread has ended.
    fn new(lock: Option<FolderLock>) -> (Arc<Self>, mpsc::Receiver<()>) {
        let (running, closed) = mpsc::channel();
        let alive = Alive {
            _lock: lock,
            _running: running,
        };
        (Arc::new(alive), closed)
    }
}

impl Sqlite {
    /// Opens the store in a data folder. A new store uses `secret`.
    pub(crate) async fn open(
        database: PathBuf,
        durability: Durability,
        lock: FolderLock,
        secret: Secret,
    ) -> Result<Opened, DatabaseError> {
        start(Some((database, durability)), Some(lock), secret).await
    }

    /// Opens a store in memory.
    pub(crate) async fn memory(secret: Secret) -> Result<(Self, Secret), DatabaseError> {
        let opened = start(None, None, secret).await?;
        Ok((opened.store, opened.secret))
    }
}

/// The path of the database, and its durability. `None` in memory.
type Files = Option<(PathBuf, Durability)>;

/// Starts the threads of a store, and waits until the database is ready.
async fn start(
    files: Files,
    lock: Option<FolderLock>,
    secret: Secret,
) -> Result<Opened, DatabaseError> {
    let (alive, closed) = Alive::new(lock);
    let (reader, readers_ended) = mpsc::channel::<()>();
    let reserve_released = Arc::<AtomicBool>::default();
    let (writer, queue) = threads::writer();
    let (ready, result) = oneshot::channel();
    let database = files.as_ref().map(|(database, _)| database.clone());
    let (writing, released) = (alive.clone(), reserve_released.clone());
    spawn("agb-write", move || {
        let opened = open_database(files.as_ref(), secret).and_then(|(db, tracker, prepared)| {
            let marker_thread = tracker.start_thread()?;
            Ok((db, tracker, prepared, marker_thread))
        });
        let (db, tracker, prepared, marker_thread) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                // Before the error is returned: the caller may retry immediately.
                drop(writing);
                let _ = ready.send(Err(error));
                return;
            }
        };
        if ready.send(Ok((tracker.clone(), prepared))).is_ok() {
            let reserve = match &files {
                Some((database, _)) => {
                    DiskReserve::open(database.with_file_name(RESERVE), released)
                }
                None => DiskReserve::none(),
            };
            queue.run(&db, reserve, &tracker);
            // The last connection that closes moves the log into the database, which a reader can't do.
            let _ = readers_ended.recv_timeout(CLOSE_TIMEOUT);
        }
        drop(marker_thread);
        tracker.close(&db);
        drop(db);
        drop(writing);
    })?;
    let ready = result.await.unwrap_or(Err(DatabaseError::ThreadEnded));
    let (tracker, prepared) = ready?;
    let guard = Guard {
        _reader: reader,
        _alive: alive,
    };
    let (readers, direct) = match &database {
        Some(database) => (
            Some(start_readers(database, &guard)?),
            open_direct(database, &guard)?,
        ),
        None => (None, DirectReads::new([])),
    };
    drop(guard);
    Ok(Opened {
        store: Sqlite {
            writer,
            tracker,
            reserve_released,
            readers,
            direct,
            closed: Mutex::new(closed),
        },
        secret: prepared.secret,
        previous: prepared.previous,
    })
}

/// What a reading connection keeps open: dropped after it.
#[derive(Clone)]
pub(super) struct Guard {
    _reader: mpsc::Sender<()>,
    _alive: Arc<Alive>,
}

fn start_readers(database: &Path, guard: &Guard) -> Result<Readers, DatabaseError> {
    let (readers, queue) = threads::readers(READERS);
    for _ in 0..READERS {
        let db = connect_reading(database, BUSY_TIMEOUT)?;
        let (queue, guard): (ReadQueue, Guard) = (queue.clone(), guard.clone());
        spawn("agb-read", move || {
            queue.run(&db);
            drop(db);
            drop(guard);
        })?;
    }
    Ok(readers)
}

/// One connection for each thread of the runtime.
fn open_direct(database: &Path, guard: &Guard) -> Result<DirectReads<Guard>, DatabaseError> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let connections: rusqlite::Result<Vec<_>> = (0..threads.min(MAX_DIRECT))
        .map(|_| {
            Ok(DirectConnection {
                // The threads of the runtime do not wait for locks.
                db: connect_reading(database, Duration::ZERO)?,
                _guard: guard.clone(),
            })
        })
        .collect();
    Ok(DirectReads::new(connections?))
}

fn connect_reading(database: &Path, busy_timeout: Duration) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(database, flags)?;
    db.busy_timeout(busy_timeout)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    row_checksums::register(&db)?;
    Ok(db)
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map(drop)
}

/// Opens the connection that writes, and prepares the database.
fn open_database(
    files: Option<&(PathBuf, Durability)>,
    secret: Secret,
) -> Result<(Connection, CommitTracker, Prepared), DatabaseError> {
    let mut db = match files {
        Some((database, durability)) => {
            // Opening a store needs disk space, which the reserve provides on a full disk.
            DiskReserve::remove(&database.with_file_name(RESERVE));
            connect(database, *durability)?
        }
        None => {
            let db = Connection::open_in_memory()?;
            db.pragma_update(None, "temp_store", "MEMORY")?;
            db
        }
    };
    db.pragma_update(None, "foreign_keys", true)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    let blobs = files.map(|(database, _)| database.with_file_name(BLOBS));
    let prepared = prepare(&mut db, blobs.as_deref(), secret)?;
    let tracker = match (files, blobs, prepared.marker) {
        (Some((database, durability)), Some(blobs), Some(marker)) => {
            CommitTracker::open(database, &blobs, marker, *durability)?
        }
        _ => CommitTracker::none(),
    };
    Ok((db, tracker, prepared))
}

pub(super) fn connect(database: &Path, durability: Durability) -> rusqlite::Result<Connection> {
    let db = Connection::open(database)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    // NORMAL may lose the last commits in a power failure, but never a part of one: the log is synced before it is moved into
    // the database, and not at each commit.
    let synchronous = match durability {
        Durability::Strict => "FULL",
        Durability::Relaxed | Durability::Memory => "NORMAL",
    };
    db.pragma_update(None, "synchronous", synchronous)?;
    // On macOS a plain fsync does not flush the cache of the disk. No effect on other systems.
    db.pragma_update(None, "fullfsync", true)?;
    db.pragma_update(None, "checkpoint_fullfsync", true)?;
    db.pragma_update(None, "journal_size_limit", LOG_SIZE)?;
    Ok(db)
}

/// The contents of a database that is ready.
pub(super) struct Prepared {
    pub(super) secret: Secret,
    /// The marker of this run. `None` in memory.
    pub(super) marker: Option<DatabaseMarker>,
    /// The marker of the previous run in the folder of blobs.
    pub(super) previous: Option<FolderMarker>,
}

/// Migrates a database and starts a run, in one transaction.
pub(super) fn prepare(
    db: &mut Connection,
    blobs: Option<&Path>,
    new_secret: Secret,
) -> Result<Prepared, DatabaseError> {
    row_checksums::register(db)?;
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    schema::migrate(&transaction, || blobs.is_some_and(has_blobs))?;
    row_checksums::create_triggers(&transaction)?;
    meta::check_complete(&transaction)?;
    if let Some(name) = meta::damaged_rows(&transaction)?.into_iter().next() {
        return Err(DatabaseError::DamagedMeta(name));
    }
    let secret = match meta::secret(&transaction)? {
        Some(secret) => secret,
        None => {
            meta::set_secret(&transaction, &new_secret)?;
            new_secret
        }
    };
    let (mut marker, mut previous) = (None, None);
    if let Some(blobs) = blobs {
        let known = meta::marker(&transaction)?;
        previous = MarkerFile::read(blobs)?;
        if let Err(mismatch) = check_match(known.as_ref(), previous.as_ref()) {
            copy_log(blobs)?;
            return Err(mismatch.into());
        }
        marker = Some(meta::start_run(&transaction, known, 0)?);
    }
    transaction.commit()?;
    Ok(Prepared {
        secret,
        marker,
        previous,
    })
}

/// Whether the folder contains blobs, staging files or a marker, or can't be read. A store with small files only has no blobs,
/// but a marker.
pub(crate) fn has_blobs(folder: &Path) -> bool {
    if !matches!(MarkerFile::read(folder), Ok(None)) {
        return true;
    }
    local::parts().any(|part| match local::file_names(&folder.join(part)) {
        Ok(names) => !names.is_empty(),
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    })
}

/// Copies the log of a database that does not match its folder of blobs to the quarantine, since closing the database deletes it.
pub(super) fn copy_log(blobs: &Path) -> std::io::Result<()> {
    let data = blobs.parent().unwrap_or(Path::new("."));
    let now = Micros::of(SystemClock.now());
    Quarantine::of(data).copy_log(&data.join(DATABASE_WAL), now)
}
