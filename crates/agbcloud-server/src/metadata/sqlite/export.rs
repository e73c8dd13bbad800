//! Reads a whole store from one snapshot, also while a service uses it. Changes nothing.

use std::ops::ControlFlow;
use std::path::Path;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, OpenFlags, Row};

use crate::metadata::check::{Problem, ProblemKind};
use super::meta::{self, DatabaseError};
use super::threads::BUSY_TIMEOUT;
use super::{row_checksums, schema};
use crate::markers::{FolderMarker, check_match};
use crate::metadata::record::{
    ContentRecord, ContextRecord, FileRecord, FolderRecord, ImportSource, Record, StoreIdentity,
    join,
};
use crate::system::clock::Micros;

/// Characters that a path in a URI keeps.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_');

/// Whether another process may be using a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DatabaseUse {
    /// A service is running.
    Running,
    /// The caller has excluded that, and there is no log that the database lacks. Opening it creates no files.
    Unused,
    /// The caller has excluded that, but the last process was killed and left a log.
    Killed,
}

/// One snapshot of a database.
pub(crate) struct Export {
    db: Connection,
}

/// A record, or a row that can't be copied.
pub(crate) type Exported = Result<Record, Problem>;

impl Export {
    /// Opens a database read-only and starts the snapshot.
    pub(crate) fn open(database: &Path, usage: DatabaseUse) -> Result<Self, DatabaseError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = match usage {
            // Without this, SQLite creates the files of an empty log.
            DatabaseUse::Unused if cfg!(unix) => {
                let path = percent_encode(database.as_os_str().as_encoded_bytes(), PATH);
                let flags = flags | OpenFlags::SQLITE_OPEN_URI;
                Connection::open_with_flags(format!("file:{path}?immutable=1"), flags)?
            }
            _ => Connection::open_with_flags(database, flags)?,
        };
        db.busy_timeout(BUSY_TIMEOUT)?;
        row_checksums::register(&db)?;
        db.execute_batch("BEGIN")?;
        let export = Self { db };
        // The first read starts the snapshot.
        let found: i64 = export
            .db
            .pragma_query_value(None, "user_version", |row| row.get(0))?;
        match found {
            0 => {}
            found if found > schema::VERSION => return Err(DatabaseError::NewerSchema(found)),
            found if found < schema::OLDEST_EXPORTED => {
                return Err(DatabaseError::OlderSchema(found));
            }
            _ => {}
        }
        Ok(export)
    }

    /// Whether there is no store in the database.
    pub(crate) fn is_empty(&self) -> Result<bool, DatabaseError> {
        Ok(schema::is_empty(&self.db)?)
    }

    /// Returns the source of an unfinished import.
    pub(crate) fn importing(&self) -> Result<Option<ImportSource>, DatabaseError> {
        meta::importing(&self.db)
    }

    /// Returns the id and the secret of the store. Fails if it is incomplete.
    pub(crate) fn identity(&self) -> Result<StoreIdentity, DatabaseError> {
        if let Some(name) = meta::damaged_rows(&self.db)?.into_iter().next() {
            return Err(DatabaseError::DamagedMeta(name));
        }
        meta::check_complete(&self.db)?;
        let secret = meta::secret(&self.db)?.ok_or(DatabaseError::MissingSecret)?;
        let marker = meta::marker(&self.db)?.ok_or(DatabaseError::InvalidMarker)?;
        Ok(StoreIdentity {
            id: marker.store,
            secret,
        })
    }

    /// Fails if the folder of blobs does not belong to the database. Only for a store that no service uses.
    pub(crate) fn check_marker(&self, folder: Option<&FolderMarker>) -> Result<(), DatabaseError> {
        Ok(check_match(meta::marker(&self.db)?.as_ref(), folder)?)
    }

    /// Visits all records in order, until `visit` ends it.
    pub(crate) fn each_record(
        &self,
        mut visit: impl FnMut(Exported) -> ControlFlow<()>,
    ) -> Result<(), DatabaseError> {
        let sum = row_checksums::expression("contexts", "");
        let mut contexts = self.db.prepare(&format!(
            "SELECT tenant, region, id, name, generation, create_time, last_used, tree, sum = {sum}
             FROM contexts ORDER BY tenant, create_time, id"
        ))?;
        let mut rows = contexts.query([])?;
        while let Some(row) = rows.next()? {
            let context = ContextRecord {
                tenant: row.get(0)?,
                region: row.get(1)?,
                id: row.get(2)?,
                name: row.get(3)?,
                generation: row.get(4)?,
                create_time: Micros(row.get(5)?),
                last_used: Micros(row.get(6)?),
            };
            let (tree, valid): (i64, bool) = (row.get(7)?, row.get(8)?);
            let id = context.id.clone();
            let exported = match valid {
                true => Ok(Record::Context(context)),
                false => Err(ProblemKind::ContextChecksum.at(Some(id.clone()), None)),
            };
            if visit(exported).is_break() || self.each_entry(&id, tree, &mut visit)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn each_entry(
        &self,
        context: &str,
        tree: i64,
        visit: &mut impl FnMut(Exported) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, DatabaseError> {
        let sum = row_checksums::expression("entries", "entries.");
        let mut entries = self.db.prepare_cached(&format!(
            "SELECT parent, name, folder, id, created, modified, child_count, size, etag, sha256, crc64, blob, bytes,
                    entries.sum = {sum}
             FROM entries LEFT JOIN contents ON contents.pk = small WHERE tree = ?1 ORDER BY parent, name, folder"
        ))?;
        let mut rows = entries.query([tree])?;
        while let Some(row) = rows.next()? {
            if visit(entry(row, context)?).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn entry(row: &Row<'_>, context: &str) -> rusqlite::Result<Exported> {
    let (parent, name): (String, String) = (row.get(0)?, row.get(1)?);
    let problem = |kind: ProblemKind, parent: &str, name: &str| {
        Err(kind.at(Some(context.to_owned()), Some(join(parent, name))))
    };
    if !row.get::<_, bool>(13)? {
        return Ok(problem(ProblemKind::EntryChecksum, &parent, &name));
    }
    let (id, created, modified) = (row.get(3)?, Micros(row.get(4)?), Micros(row.get(5)?));
    if row.get(2)? {
        return Ok(Ok(Record::Folder(FolderRecord {
            parent,
            name,
            id,
            created,
            modified,
            entries: row.get(6)?,
        })));
    }
    let inline: Option<Vec<u8>> = row.get(12)?;
    let blob: Option<String> = row.get(11)?;
    let content = match (inline, blob) {
        (Some(bytes), _) => ContentRecord::Inline(Bytes::from(bytes)),
        (None, Some(blob)) => ContentRecord::Blob(blob),
        (None, None) => return Ok(problem(ProblemKind::MissingContent, &parent, &name)),
    };
    Ok(Ok(Record::File(FileRecord {
        parent,
        name,
        id,
        created,
        modified,
        size: u64::try_from(row.get::<_, i64>(7)?).unwrap_or(0),
        etag: row.get::<_, Option<String>>(8)?.unwrap_or_default(),
        sha256: row.get(9)?,
        crc64: row.get::<_, Option<i64>>(10)?.map(i64::cast_unsigned),
        content,
    })))
}
