//! The data folder: the names of its files, its lock, and whether it is still at its path.

mod backup_lock;
mod location;
mod lock;

pub(crate) use self::backup_lock::{BackupLock, BackupLockGuard};
pub(crate) use self::location::FolderLocation;
pub(crate) use self::lock::{FolderLock, ReadLock};

/// The database. Its permissions apply to the files that SQLite creates beside it, too.
pub(crate) const DATABASE: &str = "agb.sqlite3";
/// The write-ahead log of the database.
pub(crate) const DATABASE_WAL: &str = "agb.sqlite3-wal";
/// The folder of blobs.
pub(crate) const BLOBS: &str = "blobs";
/// The folder of unreferenced contents.
pub(crate) const QUARANTINE: &str = "quarantine";
/// The file that reserves disk space for deletions.
pub(crate) const RESERVE: &str = "reserve";
