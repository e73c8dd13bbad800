//! The tables, and how an older store becomes this one.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{marks, quota, row_sums, state};
use crate::blobs::local;
use crate::mark::{self, Mark, MarkFile, State, StoreMismatch};
use crate::signing::Secret;

/// The version of the schema that this binary writes. A store of a later one is refused.
pub(crate) const VERSION: i64 = 5;

/// The steps from each version to the next. Never edited once released: a new version is a new step.
const MIGRATIONS: [&str; 5] = [VERSION_1, VERSION_2, VERSION_3, quota::TABLE, VERSION_5];

/// A *tree* is all the files of one generation of a context. Clearing or deleting a context is leaving its
/// tree (`doomed`), which a worker then takes apart row by row; so neither depends on how much it holds.
///
/// A folder has a row for as long as something is in it, with the number of its children, so a listing is one
/// range of the primary key, and its count is one row. The root folder has an empty parent and an empty name.
const VERSION_1: &str = "
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tenants (
    tenant   TEXT PRIMARY KEY,
    contexts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE trees (
    pk      INTEGER PRIMARY KEY AUTOINCREMENT,
    context INTEGER NOT NULL,
    doomed  INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX trees_doomed ON trees (context) WHERE doomed = 1;

CREATE TABLE contexts (
    pk          INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    tenant      TEXT NOT NULL,
    region      TEXT NOT NULL,
    name        TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('available', 'clearing')),
    generation  INTEGER NOT NULL,
    tree        INTEGER NOT NULL REFERENCES trees (pk),
    create_time INTEGER NOT NULL,
    last_used   INTEGER NOT NULL,
    UNIQUE (tenant, region, name)
) STRICT;
CREATE INDEX contexts_order ON contexts (tenant, create_time, id);
CREATE INDEX contexts_tree ON contexts (tree);
CREATE INDEX contexts_clearing ON contexts (pk) WHERE state = 'clearing';

CREATE TABLE entries (
    tree        INTEGER NOT NULL REFERENCES trees (pk),
    parent      TEXT NOT NULL,
    name        TEXT NOT NULL,
    folder      INTEGER NOT NULL CHECK (folder IN (0, 1)),
    id          TEXT NOT NULL,
    created     INTEGER NOT NULL,
    modified    INTEGER NOT NULL,
    size        INTEGER NOT NULL DEFAULT 0,
    etag        TEXT,
    sha256      TEXT,
    blob        TEXT,
    child_count INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tree, parent, name, folder)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX entries_blob ON entries (blob) WHERE blob IS NOT NULL;

CREATE TABLE dead_blobs (
    blob TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
";

/// The CRC-64 of the content, its bits taken for those of a signed number. Files of before have none.
const VERSION_2: &str = "ALTER TABLE entries ADD COLUMN crc64 INTEGER;";

/// The content of small files: a file has either a blob or one of these. In a table of its own, so that the rows of
/// listings stay small. And the marks of large folders: see `marks.rs`.
const VERSION_3: &str = "
CREATE TABLE contents (
    pk    INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;
ALTER TABLE entries ADD COLUMN small INTEGER;

CREATE TABLE marks (
    tree    INTEGER NOT NULL REFERENCES trees (pk),
    parent  TEXT NOT NULL,
    level   INTEGER NOT NULL,
    name    TEXT NOT NULL,
    folder  INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    PRIMARY KEY (tree, parent, level, name, folder)
) STRICT, WITHOUT ROWID;
";
/// Since this version large folders have marks.
const MARKED: i64 = 3;

/// The checksums of rows (see `row_sums.rs`), and those of the blocks of a blob (see `blobs/blocks.rs`).
const VERSION_5: &str = "
ALTER TABLE meta ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE trees ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contexts ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE entries ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;

CREATE TABLE block_sums (
    blob  TEXT PRIMARY KEY,
    crc64 INTEGER NOT NULL,
    sums  BLOB NOT NULL,
    sum   INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
";
/// Since this version rows have checksums.
const SUMMED: i64 = 5;

/// The names of rows in the table `meta`.
const SECRET: &str = "secret";

/// Why a database can't be used.
#[derive(Debug)]
pub(crate) enum Unusable {
    Newer(i64),
    Mismatch(StoreMismatch),
    Failed(String),
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<rusqlite::Error> for Unusable {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Unusable {
    /// There is no database, or nothing in it, but there are the contents of files. A new store in its place would take
    /// all of them for leftovers.
    pub(crate) fn lost() -> Self {
        Self::Failed(
            "it is missing or empty although there are contents of files in the folder \"blobs\" beside it, so it was \
             lost. To begin anew without those files, move that folder away"
                .to_owned(),
        )
    }
}

/// Whether there is anything in the folder of blobs, or it can't be read. A folder with a mark belongs to a store, which
/// may have had small files only.
pub(crate) fn has_blobs(folder: &Path) -> bool {
    if !matches!(MarkFile::read(folder), Ok(None)) {
        return true;
    }
    // Those that the object store has not finished count too: what they belong to may be in the making of a restore.
    local::spread().any(|part| match local::names(&folder.join(part)) {
        Ok(names) => !names.is_empty(),
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    })
}

/// Brings the store to [`VERSION`], in the transaction that is open. An empty database is a new store only if there are
/// no blobs.
pub(crate) fn migrate(transaction: &Transaction<'_>, blobs: Option<&Path>) -> Result<(), Unusable> {
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found <= VERSION && is_empty(transaction)? && blobs.is_some_and(has_blobs) {
        return Err(Unusable::lost());
    }
    let done = match usize::try_from(found) {
        Ok(done) if done <= MIGRATIONS.len() => done,
        _ => return Err(Unusable::Newer(found)),
    };
    for migration in &MIGRATIONS[done..] {
        transaction.execute_batch(migration)?;
    }
    if found < MARKED {
        marks::build(transaction, None).map_err(|error| Unusable::Failed(error.to_string()))?;
    }
    if found < SUMMED {
        row_sums::stamp_all(transaction)?;
    }
    // A store that is up to date is not written to: it may be on a disk that is full.
    if found != VERSION {
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    Ok(())
}

fn is_empty(db: &Connection) -> rusqlite::Result<bool> {
    let tables = "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)";
    db.query_row(tables, [], |row| row.get(0))
}

/// A store that is ready.
pub(crate) struct Prepared {
    pub(crate) secret: Secret,
    /// The state that this run begins with; none in memory.
    pub(crate) state: Option<State>,
    /// The mark that was there before.
    pub(crate) before: Option<Mark>,
}

/// Brings the store, with blobs in the folder if there is one, to [`VERSION`], and begins a new run, all in one
/// transaction.
pub(crate) fn prepare(
    db: &mut Connection,
    blobs: Option<&Path>,
    new_secret: Secret,
) -> Result<Prepared, Unusable> {
    row_sums::register(db)?;
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    migrate(&transaction, blobs)?;
    row_sums::keep(&transaction)?;
    // Every start writes this one again.
    transaction.execute(
        &format!(
            "DELETE FROM meta WHERE name = ?1 AND sum <> {}",
            row_sums::expression("meta", "")
        ),
        [quota::LIMIT],
    )?;
    if let Some(name) = damaged_meta(&transaction)?.first() {
        return Err(Unusable::Failed(format!(
            "the row {name:?} of the table \"meta\" does not have its checksum"
        )));
    }
    let secret = match stored_secret(&transaction)? {
        Some(secret) => secret,
        None => {
            transaction.execute(
                "INSERT INTO meta (name, value) VALUES (?1, ?2)",
                params![SECRET, new_secret.0.as_slice()],
            )?;
            new_secret
        }
    };
    let (mut run, mut before) = (None, None);
    if let Some(blobs) = blobs {
        let known = state::stored(&transaction)?;
        before = MarkFile::read(blobs).map_err(|error| Unusable::Failed(error.to_string()))?;
        if let Err(mismatch) = mark::compare(known.as_ref(), before.as_ref()) {
            state::keep_log(blobs)?;
            return Err(Unusable::Mismatch(mismatch));
        }
        run = Some(state::begin_run(&transaction, known, 0)?);
    }
    transaction.commit()?;
    Ok(Prepared {
        secret,
        state: run,
        before,
    })
}

pub(super) fn meta(db: &Connection, name: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    db.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| {
        row.get(0)
    })
    .optional()
}

/// The names of rows of the table `meta` that do not have their checksum.
pub(super) fn damaged_meta(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let sum = row_sums::expression("meta", "");
    let mut damaged = db.prepare(&format!("SELECT name FROM meta WHERE sum <> {sum}"))?;
    let names = damaged.query_map([], |row| row.get(0))?;
    names.collect()
}

/// The objects of the schema that are missing or not as the migrations make them, and triggers that none of them makes, by
/// name.
pub(super) fn wrong_objects(db: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let expected = Connection::open_in_memory()?;
    for migration in MIGRATIONS {
        expected.execute_batch(migration)?;
    }
    let (found, expected) = (objects(db)?, objects(&expected)?);
    let missing = expected.difference(&found);
    let unknown = found
        .difference(&expected)
        .filter(|(_, definition)| definition.starts_with("trigger"));
    Ok(missing
        .chain(unknown)
        .map(|(name, _)| name.clone())
        .collect())
}

/// Names and definitions, white space aside: that depends on the way by which a store came to its version.
fn objects(db: &Connection) -> rusqlite::Result<BTreeSet<(String, String)>> {
    let mut objects = db.prepare(
        "SELECT name, type || ' ' || tbl_name || ' ' || coalesce(sql, '') FROM sqlite_schema
         WHERE name NOT LIKE 'sqlite_stat%'",
    )?;
    let objects = objects.query_map([], |row| {
        let text: String = row.get(1)?;
        Ok((row.get(0)?, text.split_whitespace().collect()))
    })?;
    objects.collect()
}

/// The secret of the store; none only where nothing can have been signed with one.
pub(crate) fn stored_secret(db: &Connection) -> Result<Option<Secret>, Unusable> {
    let Some(bytes) = meta(db, SECRET)? else {
        let used = "SELECT EXISTS (SELECT 1 FROM contexts)";
        return match db.query_row(used, [], |row| row.get(0))? {
            true => Err(Unusable::Failed(
                "it has contexts, but its secret is missing".to_owned(),
            )),
            false => Ok(None),
        };
    };
    let secret = bytes
        .try_into()
        .map_err(|_| Unusable::Failed("its secret does not have 32 bytes".to_owned()))?;
    Ok(Some(Secret(secret)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::StoreError;

    #[test]
    fn the_secret_of_the_first_start_stays() {
        let mut db = Connection::open_in_memory().unwrap();
        assert_eq!(
            prepare(&mut db, None, Secret([1; 32])).unwrap().secret.0,
            [1; 32]
        );
        assert_eq!(
            prepare(&mut db, None, Secret([2; 32])).unwrap().secret.0,
            [1; 32]
        );
    }

    #[test]
    fn a_lost_secret_is_made_anew_only_where_nothing_is_signed_with_it() {
        let mut db = Connection::open_in_memory().unwrap();
        prepare(&mut db, None, Secret([1; 32])).unwrap();
        db.execute_batch("DELETE FROM meta").unwrap();
        assert_eq!(
            prepare(&mut db, None, Secret([2; 32])).unwrap().secret.0,
            [2; 32]
        );
        db.execute_batch(
            "DELETE FROM meta;
             INSERT INTO trees (pk, context) VALUES (1, 1);
             INSERT INTO contexts VALUES (1, 'id', 'tenant', 'region', 'name', 'available', 1, 1, 0, 0, 0);",
        )
        .unwrap();
        let refused = prepare(&mut db, None, Secret([3; 32]));
        assert!(matches!(refused, Err(Unusable::Failed(reason)) if reason.contains("secret")));
        let stored: i64 = db
            .query_row("SELECT count(*) FROM meta", [], |row| row.get(0))
            .unwrap();
        assert_eq!(stored, 0);
    }

    #[test]
    fn an_older_store_keeps_its_files() {
        let mut db = Connection::open_in_memory().unwrap();
        db.execute_batch(VERSION_1).unwrap();
        db.pragma_update(None, "user_version", 1).unwrap();
        db.execute_batch(
            "INSERT INTO trees (pk, context) VALUES (1, 1);
             INSERT INTO entries (tree, parent, name, folder, id, created, modified, etag)
             VALUES (1, '/', 'a.txt', 0, 'file-1', 0, 0, 'abc');",
        )
        .unwrap();
        prepare(&mut db, None, Secret([1; 32])).unwrap();
        let row: (String, Option<i64>) = db
            .query_row("SELECT etag, crc64 FROM entries", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!(row, ("abc".to_owned(), None));
        let counted: (i64, i64) = db
            .query_row("SELECT tree, files FROM file_counts", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!(counted, (1, 1));
        let version: i64 = db
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        assert_eq!(version, VERSION);
    }

    #[test]
    fn the_files_of_a_store_of_version_3_are_counted() {
        let mut db = Connection::open_in_memory().unwrap();
        for migration in &MIGRATIONS[..3] {
            db.execute_batch(migration).unwrap();
        }
        db.pragma_update(None, "user_version", 3).unwrap();
        db.execute_batch(
            "INSERT INTO trees (pk, context) VALUES (1, 1), (2, 2), (3, 3);
             INSERT INTO entries (tree, parent, name, folder, id, created, modified)
             VALUES (1, '', '', 1, 'folder-1', 0, 0), (1, '/', 'a', 0, 'file-1', 0, 0), (1, '/', 'b', 1, 'folder-2', 0, 0),
                    (1, '/b', 'c', 0, 'file-2', 0, 0), (2, '/', 'a', 0, 'file-3', 0, 0), (3, '', '', 1, 'folder-3', 0, 0);",
        )
        .unwrap();
        prepare(&mut db, None, Secret([1; 32])).unwrap();
        let counts = |db: &Connection| {
            let mut query = db
                .prepare("SELECT tree, files FROM file_counts ORDER BY tree")
                .unwrap();
            let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
            rows.unwrap()
                .collect::<rusqlite::Result<Vec<(i64, i64)>>>()
                .unwrap()
        };
        assert_eq!(counts(&db), [(1, 2), (2, 1)]);
        // From here on they are kept.
        quota::limit(&db, 2).unwrap();
        let add = |tree: i64, name: &str| {
            db.execute(
                "INSERT INTO entries (tree, parent, name, folder, id, created, modified) VALUES (?1, '/', ?2, 0, ?2, 0, 0)",
                (tree, name),
            )
        };
        let error = add(1, "d").unwrap_err();
        assert!(
            matches!(quota::refused(&error), Some(StoreError::TooManyFiles)),
            "{error}"
        );
        for tree in [2, 3] {
            add(tree, "d").unwrap();
        }
        db.execute_batch("DELETE FROM entries WHERE tree = 1; DELETE FROM trees WHERE pk = 1")
            .unwrap();
        assert_eq!(counts(&db), [(2, 2), (3, 1)]);
    }

    #[test]
    fn a_store_of_version_4_gets_checksums_and_keeps_its_secret() {
        let mut db = Connection::open_in_memory().unwrap();
        for migration in &MIGRATIONS[..4] {
            db.execute_batch(migration).unwrap();
        }
        db.pragma_update(None, "user_version", 4).unwrap();
        db.execute_batch(
            "INSERT INTO meta VALUES ('secret', randomblob(32)), ('max_files', CAST('9' AS BLOB));
             INSERT INTO trees (pk, context) VALUES (1, 1);
             INSERT INTO contexts VALUES (1, 'id', 'tenant', 'region', 'name', 'available', 1, 1, 0, 0);
             INSERT INTO entries (tree, parent, name, folder, id, created, modified, blob)
             VALUES (1, '', '', 1, '', 0, 0, NULL), (1, '/', 'a', 0, 'file-1', 0, 0, '00/a');",
        )
        .unwrap();
        let secret: Vec<u8> = meta(&db, SECRET).unwrap().unwrap();
        for _ in 0..2 {
            let prepared = prepare(&mut db, None, Secret([1; 32])).unwrap();
            assert_eq!(prepared.secret.0.to_vec(), secret);
        }
        let wrong = |db: &Connection| -> i64 {
            let tables = ["meta", "trees", "contexts", "entries"].map(|table| {
                let sum = row_sums::expression(table, "");
                let query = format!("SELECT count(*) FROM {table} WHERE sum <> {sum}");
                db.query_row(&query, [], |row| row.get::<_, i64>(0))
                    .unwrap()
            });
            tables.into_iter().sum()
        };
        assert_eq!(wrong(&db), 0);
        assert!(wrong_objects(&db).unwrap().is_empty());
        // What this connection changes keeps its checksum.
        db.execute_batch(
            "UPDATE entries SET size = 5, modified = 7; UPDATE trees SET doomed = 1; UPDATE contexts SET tree = 1",
        )
        .unwrap();
        assert_eq!(wrong(&db), 0);
        db.execute_batch("DROP TRIGGER sum_entries_UPDATE; UPDATE entries SET size = 6")
            .unwrap();
        assert_eq!(wrong(&db), 2);
    }

    #[test]
    fn a_newer_store_is_refused_and_left_alone() {
        let mut db = Connection::open_in_memory().unwrap();
        db.pragma_update(None, "user_version", VERSION + 1).unwrap();
        assert!(
            matches!(prepare(&mut db, None, Secret([1; 32])), Err(Unusable::Newer(found)) if found == VERSION + 1)
        );
        let tables: i64 = db
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 0);
    }
}
