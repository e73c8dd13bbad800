//! The threads that read: each has a connection of its own and sees what was committed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::metadata::{Result, StoreError};

type Job = Box<dyn FnOnce(&Connection) + Send>;

enum Message {
    Job(Job),
    Stop,
}

/// The way to the reading threads.
pub(super) struct Readers {
    jobs: mpsc::Sender<Message>,
    threads: usize,
}

/// The other end of [`Readers`], shared by the threads.
#[derive(Clone)]
pub(super) struct Queue(Arc<Mutex<mpsc::Receiver<Message>>>);

/// Readers for so many threads, and the queue that each of them works through with [`Queue::run`].
pub(super) fn channel(threads: usize) -> (Readers, Queue) {
    let (jobs, queue) = mpsc::channel();
    (
        Readers { jobs, threads },
        Queue(Arc::new(Mutex::new(queue))),
    )
}

impl Readers {
    /// Runs `work` on one state of the store: nothing changes between its statements.
    pub(super) async fn run<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |db| {
            let result = catch_unwind(AssertUnwindSafe(|| in_snapshot(db, work)))
                .unwrap_or_else(|_| Err(StoreError::Failed("a reader panicked".to_owned())));
            let _ = answer.send(result);
        });
        self.jobs
            .send(Message::Job(job))
            .map_err(|_| StoreError::Closed)?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Ends the threads after what is queued now.
    pub(super) fn stop(&self) {
        for _ in 0..self.threads {
            let _ = self.jobs.send(Message::Stop);
        }
    }
}

impl Queue {
    /// Works until it is told to stop, or nobody can send any more.
    pub(super) fn run(&self, db: &Connection) {
        loop {
            let next = self.0.lock().unwrap_or_else(PoisonError::into_inner).recv();
            match next {
                Ok(Message::Job(job)) => job(db),
                Ok(Message::Stop) | Err(_) => return,
            }
        }
    }
}

fn in_snapshot<T>(db: &Connection, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    let snapshot = db.unchecked_transaction()?;
    let result = work(&snapshot);
    snapshot.finish()?;
    result
}
