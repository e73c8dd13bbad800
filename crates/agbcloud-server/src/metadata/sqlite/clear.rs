//! The statements of the collection: what is to be done is what rows there are, so a restart just goes on.

use std::collections::HashSet;
use std::sync::LazyLock;

use rusqlite::{Connection, OptionalExtension, params};

use super::content::{self, Kept};
use super::row_sums;
use crate::metadata::{Clear, Result};

/// So many rows of a tree go in one transaction: few enough that uploads in between do not wait long.
const BATCH: u32 = 500;
/// So many trees of contexts that are being cleared get their turn in one transaction, so that a small clear does not
/// wait for a large one.
const CLEARING: u32 = 4;
/// So many other trees do: those of deleted contexts, for which nobody waits. Most are small.
const OTHERS: u32 = 100;
/// So many rows of all of them go in one transaction.
const ROUND: usize = 4000;

/// Takes one batch out of some doomed trees, and the trees that are empty then. False if there was nothing.
pub(super) fn collect(db: &Connection) -> Result<bool> {
    let trees = next_trees(db)?;
    let (mut taken, mut collected) = (0, false);
    for tree in &trees {
        if !is_doomed(db, *tree)? {
            tracing::error!(
                tree,
                "a row of the table \"trees\" is damaged: its files are not collected"
            );
            continue;
        }
        taken += take(db, *tree)?;
        collected = true;
        if taken >= ROUND {
            break;
        }
    }
    Ok(collected)
}

/// Whether nobody can see a tree any more, by all that is known of it: its files are destroyed.
fn is_doomed(db: &Connection, tree: i64) -> Result<bool> {
    static QUERY: LazyLock<String> = LazyLock::new(|| {
        let sum = row_sums::expression("trees", "");
        format!(
            "SELECT doomed = 1 AND sum = {sum} AND NOT EXISTS (SELECT 1 FROM contexts WHERE contexts.tree = trees.pk)
             FROM trees WHERE pk = ?1"
        )
    });
    Ok(db
        .prepare_cached(&QUERY)?
        .query_row([tree], |row| row.get(0))?)
}

/// Trees that have their turn, none for long before another: what it costs to choose them does not grow with how many there
/// are.
fn next_trees(db: &Connection) -> Result<Vec<i64>> {
    let mut trees = db
        .prepare_cached(
            "SELECT trees.pk FROM contexts JOIN trees ON trees.context = contexts.pk
             WHERE contexts.state = 'clearing' AND trees.doomed = 1 ORDER BY random() LIMIT ?1",
        )?
        .query_map([CLEARING], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<i64>>>()?;
    let start: Option<i64> = db
        .prepare_cached(
            "SELECT abs(random() % (context + 1)) FROM trees WHERE doomed = 1
             ORDER BY context DESC LIMIT 1",
        )?
        .query_row([], |row| row.get(0))
        .optional()?;
    // Up from somewhere, then from the start.
    for from in start.into_iter().chain([0]) {
        let others = db
            .prepare_cached(
                "SELECT pk FROM trees WHERE doomed = 1 AND context >= ?1 ORDER BY context LIMIT ?2",
            )?
            .query_map(params![from, OTHERS], |row| row.get(0))?
            .collect::<rusqlite::Result<Vec<i64>>>()?;
        for tree in others {
            if !trees.contains(&tree) {
                trees.push(tree);
            }
        }
        if trees.len() >= OTHERS as usize {
            break;
        }
    }
    Ok(trees)
}

/// Takes rows out of a tree, and the tree itself when it is empty. Gives their number.
fn take(db: &Connection, tree: i64) -> Result<usize> {
    let taken = db
        .prepare_cached(
            "DELETE FROM entries WHERE tree = ?1 AND (parent, name, folder) IN
                 (SELECT parent, name, folder FROM entries WHERE tree = ?1 LIMIT ?2)
             RETURNING blob, small",
        )?
        .query_map(params![tree, BATCH], |row| Kept::of(row, 0))?
        .collect::<rusqlite::Result<Vec<Kept>>>()?;
    let count = taken.len();
    for kept in taken {
        content::release(db, kept)?;
    }
    // Far fewer than entries, so they are gone long before those.
    db.prepare_cached(
        "DELETE FROM marks WHERE tree = ?1 AND (parent, level, name, folder) IN
             (SELECT parent, level, name, folder FROM marks WHERE tree = ?1 LIMIT ?2)",
    )?
    .execute(params![tree, BATCH])?;
    let left = db
        .prepare_cached("SELECT 1 FROM entries WHERE tree = ?1 LIMIT 1")?
        .query_row([tree], |_| Ok(()))
        .optional()?;
    if left.is_none() {
        db.prepare_cached("DELETE FROM marks WHERE tree = ?1")?
            .execute([tree])?;
        db.prepare_cached("DELETE FROM trees WHERE pk = ?1 AND doomed = 1")?
            .execute([tree])?;
    }
    Ok(count)
}

/// Some dead blobs. One that a file names after all is none, whatever the rows say: its bytes can't be had again.
pub(super) fn dead_blobs(db: &Connection, limit: u32) -> Result<Vec<String>> {
    let mut query = db.prepare_cached(
        "SELECT blob FROM dead_blobs
         WHERE NOT EXISTS (SELECT 1 FROM entries WHERE entries.blob = dead_blobs.blob) LIMIT ?1",
    )?;
    let blobs = query.query_map([limit], |row| row.get(0))?;
    Ok(blobs.collect::<rusqlite::Result<_>>()?)
}

/// Forgets dead blobs that are deleted. Not one that a file names: a check is to tell of it.
pub(super) fn forget_blobs(db: &Connection, blobs: &[String]) -> Result<()> {
    let mut forget = db.prepare_cached(
        "DELETE FROM dead_blobs WHERE blob = ?1 AND NOT EXISTS (SELECT 1 FROM entries WHERE blob = ?1)",
    )?;
    for blob in blobs {
        forget.execute([blob])?;
    }
    Ok(())
}

/// Lets a blob live.
pub(super) fn spare_blob(db: &Connection, blob: &str) -> Result<()> {
    db.execute("DELETE FROM dead_blobs WHERE blob = ?1", [blob])?;
    Ok(())
}

pub(super) fn unknown_blobs(db: &Connection, blobs: Vec<String>) -> Result<Vec<String>> {
    let mut known = db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM entries WHERE blob = ?1) OR EXISTS (SELECT 1 FROM dead_blobs WHERE blob = ?1)",
    )?;
    let mut unknown = Vec::new();
    for blob in blobs {
        if !known.query_row([&blob], |row| row.get::<_, bool>(0))? {
            unknown.push(blob);
        }
    }
    if !unknown.is_empty() {
        retain_unnamed(db, &mut unknown)?;
    }
    Ok(unknown)
}

pub(super) fn named_blobs(db: &Connection, after: &str, limit: u32) -> Result<Vec<String>> {
    let mut query = db.prepare_cached(
        "SELECT blob FROM entries WHERE blob IS NOT NULL AND blob > ?1 ORDER BY blob LIMIT ?2",
    )?;
    let blobs = query.query_map(params![after, limit], |row| row.get(0))?;
    Ok(blobs.collect::<rusqlite::Result<_>>()?)
}

/// Looks at all rows themselves, for what is unknown is deleted: an index that is damaged may not have them, and where
/// rows can't be read this fails.
fn retain_unnamed(db: &Connection, blobs: &mut Vec<String>) -> Result<()> {
    let mut left: HashSet<String> = blobs.drain(..).collect();
    let mut named = db.prepare_cached("SELECT blob FROM entries NOT INDEXED")?;
    let mut rows = named.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(blob) = row.get::<_, Option<String>>(0)? {
            left.remove(&blob);
        }
    }
    blobs.extend(left);
    Ok(())
}

pub(super) fn finished(db: &Connection) -> Result<Vec<Clear>> {
    let mut query = db.prepare_cached(
        "SELECT pk, generation FROM contexts WHERE state = 'clearing'
         AND NOT EXISTS (SELECT 1 FROM trees WHERE trees.context = contexts.pk AND doomed = 1)",
    )?;
    let clears = query.query_map([], |row| {
        Ok(Clear {
            context: row.get(0)?,
            generation: row.get(1)?,
        })
    })?;
    Ok(clears.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn finish(db: &Connection, clear: &Clear) -> Result<()> {
    db.prepare_cached(
        "UPDATE contexts SET state = 'available' WHERE pk = ?1 AND generation = ?2 AND state = 'clearing'",
    )?
    .execute([clear.context, clear.generation])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::sqlite::schema;
    use crate::signing::Secret;

    #[test]
    fn a_blob_that_a_file_names_is_not_dead() {
        let mut db = Connection::open_in_memory().unwrap();
        schema::prepare(&mut db, None, Secret([1; 32])).unwrap();
        db.execute_batch(
            "INSERT INTO trees (pk, context) VALUES (1, 1);
             INSERT INTO entries (tree, parent, name, folder, id, created, modified, blob)
             VALUES (1, '/', 'a', 0, 'file-1', 0, 0, 'live');
             INSERT INTO dead_blobs VALUES ('dead'), ('live');",
        )
        .unwrap();
        assert_eq!(dead_blobs(&db, 10).unwrap(), ["dead"]);
        forget_blobs(&db, &["dead".to_owned(), "live".to_owned()]).unwrap();
        assert!(dead_blobs(&db, 10).unwrap().is_empty());
        db.execute_batch("DELETE FROM entries").unwrap();
        let kept = Kept {
            blob: Some("live".to_owned()),
            small: None,
        };
        content::release(&db, kept).unwrap();
        assert_eq!(dead_blobs(&db, 10).unwrap(), ["live"]);
        spare_blob(&db, "live").unwrap();
        assert!(dead_blobs(&db, 10).unwrap().is_empty());
    }

    #[test]
    fn a_clear_has_its_turn_however_much_others_have_deleted() {
        let mut db = Connection::open_in_memory().unwrap();
        schema::prepare(&mut db, None, Secret([1; 32])).unwrap();
        db.execute_batch(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 5000)
             INSERT INTO trees (context, doomed) SELECT n + 10, 1 FROM n;",
        )
        .unwrap();
        let count = || -> i64 {
            let mut trees = db.prepare("SELECT count(*) FROM trees").unwrap();
            trees.query_row([], |row| row.get(0)).unwrap()
        };
        let mut rounds = 0;
        while count() > 0 {
            assert!(collect(&db).unwrap());
            rounds += 1;
        }
        assert!(rounds <= 100, "{rounds}");
        assert!(!collect(&db).unwrap());
    }
}
