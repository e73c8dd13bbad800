//! How the store is opened: the connection that writes, its thread, and what belongs to it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::ledger::{Book, Keeper, Ledger};
use super::reserve::Reserve;
use super::schema::{self, Unusable};
use super::writer::{self, Writer};
use super::{BUSY, CLOSE};
use crate::durability::Durability;
use crate::mark::Mark;
use crate::ownership::Ownership;
use crate::signing::Secret;

/// Bytes that the write-ahead log keeps between bursts.
const LOG_KEPT: i64 = 16 * 1024 * 1024;

/// What all threads of one store hold: the ownership of the folder, and the sign that they still run.
pub(super) struct Alive {
    // Dropped in this order: who sees that nothing runs any more may take the folder.
    _lock: Option<Ownership>,
    _running: mpsc::Sender<()>,
}

impl Alive {
    /// And what hangs up when the last of them has gone.
    pub(super) fn new(lock: Option<Ownership>) -> (Arc<Self>, mpsc::Receiver<()>) {
        let (running, closed) = mpsc::channel();
        (
            Arc::new(Alive {
                _running: running,
                _lock: lock,
            }),
            closed,
        )
    }
}

pub(super) fn open_file(path: &Path, durability: Durability) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    db.busy_timeout(BUSY)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    // NORMAL may lose the last commits with the power, but never a part of one: the log is synced before it is moved
    // into the database, and not at each commit.
    let synchronous = match durability {
        Durability::Strict => "FULL",
        Durability::Relaxed | Durability::Memory => "NORMAL",
    };
    db.pragma_update(None, "synchronous", synchronous)?;
    // On macOS a plain fsync stops at the disk's cache. Elsewhere these say nothing.
    db.pragma_update(None, "fullfsync", true)?;
    db.pragma_update(None, "checkpoint_fullfsync", true)?;
    // What a burst of small files has made of the log is given back once it is in the database.
    db.pragma_update(None, "journal_size_limit", LOG_KEPT)?;
    Ok(db)
}

/// What the writing thread needs.
pub(super) struct Opening {
    /// That of a new store.
    pub(super) secret: Secret,
    /// The database, the folder of blobs and what a commit survives, if they are files.
    pub(super) files: Option<(PathBuf, PathBuf, Durability)>,
    pub(super) alive: Arc<Alive>,
    pub(super) readers_gone: mpsc::Receiver<()>,
    /// Called when the store is of this version.
    pub(super) reserve: Box<dyn FnOnce() -> Reserve + Send>,
}

/// A writing thread that runs.
pub(super) struct Started {
    pub(super) writer: Writer,
    pub(super) secret: Secret,
    pub(super) before: Option<Mark>,
    pub(super) book: Option<Arc<Book>>,
}

pub(super) async fn start_writer(
    opening: Opening,
    open: impl FnOnce() -> rusqlite::Result<Connection> + Send + 'static,
) -> Result<Started, Unusable> {
    let Opening {
        secret,
        files,
        alive,
        readers_gone,
        reserve,
    } = opening;
    let (writer, queue) = writer::channel();
    let (opened, result) = oneshot::channel();
    spawn("agb-write", move || {
        let prepared = open().map_err(Unusable::from).and_then(|db| {
            let (db, prepared, ledger) = prepare(db, files, secret)?;
            let keeper = Keeper::start(ledger.book())?;
            Ok((db, prepared, ledger, keeper))
        });
        match prepared {
            Ok((db, prepared, ledger, keeper)) => {
                if opened.send(Ok((prepared, ledger.book()))).is_ok() {
                    queue.run(&db, reserve(), &ledger);
                    // The last connection that closes moves the log into the database, which a reader can't.
                    let _ = readers_gone.recv_timeout(CLOSE);
                }
                drop(keeper);
                ledger.close(&db);
                drop(db);
                drop(alive);
            }
            Err(error) => {
                // First: whoever reads of the failure may try again at once.
                drop(alive);
                let _ = opened.send(Err(error));
            }
        }
    })?;
    let (prepared, book) = result
        .await
        .unwrap_or_else(|_| Err(Unusable::Failed("its thread ended".to_owned())))?;
    Ok(Started {
        writer,
        secret: prepared.secret,
        before: prepared.before,
        book,
    })
}

/// Makes the database ready for its first job.
fn prepare(
    mut db: Connection,
    files: Option<(PathBuf, PathBuf, Durability)>,
    secret: Secret,
) -> Result<(Connection, schema::Prepared, Ledger), Unusable> {
    db.pragma_update(None, "foreign_keys", true)?;
    db.set_prepared_statement_cache_capacity(64);
    let blobs = files.as_ref().map(|(_, blobs, _)| blobs.as_path());
    let prepared = schema::prepare(&mut db, blobs, secret)?;
    let ledger = match (&files, prepared.state) {
        (Some((database, blobs, durability)), Some(state)) => {
            Ledger::open(database, blobs, state, *durability)?
        }
        _ => Ledger::none(),
    };
    Ok((db, prepared, ledger))
}

pub(super) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Unusable> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map(drop)
        .map_err(|error| Unusable::Failed(format!("no thread for the database: {error}")))
}
