//! The one thread that writes: it takes what is queued and makes it durable with one commit.
//!
//! A commit costs a wait for the disk however much is in it, so callers that come while one is running share
//! the next. Each job has a savepoint of its own: one that fails undoes itself and nothing else. Nobody is
//! answered before the commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::BUSY;
use super::ledger::Ledger;
use super::reserve::Reserve;
use crate::crash;
use crate::metadata::{Result, StoreError};

/// At most so many jobs share a commit, so that the first does not wait for an endless queue.
const MAX_GROUP: usize = 256;

/// Tells the caller how it went, once the commit has succeeded or failed.
type Reply = Box<dyn FnOnce(Result<()>) + Send>;
/// Does its work in the open transaction, or takes note that there is none. Also tells why it failed.
type Job = Box<dyn FnOnce(Result<&Connection>) -> (Reply, Option<StoreError>) + Send>;

enum Message {
    /// Whether it takes room on the disk, and what it is.
    Job(bool, Job),
    Stop,
}

/// The way to the writing thread.
pub(super) struct Writer {
    jobs: UnboundedSender<Message>,
}

/// The other end of [`Writer`], for the thread.
pub(super) struct Queue(UnboundedReceiver<Message>);

/// A writer and the queue that its thread works through with [`Queue::run`].
pub(super) fn channel() -> (Writer, Queue) {
    let (jobs, queue) = unbounded_channel();
    (Writer { jobs }, Queue(queue))
}

impl Writer {
    /// Runs `work`, which makes the store larger, in a transaction and returns when it is durable.
    pub(super) async fn grow<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        self.send(true, work).await
    }

    /// Runs `work`, which does not make the store larger, in a transaction and returns when it is durable. If the disk
    /// is full it is tried again, in the room that is kept for it.
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

    /// Runs `work`, which only reads, where there is nobody else to do it.
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
        let job: Job = Box::new(move |db| {
            let result = db.and_then(|db| in_savepoint(db, work));
            let failed = result.as_ref().err().cloned();
            let reply: Reply = Box::new(move |committed| {
                // The caller may have gone; what it wanted is done nevertheless.
                let _ = answer.send(committed.and(result));
            });
            (reply, failed)
        });
        self.jobs
            .send(Message::Job(grows, job))
            .map_err(|_| StoreError::Closed)?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Ends the thread after what is queued now.
    pub(super) fn stop(&self) {
        let _ = self.jobs.send(Message::Stop);
    }
}

impl Queue {
    /// Works until it is told to stop, or nobody can send any more.
    pub(super) fn run(mut self, db: &Connection, mut reserve: Reserve, ledger: &Ledger) {
        while let Some(first) = self.0.blocking_recv() {
            let mut group = Vec::new();
            let mut next = Some(first);
            let stop = loop {
                match next {
                    Some(Message::Job(grows, job)) => group.push((grows, job)),
                    Some(Message::Stop) => break true,
                    None => break false,
                }
                next = if group.len() < MAX_GROUP {
                    self.0.try_recv().ok()
                } else {
                    None
                };
            };
            commit(db, &mut reserve, ledger, group);
            if stop {
                return;
            }
        }
    }
}

fn commit(db: &Connection, reserve: &mut Reserve, ledger: &Ledger, group: Vec<(bool, Job)>) {
    if group.is_empty() {
        return;
    }
    let grows = group.iter().any(|(grows, _)| *grows);
    if grows && !reserve.is_held() {
        give_back_log(db);
    }
    let began = ledger
        .check_location()
        .and_then(|()| Ok(db.execute_batch("BEGIN IMMEDIATE")?));
    if let Err(error) = began {
        for (_, job) in group {
            job(Err(error.clone())).0(Ok(()));
        }
        return;
    }
    let may_grow = !grows || reserve.hold(|| free_bytes(db).unwrap_or(0));
    let changes_before = db.total_changes();
    let mut replies = Vec::with_capacity(group.len());
    let mut lost = None;
    for (grows, job) in group {
        let (reply, failed) = match &lost {
            None if grows && !may_grow => job(Err(StoreError::Full)),
            None => job(Ok(db)),
            Some(error) => job(Err(StoreError::clone(error))),
        };
        replies.push(reply);
        // A full or broken disk makes SQLite roll everything back, the jobs before this one as well.
        if lost.is_none() && db.is_autocommit() {
            let unknown = || StoreError::Failed("the transaction was rolled back".to_owned());
            lost = Some(failed.unwrap_or_else(unknown));
        }
    }
    // The worker's look for something to do is a commit too, but not one that a test waits for.
    let changes = db.total_changes() != changes_before;
    if changes && lost.is_none() {
        lost = ledger.note(db).err();
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
        ledger.committed();
        // Nobody is answered for what went into a folder that is no longer at its path.
        committed = ledger.check_location();
    }
    if committed == Err(StoreError::Full) {
        reserve.give_up();
    }
    for reply in replies {
        reply(committed.clone());
    }
}

/// Moves the log into the database and gives its room back to the disk, unless someone reads just now: what was deleted
/// stands in it, and it would keep that room for itself.
fn give_back_log(db: &Connection) {
    // On a disk that is still full it does not come to its end, and all stays as it is.
    let _ = db
        .busy_timeout(Duration::ZERO)
        .and_then(|()| db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
    let _ = db.busy_timeout(BUSY);
}

/// Bytes of the database's file that nothing is in.
fn free_bytes(db: &Connection) -> rusqlite::Result<u64> {
    let number = |name| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let bytes = number("freelist_count")?.saturating_mul(number("page_size")?);
    Ok(u64::try_from(bytes).unwrap_or(0))
}

fn in_savepoint<T>(db: &Connection, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    db.execute_batch("SAVEPOINT job")?;
    // A bug in one job must not take the thread, and with it the whole store, down.
    let result = catch_unwind(AssertUnwindSafe(|| work(db)))
        .unwrap_or_else(|_| Err(StoreError::Failed("a job panicked".to_owned())));
    if result.is_err() {
        if db.is_autocommit() {
            // All is rolled back already; why is what the caller has to know.
            return result;
        }
        db.execute_batch("ROLLBACK TO job")?;
    }
    db.execute_batch("RELEASE job")?;
    result
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
    async fn one_bad_job_undoes_itself_alone_and_all_share_a_commit() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (v INTEGER)").unwrap();
        let commits = Arc::new(AtomicUsize::new(0));
        let (writer, queue) = channel();
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
        // Everything is queued before the thread starts, so that it finds one group.
        let thread = async {
            tokio::task::yield_now().await;
            writer.stop();
            std::thread::spawn(move || {
                queue.run(&db, Reserve::none(), &Ledger::none());
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
