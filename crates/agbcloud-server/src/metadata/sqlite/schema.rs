//! The tables, and the migrations from older versions.

use std::collections::BTreeSet;

use rusqlite::{Connection, Transaction};

use super::meta::DatabaseError;
use super::{offset_index, row_checksums};

/// The schema version of this release. A database with a newer one is rejected.
pub(crate) const VERSION: i64 = 6;

/// The migrations from each version to the next. Never changed once released: a change of the schema is another migration.
const MIGRATIONS: [&str; 6] = [
    VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6,
];

/// A *tree* contains the files of one generation of a context. To clear or delete a context, its tree is marked as `doomed`; the
/// garbage collector deletes the rows later. So neither operation depends on the number of files.
///
/// A folder has a row, with the number of its children, as long as it is not empty. So a listing is one range of the primary
/// key, and its count is in one row. The root folder has an empty parent and an empty name.
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

/// The CRC-64 of the content, as a signed number with the same bits. Older files have none.
const VERSION_2: &str = "ALTER TABLE entries ADD COLUMN crc64 INTEGER;";

/// Inline contents: a file has either a blob or a row in `contents`, which is a separate table so that listings read small rows.
/// `marks` is the offset index of large folders: see `offset_index.rs`.
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
/// Large folders are indexed since this version.
const INDEXED: i64 = 3;

/// The number of files of each tree, and the limit on it. Triggers maintain and enforce them for every statement.
const VERSION_4: &str = "
CREATE TABLE file_counts (
    tree  INTEGER PRIMARY KEY,
    files INTEGER NOT NULL
) STRICT;
INSERT INTO file_counts SELECT tree, count(*) FROM entries WHERE folder = 0 GROUP BY tree;

CREATE TRIGGER file_refused BEFORE INSERT ON entries WHEN NEW.folder = 0 BEGIN
    SELECT RAISE(ABORT, 'too many files') FROM file_counts
    WHERE tree = NEW.tree
      AND files >= (SELECT CAST(CAST(value AS TEXT) AS INTEGER) FROM meta WHERE name = 'max_files');
END;
CREATE TRIGGER file_counted AFTER INSERT ON entries WHEN NEW.folder = 0 BEGIN
    INSERT INTO file_counts VALUES (NEW.tree, 1) ON CONFLICT (tree) DO UPDATE SET files = files + 1;
END;
CREATE TRIGGER file_gone AFTER DELETE ON entries WHEN OLD.folder = 0 BEGIN
    UPDATE file_counts SET files = files - 1 WHERE tree = OLD.tree;
END;
CREATE TRIGGER tree_gone AFTER DELETE ON trees BEGIN
    DELETE FROM file_counts WHERE tree = OLD.pk;
END;
";

/// The checksums of rows (see `row_checksums.rs`), and those of the blocks of blobs (see `blobs/block_checksums.rs`).
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
/// Rows have checksums since this version.
const CHECKSUMMED: i64 = 5;

/// The oldest version that can be copied without a migration.
pub(super) const OLDEST_EXPORTED: i64 = CHECKSUMMED;

/// The usage of trees, tenants and of the store. Triggers maintain it for every statement, so a clear or a deletion of a context
/// changes it at once: a doomed tree belongs to no context. Quotas replace the limit on the files of a tree.
///
/// `total` instead of `sum`: damaged sizes must not fail the migration by an overflow.
const VERSION_6: &str = "
DROP TRIGGER file_refused;
DROP TRIGGER file_counted;
DROP TRIGGER file_gone;
DELETE FROM meta WHERE name = 'max_files';

ALTER TABLE file_counts ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE file_counts SET bytes =
    (SELECT CAST(total(size) AS INTEGER) FROM entries WHERE entries.tree = file_counts.tree AND folder = 0);
ALTER TABLE tenants ADD COLUMN files INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tenants ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE tenants SET (files, bytes) =
    (SELECT CAST(total(c.files) AS INTEGER), CAST(total(c.bytes) AS INTEGER)
     FROM contexts JOIN file_counts c ON c.tree = contexts.tree WHERE contexts.tenant = tenants.tenant);
CREATE TABLE total_usage (
    pk    INTEGER PRIMARY KEY CHECK (pk = 1),
    files INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;
INSERT INTO total_usage SELECT 1, CAST(total(files) AS INTEGER), CAST(total(bytes) AS INTEGER) FROM tenants;

CREATE TRIGGER file_counted AFTER INSERT ON entries WHEN NEW.folder = 0 BEGIN
    INSERT INTO file_counts (tree, files, bytes) VALUES (NEW.tree, 1, NEW.size)
    ON CONFLICT (tree) DO UPDATE SET files = files + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER file_replaced AFTER UPDATE OF size ON entries WHEN NEW.folder = 0 AND NEW.size <> OLD.size BEGIN
    UPDATE file_counts SET bytes = bytes - OLD.size + NEW.size WHERE tree = NEW.tree;
END;
CREATE TRIGGER file_gone AFTER DELETE ON entries WHEN OLD.folder = 0 BEGIN
    UPDATE file_counts SET files = files - 1, bytes = bytes - OLD.size WHERE tree = OLD.tree;
END;
CREATE TRIGGER first_file_counted AFTER INSERT ON file_counts BEGIN
    UPDATE tenants SET files = files + NEW.files, bytes = bytes + NEW.bytes
    WHERE tenant = (SELECT tenant FROM contexts WHERE tree = NEW.tree);
END;
CREATE TRIGGER usage_changed AFTER UPDATE OF files, bytes ON file_counts BEGIN
    UPDATE tenants SET files = files - OLD.files + NEW.files, bytes = bytes - OLD.bytes + NEW.bytes
    WHERE tenant = (SELECT tenant FROM contexts WHERE tree = NEW.tree);
END;
CREATE TRIGGER context_cleared AFTER UPDATE OF tree ON contexts WHEN NEW.tree <> OLD.tree BEGIN
    UPDATE tenants SET
        files = files - coalesce((SELECT c.files FROM file_counts c WHERE c.tree = OLD.tree), 0)
                      + coalesce((SELECT c.files FROM file_counts c WHERE c.tree = NEW.tree), 0),
        bytes = bytes - coalesce((SELECT c.bytes FROM file_counts c WHERE c.tree = OLD.tree), 0)
                      + coalesce((SELECT c.bytes FROM file_counts c WHERE c.tree = NEW.tree), 0)
    WHERE tenant = NEW.tenant;
END;
CREATE TRIGGER context_gone AFTER DELETE ON contexts BEGIN
    UPDATE tenants SET
        files = files - coalesce((SELECT c.files FROM file_counts c WHERE c.tree = OLD.tree), 0),
        bytes = bytes - coalesce((SELECT c.bytes FROM file_counts c WHERE c.tree = OLD.tree), 0)
    WHERE tenant = OLD.tenant;
END;
CREATE TRIGGER tenant_usage_changed AFTER UPDATE OF files, bytes ON tenants BEGIN
    UPDATE total_usage SET files = files - OLD.files + NEW.files, bytes = bytes - OLD.bytes + NEW.bytes;
END;
";

/// Migrates a database to [`VERSION`] in the open transaction. An empty database is a new store; fails if that has blobs.
pub(super) fn migrate(
    transaction: &Transaction<'_>,
    has_blobs: impl FnOnce() -> bool,
) -> Result<(), DatabaseError> {
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found <= VERSION && is_empty(transaction)? && has_blobs() {
        return Err(DatabaseError::Lost);
    }
    let done = match usize::try_from(found) {
        Ok(done) if done <= MIGRATIONS.len() => done,
        _ => return Err(DatabaseError::NewerSchema(found)),
    };
    for migration in &MIGRATIONS[done..] {
        transaction.execute_batch(migration)?;
    }
    if found < INDEXED {
        offset_index::build_all(transaction)?;
    }
    if found < CHECKSUMMED {
        row_checksums::update_all(transaction)?;
    }
    // Writes nothing if the database is up to date: the disk may be full.
    if found != VERSION {
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    Ok(())
}

/// Drops all tables: the database is empty afterwards.
pub(super) fn drop_all(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let tables = transaction
        .prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<String>>>()?;
    for table in tables {
        transaction.execute_batch(&format!("DROP TABLE {table}"))?;
    }
    transaction.pragma_update(None, "user_version", 0)
}

pub(super) fn is_empty(db: &Connection) -> rusqlite::Result<bool> {
    let tables = "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)";
    db.query_row(tables, [], |row| row.get(0))
}

/// The names of schema objects that are missing or differ from the migrations, and of unknown triggers.
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

/// Names and definitions without white space, which depends on the version that created the database.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Usage;
    use crate::metadata::sqlite::open::prepare;
    use crate::metadata::sqlite::{meta, usage};
    use crate::signing::{Secret, Tenant};

    #[test]
    fn the_secret_of_the_first_start_is_kept() {
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
    fn a_lost_secret_is_replaced_only_in_a_store_without_contexts() {
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
        assert!(matches!(refused, Err(DatabaseError::MissingSecret)));
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
    fn the_files_of_a_version_3_store_are_counted() {
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
        // Triggers maintain the counts.
        let add = |tree: i64, name: &str| {
            db.execute(
                "INSERT INTO entries (tree, parent, name, folder, id, created, modified) VALUES (?1, '/', ?2, 0, ?2, 0, 0)",
                (tree, name),
            )
        };
        for tree in [1, 2, 3] {
            add(tree, "d").unwrap();
        }
        db.execute_batch("DELETE FROM entries WHERE tree = 1; DELETE FROM trees WHERE pk = 1")
            .unwrap();
        assert_eq!(counts(&db), [(2, 2), (3, 1)]);
    }

    #[test]
    fn the_usage_of_a_version_5_store_is_counted() {
        let mut db = Connection::open_in_memory().unwrap();
        for migration in &MIGRATIONS[..5] {
            db.execute_batch(migration).unwrap();
        }
        db.pragma_update(None, "user_version", 5).unwrap();
        // Tree 3 is doomed, tree 4 belongs to another tenant, and tree 5 has no files.
        db.execute_batch(
            "INSERT INTO meta (name, value) VALUES ('secret', randomblob(32)), ('max_files', CAST('2' AS BLOB));
             INSERT INTO trees (pk, context, doomed) VALUES (1, 1, 0), (2, 2, 0), (3, 9, 1), (4, 3, 0), (5, 4, 0);
             INSERT INTO contexts VALUES (1, 'a', 'one', 'r', 'a', 'available', 1, 1, 0, 0, 0),
                 (2, 'b', 'one', 'r', 'b', 'available', 1, 2, 0, 0, 0), (3, 'c', 'two', 'r', 'c', 'available', 1, 4, 0, 0, 0),
                 (4, 'd', 'three', 'r', 'd', 'available', 1, 5, 0, 0, 0);
             INSERT INTO tenants VALUES ('one', 2), ('two', 1), ('three', 1);
             INSERT INTO entries (tree, parent, name, folder, id, created, modified, size)
             VALUES (1, '/', 'a', 0, '1', 0, 0, 10), (1, '/', 'b', 0, '2', 0, 0, 20), (1, '/', 'd', 1, '3', 0, 0, 0),
                    (2, '/', 'a', 0, '4', 0, 0, 5), (3, '/', 'a', 0, '5', 0, 0, 1000), (4, '/', 'a', 0, '6', 0, 0, 7);",
        )
        .unwrap();
        row_checksums::register(&db).unwrap();
        row_checksums::update_all(&db).unwrap();
        for _ in 0..2 {
            prepare(&mut db, None, Secret([1; 32])).unwrap();
        }
        let usage = |tenant: &str| usage::of_tenant(&db, &Tenant::from(tenant)).unwrap();
        let expected = |files, bytes| Usage { files, bytes };
        assert_eq!(usage("one"), expected(3, 35));
        assert_eq!(usage("two"), expected(1, 7));
        assert_eq!(usage("three"), expected(0, 0));
        assert_eq!(usage::of_all(&db).unwrap(), expected(4, 42));
        assert_eq!(usage::of_tree(&db, 1).unwrap(), expected(2, 30));
        assert_eq!(usage::of_tree(&db, 5).unwrap(), expected(0, 0));
        // The old limit is gone, and triggers maintain the usage.
        db.execute_batch(
            "INSERT INTO entries (tree, parent, name, folder, id, created, modified, size) VALUES (1, '/', 'e', 0, '7', 0, 0, 1);
             UPDATE entries SET size = 1 WHERE id = '2'; DELETE FROM entries WHERE tree IN (2, 3);
             DELETE FROM contexts WHERE id = 'c'",
        )
        .unwrap();
        assert_eq!(usage("one"), expected(3, 12));
        assert_eq!(usage("two"), expected(0, 0));
        assert_eq!(usage::of_all(&db).unwrap(), expected(3, 12));
    }

    #[test]
    fn a_version_4_store_gets_checksums_and_keeps_its_secret() {
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
        let secret = meta::secret(&db).unwrap().unwrap().0;
        for _ in 0..2 {
            let prepared = prepare(&mut db, None, Secret([1; 32])).unwrap();
            assert_eq!(prepared.secret.0, secret);
        }
        let wrong = |db: &Connection| -> i64 {
            let tables = ["meta", "trees", "contexts", "entries"];
            let counts = tables.map(|table| row_checksums::count_damaged(db, table).unwrap());
            counts.into_iter().sum()
        };
        assert_eq!(wrong(&db), 0);
        assert!(wrong_objects(&db).unwrap().is_empty());
        // Changes by this connection update the checksums.
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
    fn a_newer_store_is_rejected_and_not_changed() {
        let mut db = Connection::open_in_memory().unwrap();
        db.pragma_update(None, "user_version", VERSION + 1).unwrap();
        assert!(
            matches!(prepare(&mut db, None, Secret([1; 32])), Err(DatabaseError::NewerSchema(found)) if found == VERSION + 1)
        );
        let tables: i64 = db
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 0);
    }
}
