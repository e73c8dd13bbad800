//! Reads the usage of tenants from a database that another process may have open.

use std::path::{Path, PathBuf};

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, OpenFlags};

use super::meta::{self, DatabaseError};
use super::threads::BUSY_TIMEOUT;
use super::{schema, usage};
use crate::metadata::Usage;
use crate::signing::{Secret, Tenant};

/// A database that is read beside its owner.
pub(crate) struct UsageReader {
    db: Connection,
}

impl UsageReader {
    /// Opens a database without taking its lock. Creates no files, whose owner could be another user than that of the server.
    ///
    /// A log in use has an index beside it: then a reader shares both with the server, as the readers of the server do, and
    /// never blocks it. Without a log, no process has the database open, and it is read as an immutable file.
    pub(crate) fn open(database: &Path) -> Result<Self, DatabaseError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let has_log = beside(database, "-wal").exists();
        if has_log && !beside(database, "-shm").exists() {
            return Err(DatabaseError::UnindexedLog);
        }
        let db = if has_log || cfg!(not(unix)) {
            Connection::open_with_flags(database, flags)?
        } else {
            Connection::open_with_flags(immutable(database), flags | OpenFlags::SQLITE_OPEN_URI)?
        };
        db.busy_timeout(BUSY_TIMEOUT)?;
        let found: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match found {
            schema::VERSION => Ok(Self { db }),
            newer if newer > schema::VERSION => Err(DatabaseError::NewerSchema(newer)),
            older => Err(DatabaseError::OlderSchema(older)),
        }
    }

    /// Returns the secret of the store. `None` for a store without contexts.
    pub(crate) fn secret(&self) -> Result<Option<Secret>, DatabaseError> {
        meta::secret(&self.db)
    }

    pub(crate) fn tenant(&self, tenant: &Tenant) -> Result<Usage, DatabaseError> {
        Ok(usage::of_tenant(&self.db, tenant)?)
    }
}

/// Returns the path of a file that SQLite creates beside a database.
fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Returns the URI of a database that no process changes.
fn immutable(database: &Path) -> String {
    let path = percent_encode(database.as_os_str().as_encoded_bytes(), NON_ALPHANUMERIC);
    format!("file:{path}?immutable=1")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::metadata::sqlite::open::prepare;

    /// Creates a database with one tenant, and returns its connection.
    fn database(path: &Path) -> Connection {
        let mut db = Connection::open(path).unwrap();
        db.pragma_update(None, "journal_mode", "WAL").unwrap();
        prepare(&mut db, None, Secret([1; 32])).unwrap();
        db.execute_batch("INSERT INTO tenants VALUES ('t', 1, 2, 30)")
            .unwrap();
        db
    }

    fn files(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_database_is_read_beside_its_owner_and_without_one() {
        let folder = tempfile::tempdir().unwrap();
        // Characters that are special in a URI.
        let inner = folder.path().join("a b%20?#ä");
        fs::create_dir(&inner).unwrap();
        let path = inner.join("db");
        let owner = database(&path);
        let usage = || {
            let reader = UsageReader::open(&path).unwrap();
            assert_eq!(reader.secret().unwrap().unwrap().0, [1; 32]);
            let usage = reader.tenant(&Tenant::from("t")).unwrap();
            (usage.files, usage.bytes)
        };
        assert_eq!(usage(), (2, 30));
        owner
            .execute_batch("BEGIN IMMEDIATE; UPDATE tenants SET files = 3")
            .unwrap();
        assert_eq!(usage(), (2, 30), "not committed");
        owner.execute_batch("COMMIT").unwrap();
        assert_eq!(usage(), (3, 30));
        drop(owner);
        assert_eq!(files(&inner), 1);
        assert_eq!(usage(), (3, 30));
        assert_eq!(files(&inner), 1, "a reader leaves no files");
    }

    #[test]
    fn a_database_that_can_not_be_read_safely_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        assert!(UsageReader::open(&path).is_err(), "it does not exist");
        assert_eq!(files(folder.path()), 0);
        let owner = database(&path);
        let copy = folder.path().join("copy");
        fs::copy(&path, &copy).unwrap();
        fs::copy(beside(&path, "-wal"), beside(&copy, "-wal")).unwrap();
        let refused = UsageReader::open(&copy).err();
        assert!(matches!(refused, Some(DatabaseError::UnindexedLog)));
        for (version, is_newer) in [(schema::VERSION + 1, true), (schema::VERSION - 1, false)] {
            owner.pragma_update(None, "user_version", version).unwrap();
            match UsageReader::open(&path).err() {
                Some(DatabaseError::NewerSchema(found)) => assert!(is_newer && found == version),
                Some(DatabaseError::OlderSchema(found)) => assert!(!is_newer && found == version),
                other => panic!("{other:?}"),
            }
        }
    }
}
