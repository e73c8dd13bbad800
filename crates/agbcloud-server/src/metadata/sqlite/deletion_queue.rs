//! The deletion queue: trees of cleared and deleted contexts (`doomed`), and blobs that no file references (`dead_blobs`).

use std::collections::HashSet;
use std::sync::LazyLock;

use rusqlite::{Connection, OptionalExtension, params};

use super::files::{self, ContentRef};
use super::row_checksums;
use crate::metadata::{Clear, Result};

/// Maximum number of rows of a tree that are deleted in one transaction, so that uploads do not wait long.
const BATCH: u32 = 500;
/// Maximum number of rows that are deleted without letting other threads run. A clear of a million files needs a core for seconds,
/// and a request that waits for one would wait for a whole time slice of the scheduler, which is milliseconds.
const STEP: u32 = 25;
/// Maximum number of trees of clearing contexts in one transaction. More than one, so that a small clear does not wait for a
/// large one.
const CLEARING: u32 = 4;
/// Maximum number of other trees, of deleted contexts. Most of them are small.
const OTHERS: u32 = 100;
/// Maximum number of rows of all trees in one transaction.
const ROUND: usize = 4000;

/// Deletes one batch of rows of doomed trees, and trees that are empty. Returns whether there were any.
pub(super) fn collect(db: &Connection) -> Result<bool> {
    let trees = next_trees(db)?;
    let (mut deleted, mut collected) = (0, false);
    for tree in &trees {
        if !is_doomed(db, *tree)? {
            tracing::error!(
                tree,
                "not collecting the files of a tree: its row in the table \"trees\" is damaged"
            );
            continue;
        }
        deleted += delete_rows(db, *tree)?;
        collected = true;
        if deleted >= ROUND {
            break;
        }
    }
    Ok(collected)
}

/// Whether a tree is doomed by two independent signals: its verified row, and no reference by a context.
fn is_doomed(db: &Connection, tree: i64) -> Result<bool> {
    static QUERY: LazyLock<String> = LazyLock::new(|| {
        let sum = row_checksums::expression("trees", "");
        format!(
            "SELECT doomed = 1 AND sum = {sum} AND NOT EXISTS (SELECT 1 FROM contexts WHERE contexts.tree = trees.pk)
             FROM trees WHERE pk = ?1"
        )
    });
    Ok(db
        .prepare_cached(&QUERY)?
        .query_row([tree], |row| row.get(0))?)
}

/// Selects the trees of the next batch. Random, so that no tree waits long, and independent of the number of trees.
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
    // From a random context on, then from the first one.
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

/// Deletes rows of a tree, and the tree itself when it is empty. Returns the number of rows.
fn delete_rows(db: &Connection, tree: i64) -> Result<usize> {
    let mut count = 0;
    while count < BATCH as usize {
        let contents = db
            .prepare_cached(
                "DELETE FROM entries WHERE tree = ?1 AND (parent, name, folder) IN
                     (SELECT parent, name, folder FROM entries WHERE tree = ?1 LIMIT ?2)
                 RETURNING blob, small",
            )?
            .query_map(params![tree, STEP], |row| ContentRef::from_row(row, 0))?
            .collect::<rusqlite::Result<Vec<ContentRef>>>()?;
        let deleted = contents.len();
        for content in contents {
            files::release(db, content)?;
        }
        count += deleted;
        if deleted < STEP as usize {
            break;
        }
        std::thread::yield_now();
    }
    // The offset index has far fewer rows than the tree.
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

/// Returns some dead blobs. Excludes blobs that a file references, since a deletion is final.
pub(super) fn dead_blobs(db: &Connection, limit: u32) -> Result<Vec<String>> {
    let mut query = db.prepare_cached(
        "SELECT blob FROM dead_blobs
         WHERE NOT EXISTS (SELECT 1 FROM entries WHERE entries.blob = dead_blobs.blob) LIMIT ?1",
    )?;
    let blobs = query.query_map([limit], |row| row.get(0))?;
    Ok(blobs.collect::<rusqlite::Result<_>>()?)
}

/// Removes deleted blobs from the queue. Keeps blobs that a file references, so that a check reports them.
pub(super) fn remove_dead_blobs(db: &Connection, blobs: &[String]) -> Result<()> {
    let mut remove = db.prepare_cached(
        "DELETE FROM dead_blobs WHERE blob = ?1 AND NOT EXISTS (SELECT 1 FROM entries WHERE blob = ?1)",
    )?;
    for blob in blobs {
        remove.execute([blob])?;
    }
    Ok(())
}

/// Removes a blob that must not be deleted from the queue.
pub(super) fn keep_blob(db: &Connection, blob: &str) -> Result<()> {
    db.execute("DELETE FROM dead_blobs WHERE blob = ?1", [blob])?;
    Ok(())
}

/// Returns those of the blobs that are neither referenced nor queued.
pub(super) fn unreferenced_blobs(db: &Connection, blobs: Vec<String>) -> Result<Vec<String>> {
    let mut known = db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM entries WHERE blob = ?1) OR EXISTS (SELECT 1 FROM dead_blobs WHERE blob = ?1)",
    )?;
    let mut unreferenced = Vec::new();
    for blob in blobs {
        if !known.query_row([&blob], |row| row.get::<_, bool>(0))? {
            unreferenced.push(blob);
        }
    }
    if !unreferenced.is_empty() {
        exclude_referenced(db, &mut unreferenced)?;
    }
    Ok(unreferenced)
}

pub(super) fn referenced_blobs(db: &Connection, after: &str, limit: u32) -> Result<Vec<String>> {
    let mut query = db.prepare_cached(
        "SELECT blob FROM entries WHERE blob IS NOT NULL AND blob > ?1 ORDER BY blob LIMIT ?2",
    )?;
    let blobs = query.query_map(params![after, limit], |row| row.get(0))?;
    Ok(blobs.collect::<rusqlite::Result<_>>()?)
}

/// Removes blobs that any row references. Scans the table, because a damaged index may lack rows, and the result is deleted.
fn exclude_referenced(db: &Connection, blobs: &mut Vec<String>) -> Result<()> {
    let mut left: HashSet<String> = blobs.drain(..).collect();
    let mut query = db.prepare_cached("SELECT blob FROM entries NOT INDEXED")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(blob) = row.get::<_, Option<String>>(0)? {
            left.remove(&blob);
        }
    }
    blobs.extend(left);
    Ok(())
}

pub(super) fn finished_clears(db: &Connection) -> Result<Vec<Clear>> {
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

pub(super) fn finish_clear(db: &Connection, clear: &Clear) -> Result<()> {
    db.prepare_cached(
        "UPDATE contexts SET state = 'available' WHERE pk = ?1 AND generation = ?2 AND state = 'clearing'",
    )?
    .execute([clear.context, clear.generation])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::sqlite::open::prepare;
    use crate::signing::Secret;

    #[test]
    fn a_referenced_blob_is_not_dead() {
        let mut db = Connection::open_in_memory().unwrap();
        prepare(&mut db, None, Secret([1; 32])).unwrap();
        db.execute_batch(
            "INSERT INTO trees (pk, context) VALUES (1, 1);
             INSERT INTO entries (tree, parent, name, folder, id, created, modified, blob)
             VALUES (1, '/', 'a', 0, 'file-1', 0, 0, 'live');
             INSERT INTO dead_blobs VALUES ('dead'), ('live');",
        )
        .unwrap();
        assert_eq!(dead_blobs(&db, 10).unwrap(), ["dead"]);
        remove_dead_blobs(&db, &["dead".to_owned(), "live".to_owned()]).unwrap();
        assert!(dead_blobs(&db, 10).unwrap().is_empty());
        db.execute_batch("DELETE FROM entries").unwrap();
        let content = ContentRef {
            blob: Some("live".to_owned()),
            inline: None,
        };
        files::release(&db, content).unwrap();
        assert_eq!(dead_blobs(&db, 10).unwrap(), ["live"]);
        keep_blob(&db, "live").unwrap();
        assert!(dead_blobs(&db, 10).unwrap().is_empty());
    }

    #[test]
    fn many_deleted_contexts_are_collected_in_few_rounds() {
        let mut db = Connection::open_in_memory().unwrap();
        prepare(&mut db, None, Secret([1; 32])).unwrap();
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
