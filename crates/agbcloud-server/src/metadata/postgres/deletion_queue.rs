//! The deletion queue: trees of cleared and deleted contexts (`trees.doomed`), and blobs that no file references (`dead_blobs`).
//!
//! Several replicas work on it at the same time. Each one locks the trees of its batch until the end of its transaction, and the
//! others skip them. A blob is claimed for some time; deleting it twice is harmless, because keys are never reused.

use std::time::Duration;

use super::connection::{Failure, Session, Value, milliseconds};
use super::copy::NO_BACKUP;
use crate::metadata::{Clear, StoreError};

/// Maximum number of rows of a tree that are deleted in one transaction.
const BATCH: i64 = 500;
/// Maximum number of trees of clearing contexts in one transaction. More than one, so that a small clear does not wait for a
/// large one.
const CLEARING: i64 = 4;
/// Maximum number of other trees, of deleted contexts. Most of them are small.
const OTHERS: i64 = 100;
/// Maximum number of rows of all trees in one transaction.
const ROUND: i64 = 4000;

/// A locked tree.
#[derive(Debug, Clone, Copy)]
struct Tree {
    pk: i64,
    tenant: i64,
    /// Whether a context refers to it. Then it is not deleted, although it is marked.
    referenced: bool,
}

const COLUMNS: &str =
    "trees.pk, trees.tenant, EXISTS (SELECT 1 FROM contexts WHERE contexts.tree = trees.pk)";

/// Deletes one batch of rows of doomed trees, and trees that are empty. Returns whether there were any.
pub(super) async fn collect(session: &Session) -> Result<bool, Failure> {
    let (mut deleted, mut collected) = (0, false);
    for tree in next_trees(session).await? {
        if tree.referenced {
            tracing::error!(
                tree = tree.pk,
                "not collecting the files of a tree that a context refers to"
            );
            continue;
        }
        deleted += delete_rows(session, tree).await?;
        collected = true;
        if deleted >= ROUND {
            break;
        }
    }
    Ok(collected)
}

/// Locks the trees of the next batch. Random, so that no tree waits long, and independent of the number of trees.
async fn next_trees(session: &Session) -> Result<Vec<Tree>, Failure> {
    let mut trees = lock(
        session,
        &format!(
            "SELECT {COLUMNS} FROM contexts JOIN trees ON trees.context = contexts.pk
             WHERE contexts.state = 'clearing' AND trees.doomed
             ORDER BY random() LIMIT $1 FOR UPDATE OF trees SKIP LOCKED"
        ),
        &[Value::Int(CLEARING)],
    )
    .await?;
    let start = session
        .query_opt(
            "SELECT floor(random() * (context + 1))::bigint FROM trees WHERE doomed ORDER BY context DESC LIMIT 1",
            &[],
        )
        .await?;
    let Some(start) = start else {
        return Ok(trees);
    };
    // From a random context on, then from the first one.
    for from in [start.try_get(0)?, 0] {
        let others = lock(
            session,
            &format!(
                "SELECT {COLUMNS} FROM trees WHERE doomed AND context >= $1
                 ORDER BY context LIMIT $2 FOR UPDATE SKIP LOCKED"
            ),
            &[Value::Int(from), Value::Int(OTHERS)],
        )
        .await?;
        for tree in others {
            if trees.iter().all(|known| known.pk != tree.pk) {
                trees.push(tree);
            }
        }
        if trees.len() as i64 >= OTHERS {
            break;
        }
    }
    Ok(trees)
}

async fn lock(
    session: &Session,
    query: &str,
    parameters: &[Value<'_>],
) -> Result<Vec<Tree>, Failure> {
    let rows = session.query(query, parameters).await?;
    rows.iter()
        .map(|row| {
            Ok(Tree {
                pk: row.try_get(0)?,
                tenant: row.try_get(1)?,
                referenced: row.try_get(2)?,
            })
        })
        .collect()
}

/// Deletes rows of a tree with their contents, and the tree itself when it is empty. Returns the number of rows.
async fn delete_rows(session: &Session, tree: Tree) -> Result<i64, Failure> {
    let keys = [Value::Int(tree.tenant), Value::Int(tree.pk)];
    let batch = [&keys[..], &[Value::Int(BATCH)]].concat();
    // By position only: with the keys, the server may read the whole tree. No other transaction changes a doomed tree.
    let row = session
        .query_opt(
            "WITH gone AS (
                 DELETE FROM entries WHERE ctid = ANY(ARRAY(
                     SELECT ctid FROM entries WHERE tenant = $1 AND tree = $2 LIMIT $3)) RETURNING blob, inline),
             small AS (DELETE FROM contents WHERE pk IN (SELECT inline FROM gone WHERE inline IS NOT NULL)),
             sums AS (DELETE FROM block_sums WHERE blob IN (SELECT blob FROM gone WHERE blob IS NOT NULL)),
             dead AS (INSERT INTO dead_blobs (blob) SELECT blob FROM gone WHERE blob IS NOT NULL
                      ON CONFLICT (blob) DO NOTHING)
             SELECT count(*) FROM gone",
            &batch,
        )
        .await?;
    let missing = || StoreError::Failed("a deletion returned no count".to_owned());
    let deleted: i64 = row.ok_or_else(missing)?.try_get(0)?;
    // The offset index has far fewer rows than the tree.
    let segments = (
        "DELETE FROM segments WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM segments WHERE tenant = $1 AND tree = $2 LIMIT $3))",
        batch.clone(),
    );
    if deleted == BATCH {
        session.execute_all(&[segments]).await?;
        return Ok(deleted);
    }
    session
        .execute_all(&[
            segments,
            (
                "DELETE FROM trees WHERE tenant = $1 AND pk = $2 AND doomed
                 AND NOT EXISTS (SELECT 1 FROM entries WHERE tenant = $1 AND tree = $2)
                 AND NOT EXISTS (SELECT 1 FROM segments WHERE tenant = $1 AND tree = $2)",
                keys.to_vec(),
            ),
        ])
        .await?;
    Ok(deleted)
}

/// The statement that claims dead blobs. Unlike `clock_timestamp()`, the time of the statement is constant, so that the index
/// finds those that are due: others may wait for days. With `OFFSET 0`, the server looks up each blob; otherwise it may read all
/// entries to join them.
pub(super) fn claim() -> String {
    format!(
        "UPDATE dead_blobs SET not_before = clock_timestamp() + $2 * interval '1 millisecond'
         WHERE blob = ANY(ARRAY(
             SELECT blob FROM dead_blobs AS dead
             WHERE not_before <= statement_timestamp() AND {NO_BACKUP}
               AND NOT EXISTS (SELECT 1 FROM entries WHERE entries.blob = dead.blob OFFSET 0)
             ORDER BY not_before LIMIT $1 FOR UPDATE SKIP LOCKED))
         RETURNING blob"
    )
}

/// Returns some dead blobs, and claims them for the time of a lease. Excludes blobs that a file references, since a deletion is final.
pub(super) async fn dead_blobs(
    session: &Session,
    limit: u32,
    lease: Duration,
) -> Result<Vec<String>, Failure> {
    let rows = session
        .query(
            &claim(),
            &[Value::Int(i64::from(limit)), milliseconds(lease)],
        )
        .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

pub(super) async fn backlog(session: Session, max: u32) -> Result<usize, Failure> {
    let rows = session
        .query_last(
            "SELECT count(*) FROM (SELECT 1 FROM dead_blobs LIMIT $1) AS counted",
            &[Value::Int(i64::from(max))],
        )
        .await?;
    let count: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// Removes deleted blobs from the queue. Keeps blobs that a file references, so that a check reports them.
pub(super) async fn remove_dead_blobs(session: &Session, blobs: &[String]) -> Result<(), Failure> {
    session
        .execute(
            "DELETE FROM dead_blobs WHERE blob = ANY($1)
             AND NOT EXISTS (SELECT 1 FROM entries WHERE entries.blob = dead_blobs.blob)",
            &[Value::Texts(blobs)],
        )
        .await?;
    Ok(())
}

/// Returns those of the blobs that are neither referenced, nor queued, nor being uploaded.
pub(super) async fn unreferenced_blobs(
    session: Session,
    blobs: &[String],
) -> Result<Vec<String>, Failure> {
    let rows = session
        .query_last(
            "SELECT blob FROM unnest($1) AS given (blob)
             WHERE NOT EXISTS (SELECT 1 FROM entries WHERE entries.blob = given.blob)
               AND NOT EXISTS (SELECT 1 FROM dead_blobs WHERE dead_blobs.blob = given.blob)
               AND NOT EXISTS (SELECT 1 FROM uploads WHERE uploads.blob = given.blob)",
            &[Value::Texts(blobs)],
        )
        .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

pub(super) async fn referenced_blobs(
    session: Session,
    after: &str,
    limit: u32,
) -> Result<Vec<String>, Failure> {
    let rows = session
        .query_last(
            "SELECT blob FROM entries WHERE blob > $1 ORDER BY blob LIMIT $2",
            &[Value::Text(after), Value::Int(i64::from(limit))],
        )
        .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

pub(super) async fn finished_clears(session: Session) -> Result<Vec<Clear>, Failure> {
    let rows = session
        .query_last(
            "SELECT pk, generation FROM contexts WHERE state = 'clearing'
             AND NOT EXISTS (SELECT 1 FROM trees WHERE trees.context = contexts.pk AND doomed)",
            &[],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Clear {
                context: row.try_get(0)?,
                generation: row.try_get(1)?,
            })
        })
        .collect()
}

pub(super) async fn finish_clear(session: &Session, clear: &Clear) -> Result<(), Failure> {
    session
        .execute(
            "UPDATE contexts SET state = 'available' WHERE pk = $1 AND generation = $2 AND state = 'clearing'",
            &[Value::Int(clear.context), Value::Int(clear.generation)],
        )
        .await?;
    Ok(())
}
