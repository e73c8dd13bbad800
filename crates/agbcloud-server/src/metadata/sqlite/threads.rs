//! The threads of a store: one writes, a few read. None of them is a thread of the async runtime.
//!
//! A commit waits for the disk, however much it contains. So operations that are queued during a commit share the next one. Each
//! operation has its own savepoint, so that a failure undoes this operation only. Results are returned after the commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::commit_tracker::CommitTracker;
use super::disk_reserve::DiskReserve;
use crate::crash;
use crate::metadata::{Result, StoreError};

/// How long a statement waits for a lock of another connection. Only a checkpoint or a copy of the file holds one.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the writing thread waits for the readers when the store is closed.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of operations in a commit, so that the first one does not wait for an endless queue.
const MAX_GROUP: usize = 256;

/// Returns the result to the caller, once the commit has succeeded or failed.
type Reply = Box<dyn FnOnce(Result<()>) + Send>;
/// Runs in the open transaction, or with the error if there is none. Also returns why it failed.
type RunWrite = Box<dyn FnOnce(Result<&Connection>) -> (Reply, Option<StoreError>) + Send>;

struct WriteJob {
    /// Whether it needs disk space.
    grows: bool,
    run: RunWrite,
}

/// Sends operations to the writing thread. `None` stops the thread.
pub(super) struct Writer(UnboundedSender<Option<WriteJob>>);

/// The other end of [`Writer`], for the thread.
pub(super) struct WriteQueue(UnboundedReceiver<Option<WriteJob>>);

/// Creates a writer, and the queue for its thread.
pub(super) fn writer() -> (Writer, WriteQueue) {
    let (jobs, queue) = unbounded_channel();
    (Writer(jobs), WriteQueue(queue))
}

impl Writer {
    /// Runs an operation that needs disk space. Returns when it is durable.
    pub(super) async fn grow<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        self.send(true, work).await
    }

    /// Runs an operation that needs no disk space, such as a deletion. Returns when it is durable. If the disk is full, retries
    /// once with the space of the reserve.
    pub(super) async fn run<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T> + Clone + Send + 'static,
    {
        match self.send(false, work.clone()).await {
            Err(StoreError::Full) => self.send(false, work).await,
            done => done,
        }
    }

    /// Runs an operation that only reads, for a store without readers.
    pub(super) async fn read<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        self.send(false, work).await
    }

    async fn send<T, W>(&self, grows: bool, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let run: RunWrite = Box::new(move |db| {
            let result = db.and_then(|db| in_savepoint(db, work));
            let failed = result.as_ref().err().cloned();
            let reply: Reply = Box::new(move |committed| {
                // Fails if the caller no longer waits; the operation is done nevertheless.
                let _ = answer.send(committed.and(result));
            });
            (reply, failed)
        });
        self.0
            .send(Some(WriteJob { grows, run }))
            .map_err(|_| StoreError::Closed)?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Stops the thread after the operations that are queued now.
    pub(super) fn stop(&self) {
        let _ = self.0.send(None);
    }
}

impl WriteQueue {
    /// Runs operations until the writer stops the thread or is dropped.
    pub(super) fn run(
        mut self,
        db: &Connection,
        mut reserve: DiskReserve,
        tracker: &CommitTracker,
    ) {
        while let Some(Some(first)) = self.0.blocking_recv() {
            let mut group = vec![first];
            let mut stop = false;
            while group.len() < MAX_GROUP {
                match self.0.try_recv() {
                    Ok(Some(job)) => group.push(job),
                    Ok(None) => {
                        stop = true;
                        break;
                    }
                    Err(_) => break,
                }
            }
            commit(db, &mut reserve, tracker, group);
            if stop {
                return;
            }
        }
    }
}

fn commit(
    db: &Connection,
    reserve: &mut DiskReserve,
    tracker: &CommitTracker,
    group: Vec<WriteJob>,
) {
    let grows = group.iter().any(|job| job.grows);
    if grows && !reserve.is_held() {
        truncate_log(db);
    }
    let began = tracker
        .check_location()
        .and_then(|()| Ok(db.execute_batch("BEGIN IMMEDIATE")?));
    if let Err(error) = began {
        for job in group {
            (job.run)(Err(error.clone())).0(Ok(()));
        }
        return;
    }
    let may_grow = !grows || reserve.acquire(|| free_bytes(db).unwrap_or(0));
    let changes_before = db.total_changes();
    let mut replies = Vec::with_capacity(group.len());
    let mut lost = None;
    for job in group {
        let (reply, failed) = match &lost {
            None if job.grows && !may_grow => (job.run)(Err(StoreError::Full)),
            None => (job.run)(Ok(db)),
            Some(error) => (job.run)(Err(StoreError::clone(error))),
        };
        replies.push(reply);
        // If the disk is full or fails, SQLite rolls back the whole transaction with the earlier operations.
        if lost.is_none() && db.is_autocommit() {
            let unknown = || StoreError::Failed("the transaction was rolled back".to_owned());
            lost = Some(failed.unwrap_or_else(unknown));
        }
    }
    // The collector commits even if there is nothing to collect; crash points and markers ignore that.
    let changes = db.total_changes() != changes_before;
    if changes && lost.is_none() {
        lost = tracker.number_commit(db).err();
    }
    let mut committed = match lost {
        Some(error) => Err(error),
        None => {
            if changes {
                crash::point("commit-before");
            }
            let committed = db.execute_batch("COMMIT").map_err(StoreError::from);
            if changes {
                crash::point("commit-after");
            }
            committed
        }
    };
    if committed.is_err() && !db.is_autocommit() {
        let _ = db.execute_batch("ROLLBACK");
    }
    if changes && committed.is_ok() {
        tracker.record_commit();
        // Changes in a folder that is no longer at its path are not acknowledged.
        committed = tracker.check_location();
    }
    if committed == Err(StoreError::Full) {
        reserve.release();
    }
    for reply in replies {
        reply(committed.clone());
    }
}

/// Moves the log into the database and frees its disk space, unless a reader needs it. The log of a deletion would keep its space
/// otherwise.
fn truncate_log(db: &Connection) {
    // If the disk is still full, this fails and changes nothing.
    let _ = db
        .busy_timeout(Duration::ZERO)
        .and_then(|()| db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
    let _ = db.busy_timeout(BUSY_TIMEOUT);
}

/// The size of the unused pages of the database.
fn free_bytes(db: &Connection) -> rusqlite::Result<u64> {
    let number = |name| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let bytes = number("freelist_count")?.saturating_mul(number("page_size")?);
    Ok(u64::try_from(bytes).unwrap_or(0))
}

fn in_savepoint<T>(db: &Connection, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    db.execute_batch("SAVEPOINT job")?;
    // A panic in one operation must not end the thread, which would close the store.
    let result = catch_unwind(AssertUnwindSafe(|| work(db)))
        .unwrap_or_else(|_| Err(StoreError::Failed("a write panicked".to_owned())));
    if result.is_err() {
        if db.is_autocommit() {
            // The whole transaction is rolled back already.
            return result;
        }
        db.execute_batch("ROLLBACK TO job")?;
    }
    db.execute_batch("RELEASE job")?;
    result
}

type ReadJob = Box<dyn FnOnce(&Connection) + Send>;

/// Sends operations to the reading threads.
pub(super) struct Readers {
    /// `None` stops one thread.
    jobs: mpsc::Sender<Option<ReadJob>>,
    threads: usize,
}

/// The other end of [`Readers`], shared by the threads.
#[derive(Clone)]
pub(super) struct ReadQueue(Arc<Mutex<mpsc::Receiver<Option<ReadJob>>>>);

/// Creates readers, and the queue for their threads.
pub(super) fn readers(threads: usize) -> (Readers, ReadQueue) {
    let (jobs, queue) = mpsc::channel();
    let queue = ReadQueue(Arc::new(Mutex::new(queue)));
    (Readers { jobs, threads }, queue)
}

impl Readers {
    /// Runs an operation on one snapshot of the store.
    pub(super) async fn run<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: ReadJob = Box::new(move |db| {
            let result = catch_unwind(AssertUnwindSafe(|| in_snapshot(db, work)))
                .unwrap_or_else(|_| Err(StoreError::Failed("a read panicked".to_owned())));
            let _ = answer.send(result);
        });
        self.jobs.send(Some(job)).map_err(|_| StoreError::Closed)?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Stops the threads after the operations that are queued now.
    pub(super) fn stop(&self) {
        for _ in 0..self.threads {
            let _ = self.jobs.send(None);
        }
    }
}

impl ReadQueue {
    /// Runs operations until the readers stop the thread or are dropped.
    pub(super) fn run(&self, db: &Connection) {
        let next = || self.0.lock().unwrap_or_else(PoisonError::into_inner).recv();
        while let Ok(Some(job)) = next() {
            job(db);
        }
    }
}

/// Runs an operation on one snapshot of the store.
pub(super) fn in_snapshot<T>(
    db: &Connection,
    work: impl FnOnce(&Connection) -> Result<T>,
) -> Result<T> {
    // Cached, since parsing them takes as long as finding a row.
    db.prepare_cached("BEGIN")?.execute([])?;
    let snapshot = Snapshot(db);
    let result = work(db);
    drop(snapshot);
    result
}

/// Ends the transaction, even after a panic.
struct Snapshot<'a>(&'a Connection);

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        let ended = self.0.prepare_cached("ROLLBACK");
        // An error that ended the transaction already is returned by the operation.
        let _ = ended.and_then(|mut statement| statement.execute([]));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn insert(db: &Connection, value: i64) -> Result<()> {
        db.execute("INSERT INTO t VALUES (?1)", [value])?;
        Ok(())
    }

    #[tokio::test]
    async fn a_failed_write_undoes_only_itself_and_all_share_a_commit() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (v INTEGER)").unwrap();
        let commits = Arc::new(AtomicUsize::new(0));
        let (writer, queue) = super::writer();
        let counted = commits.clone();
        let jobs = futures_util::future::join_all((0..10).map(|value| {
            writer.grow(move |db| {
                insert(db, value)?;
                match value {
                    3 => Err(StoreError::NoFile),
                    5 => panic!("a bug"),
                    _ => Ok(value),
                }
            })
        }));
        // All writes are queued before the thread starts, so that they form one group.
        let thread = async {
            tokio::task::yield_now().await;
            writer.stop();
            std::thread::spawn(move || {
                queue.run(&db, DiskReserve::none(), &CommitTracker::none());
                counted.fetch_add(1, Ordering::SeqCst);
                let left: i64 = db
                    .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
                    .unwrap();
                left
            })
        };
        let (results, thread) = tokio::join!(jobs, thread);
        for (value, result) in (0..).zip(results) {
            match value {
                3 => assert_eq!(result, Err(StoreError::NoFile)),
                5 => assert!(matches!(result, Err(StoreError::Failed(_)))),
                _ => assert_eq!(result, Ok(value)),
            }
        }
        assert_eq!(thread.join().unwrap(), 8);
        assert_eq!(writer.run(|_| Ok(())).await, Err(StoreError::Closed));
    }
}
