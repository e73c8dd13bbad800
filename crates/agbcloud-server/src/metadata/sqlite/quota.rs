//! How many files a tree may have. Counted and refused by the database itself, so that no statement can forget to.

use rusqlite::{Connection, params};

use crate::metadata::{Result, StoreError};

/// Where the limit is in the table `meta`, as text; without it there is none.
pub(super) const LIMIT: &str = "max_files";
/// What the trigger says.
const REFUSAL: &str = "too many files";

/// One row for each tree that ever had a file, and what keeps it true.
pub(super) const TABLE: &str = "
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

/// From now on no tree gets more files than this; one that has more keeps them.
pub(super) fn limit(db: &Connection, max: u64) -> Result<()> {
    let value = max.to_string().into_bytes();
    db.execute(
        "INSERT INTO meta (name, value) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value <> excluded.value",
        params![LIMIT, value],
    )?;
    Ok(())
}

/// A context whose count is wrong.
pub(super) struct Miscount {
    /// The id of the context.
    pub(super) context: String,
    tree: i64,
    pub(super) told: i64,
    pub(super) found: i64,
}

/// Holds the counts of all contexts against their files. What is gone is not looked at: nobody adds to it.
pub(super) fn wrong(db: &Connection) -> Result<Vec<Miscount>> {
    let mut query = db.prepare(
        "SELECT id, tree, told, found FROM (
             SELECT id, tree, coalesce((SELECT files FROM file_counts WHERE file_counts.tree = contexts.tree), 0) AS told,
                    (SELECT count(*) FROM entries WHERE entries.tree = contexts.tree AND folder = 0) AS found
             FROM contexts)
         WHERE told <> found",
    )?;
    let wrong = query.query_map([], |row| {
        Ok(Miscount {
            context: row.get(0)?,
            tree: row.get(1)?,
            told: row.get(2)?,
            found: row.get(3)?,
        })
    })?;
    Ok(wrong.collect::<rusqlite::Result<_>>()?)
}

/// Makes a count what was found.
pub(super) fn correct(db: &Connection, wrong: &Miscount) -> Result<()> {
    db.execute(
        "INSERT INTO file_counts (tree, files) VALUES (?1, ?2)
         ON CONFLICT (tree) DO UPDATE SET files = excluded.files",
        [wrong.tree, wrong.found],
    )?;
    Ok(())
}

/// Whether a statement failed because of the limit.
pub(super) fn refused(error: &rusqlite::Error) -> Option<StoreError> {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) if message == REFUSAL => {
            Some(StoreError::TooManyFiles)
        }
        _ => None,
    }
}
