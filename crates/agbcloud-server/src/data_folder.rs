//! Names of the files in a data folder.

/// The database. Its permissions apply to the files that SQLite creates beside it, too.
pub(crate) const DATABASE: &str = "agb.sqlite3";
/// The write-ahead log of the database.
pub(crate) const DATABASE_WAL: &str = "agb.sqlite3-wal";
