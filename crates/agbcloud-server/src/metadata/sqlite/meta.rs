//! The table `meta`: the secret of the store, and the marker that is compared with the one in the folder of blobs.

use std::io;

use rusqlite::{Connection, OptionalExtension, params};

use super::row_checksums;
use crate::markers::{CommitPosition, DatabaseMarker, RandomId, StoreMismatch, new_id};
use crate::metadata::StoreError;
use crate::metadata::record::ImportSource;
use crate::signing::Secret;
use crate::system::random::NoRandom;

/// The names of the rows.
const SECRET: &str = "secret";
const STORE: &str = "store";
const POSITION: &str = "position";
/// The source of an import that is not finished. Such a store is incomplete.
const IMPORTING: &str = "importing";
/// The rows of the marker.
pub(super) const MARKER: [&str; 2] = [STORE, POSITION];

/// Why a database can't be opened or checked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    #[error("it has the newer schema version {0}")]
    NewerSchema(i64),
    #[error("it has the older schema version {0}: start this version of the service on it once")]
    OlderSchema(i64),
    /// An import into it did not finish.
    #[error("an import into it did not finish: repeat the same import, or delete the store")]
    Importing,
    /// Not a target of an import.
    #[error("it contains a store already")]
    NotEmpty,
    /// Not a target of this import.
    #[error(
        "an import from another source into it did not finish: repeat that import, or delete the store"
    )]
    OtherImport,
    /// The database has a log, but no index of the log: no process has it open, and a reader would change it.
    #[error("it was not closed properly: a start of the server recovers it")]
    UnindexedLog,
    #[error(transparent)]
    Mismatch(#[from] StoreMismatch),
    /// The database is missing or empty, but there are blobs. A new database would treat all of them as garbage.
    #[error(
        "it is missing or empty although the folder \"blobs\" beside it contains files, so it was lost. To start without those \
         files, move that folder away"
    )]
    Lost,
    #[error("the row {0:?} of the table \"meta\" does not match its checksum")]
    DamagedMeta(String),
    #[error("it has contexts, but its secret is missing")]
    MissingSecret,
    #[error("its secret does not have 32 bytes")]
    InvalidSecret,
    #[error("the rows \"store\" and \"position\" of the table \"meta\" are missing or damaged")]
    InvalidMarker,
    #[error("its thread ended")]
    ThreadEnded,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    NoRandom(#[from] NoRandom),
}

fn value(db: &Connection, name: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    db.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| {
        row.get(0)
    })
    .optional()
}

fn set_value(db: &Connection, name: &str, value: &[u8]) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO meta (name, value) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value <> excluded.value",
    )?
    .execute(params![name, value])?;
    Ok(())
}

/// The names of the rows that do not match their checksum.
pub(super) fn damaged_rows(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let sum = row_checksums::expression("meta", "");
    let mut damaged = db.prepare(&format!("SELECT name FROM meta WHERE sum <> {sum}"))?;
    let names = damaged.query_map([], |row| row.get(0))?;
    names.collect()
}

/// The secret of the store. `None` for a store without contexts: it has signed nothing.
pub(super) fn secret(db: &Connection) -> Result<Option<Secret>, DatabaseError> {
    let Some(bytes) = value(db, SECRET)? else {
        let used = "SELECT EXISTS (SELECT 1 FROM contexts)";
        return match db.query_row(used, [], |row| row.get(0))? {
            true => Err(DatabaseError::MissingSecret),
            false => Ok(None),
        };
    };
    let secret = bytes.try_into().map_err(|_| DatabaseError::InvalidSecret)?;
    Ok(Some(Secret(secret)))
}

pub(super) fn set_secret(db: &Connection, secret: &Secret) -> rusqlite::Result<()> {
    set_value(db, SECRET, &secret.0)
}

/// The marker of the database. `None` if it has none yet.
pub(super) fn marker(db: &Connection) -> Result<Option<DatabaseMarker>, DatabaseError> {
    match (value(db, STORE)?, value(db, POSITION)?) {
        (None, None) => Ok(None),
        (Some(store), Some(position)) => DatabaseMarker::from_bytes(&store, &position)
            .map(Some)
            .ok_or(DatabaseError::InvalidMarker),
        _ => Err(DatabaseError::InvalidMarker),
    }
}

/// Updates the positions of the marker.
pub(super) fn set_marker_positions(
    db: &Connection,
    marker: DatabaseMarker,
) -> rusqlite::Result<()> {
    set_value(db, POSITION, &marker.positions())
}

/// Returns the source of an import that is not finished.
pub(super) fn importing(db: &Connection) -> Result<Option<ImportSource>, DatabaseError> {
    let Some(bytes) = value(db, IMPORTING)? else {
        return Ok(None);
    };
    let source = std::str::from_utf8(&bytes).ok();
    let source = source.and_then(ImportSource::parse);
    source.map(Some).ok_or(DatabaseError::OtherImport)
}

/// Fails if an import is not finished.
pub(super) fn check_complete(db: &Connection) -> Result<(), DatabaseError> {
    match value(db, IMPORTING)? {
        None => Ok(()),
        Some(_) => Err(DatabaseError::Importing),
    }
}

pub(super) fn set_importing(db: &Connection, source: &ImportSource) -> rusqlite::Result<()> {
    set_value(db, IMPORTING, source.to_text().as_bytes())
}

pub(super) fn clear_importing(db: &Connection) -> rusqlite::Result<()> {
    db.execute("DELETE FROM meta WHERE name = ?1", [IMPORTING])?;
    Ok(())
}

/// Starts a run of the store with this id, after `known`.
pub(super) fn start_run_of(
    db: &Connection,
    store: RandomId,
    known: Option<DatabaseMarker>,
) -> Result<DatabaseMarker, DatabaseError> {
    set_value(db, STORE, &store)?;
    let last = known.map_or(0, |marker| marker.position.sequence);
    let marker = DatabaseMarker {
        store,
        position: CommitPosition {
            run: new_id()?,
            sequence: last.saturating_add(1),
        },
        confirmed: None,
    };
    set_marker_positions(db, marker)?;
    Ok(marker)
}

/// Starts a run after `known` and after the commit with the number `at_least`, and stores its marker.
pub(super) fn start_run(
    db: &Connection,
    known: Option<DatabaseMarker>,
    at_least: u64,
) -> Result<DatabaseMarker, DatabaseError> {
    let store = match known {
        Some(marker) => marker.store,
        None => {
            let store = new_id()?;
            set_value(db, STORE, &store)?;
            store
        }
    };
    let last = known.map_or(0, |marker| marker.position.sequence);
    let marker = DatabaseMarker {
        store,
        position: CommitPosition {
            run: new_id()?,
            sequence: last.max(at_least).saturating_add(1),
        },
        confirmed: known.and_then(|marker| marker.confirmed),
    };
    set_marker_positions(db, marker)?;
    Ok(marker)
}
