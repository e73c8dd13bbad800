//! The state of the store in its database, which the mark of the folder of blobs is compared with.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::schema::{Unusable, meta};
use crate::blobs::Quarantine;
use crate::clock::{Clock, Micros, SystemClock};
use crate::data_folder::DATABASE;
use crate::mark::{self, Position, State};
use crate::metadata::Result as Stored;

/// The names of rows in the table `meta`.
pub(super) const STORE: &str = "store";
pub(super) const POSITION: &str = "position";

/// Keeps the log of a database that does not belong to its folder of blobs, before the connection ends it.
pub(super) fn keep_log(blobs: &Path) -> io::Result<()> {
    let data = blobs.parent().unwrap_or(Path::new("."));
    let log = beside(&data.join(DATABASE), "-wal");
    Quarantine::of(data).keep_log(&log, Micros::of(SystemClock.now()))
}

/// Begins a run in the transaction that is open, behind all that is known and behind `at_least`.
pub(super) fn begin_run(
    db: &Connection,
    known: Option<State>,
    at_least: u64,
) -> Result<State, Unusable> {
    let failed = |error: &dyn std::fmt::Display| Unusable::Failed(error.to_string());
    let run = mark::new_id().map_err(|error| failed(&error))?;
    let last = known.map_or(0, |state| state.position.sequence);
    let id = match known {
        Some(state) => state.store,
        None => {
            let id = mark::new_id().map_err(|error| failed(&error))?;
            db.execute(
                "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)",
                params![STORE, id.as_slice()],
            )?;
            id
        }
    };
    let state = State {
        store: id,
        position: Position {
            run,
            sequence: last.max(at_least).saturating_add(1),
        },
        confirmed: known.and_then(|state| state.confirmed),
    };
    store(db, &state).map_err(|error| failed(&error))?;
    Ok(state)
}

/// The state of the store; none if it has not had one yet.
pub(super) fn stored(db: &Connection) -> Result<Option<State>, Unusable> {
    let (store, position) = (meta(db, STORE)?, meta(db, POSITION)?);
    match (store, position) {
        (None, None) => Some(None),
        (Some(store), Some(position)) => State::from_bytes(&store, &position).map(Some),
        _ => None,
    }
    .ok_or_else(|| Unusable::Failed("its id or its position is missing or damaged".to_owned()))
}

/// Writes a state into the transaction that is open.
pub(super) fn store(db: &Connection, state: &State) -> Stored<()> {
    db.prepare_cached(
        "INSERT INTO meta (name, value) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )?
    .execute(params![POSITION, state.to_bytes().as_slice()])?;
    Ok(())
}

/// The path of what SQLite puts beside a database.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
