//! Work on threads that may block, beside the task that produces its input.

use std::io;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

/// Processes items one after another on threads that may block. Takes a thread only while there are items, so a slow
/// producer occupies none.
pub(crate) struct BlockingWorker<S, T> {
    items: mpsc::Sender<T>,
    /// `None` after it was awaited.
    ended: Option<JoinHandle<io::Result<S>>>,
}

impl<S: Send + 'static, T: Send + 'static> BlockingWorker<S, T> {
    /// Starts a worker that changes `state` by each item. At most `waiting` items wait for it.
    pub(crate) fn start(
        mut state: S,
        waiting: usize,
        process: fn(&mut S, T) -> io::Result<()>,
    ) -> Self {
        let (items, mut received) = mpsc::channel(waiting);
        let ended = tokio::spawn(async move {
            while let Some(first) = received.recv().await {
                let processed = spawn_blocking(move || {
                    let mut next = Ok(first);
                    // Without a change of the thread while items wait.
                    while let Ok(item) = next {
                        process(&mut state, item)?;
                        next = received.try_recv();
                    }
                    Ok::<_, io::Error>((state, received))
                });
                // The outer error is a panic.
                (state, received) = processed.await.map_err(io::Error::other)??;
            }
            Ok(state)
        });
        Self {
            items,
            ended: Some(ended),
        }
    }

    /// Sends an item, and waits for space if too many of them wait.
    ///
    /// # Errors
    ///
    /// The error of an earlier item, which ended the worker.
    pub(crate) async fn send(&mut self, item: T) -> io::Result<()> {
        match self.items.send(item).await {
            Ok(()) => Ok(()),
            Err(_) => Err(match self.ended.take() {
                Some(ended) => outcome(ended).await.err().unwrap_or_else(has_ended),
                None => has_ended(),
            }),
        }
    }

    /// Waits until all items are processed, and returns the state.
    pub(crate) async fn finish(self) -> io::Result<S> {
        let Self { items, ended } = self;
        drop(items);
        match ended {
            Some(ended) => outcome(ended).await,
            None => Err(has_ended()),
        }
    }
}

async fn outcome<S>(ended: JoinHandle<io::Result<S>>) -> io::Result<S> {
    ended.await.map_err(io::Error::other)?
}

fn has_ended() -> io::Error {
    io::Error::other("the worker has ended after an error")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use super::*;

    fn append(all: &mut Vec<u32>, item: u32) -> io::Result<()> {
        match item {
            7 => Err(io::ErrorKind::StorageFull.into()),
            8 => panic!("the test makes the worker panic"),
            item => {
                all.push(item);
                Ok(())
            }
        }
    }

    #[tokio::test]
    async fn items_are_processed_in_order() {
        let mut worker = BlockingWorker::start(Vec::new(), 2, append);
        for item in 100..200 {
            worker.send(item).await.unwrap();
            if item % 10 == 0 {
                // The worker runs out of items.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        assert_eq!(
            worker.finish().await.unwrap(),
            (100..200).collect::<Vec<_>>()
        );
        let unused = BlockingWorker::start(vec![1], 2, append);
        assert_eq!(unused.finish().await.unwrap(), [1]);
    }

    #[tokio::test]
    async fn an_error_or_a_panic_ends_the_worker() {
        let full = |error: io::Error| error.kind() == io::ErrorKind::StorageFull;
        let mut worker = BlockingWorker::start(Vec::new(), 1, append);
        worker.send(7).await.unwrap();
        let error = loop {
            if let Err(error) = worker.send(1).await {
                break error;
            }
        };
        assert!(full(error));
        // Once reported, the error is not known any more, but the worker does not seem to succeed.
        assert!(worker.send(1).await.is_err());
        assert!(worker.finish().await.is_err());

        let mut worker = BlockingWorker::start(Vec::new(), 1, append);
        worker.send(7).await.unwrap();
        assert!(full(worker.finish().await.unwrap_err()));

        let mut worker = BlockingWorker::start(Vec::new(), 1, append);
        worker.send(8).await.unwrap();
        assert!(worker.finish().await.is_err());
    }

    #[tokio::test]
    async fn a_producer_waits_and_a_dropped_worker_ends() {
        /// Waits for a permission before each item, and reports that it is dropped.
        struct Gate(Receiver<()>, Sender<&'static str>);
        impl Drop for Gate {
            fn drop(&mut self) {
                let _ = self.1.send("dropped");
            }
        }
        fn pass(gate: &mut Gate, _: ()) -> io::Result<()> {
            gate.0.recv().map_err(io::Error::other)
        }
        let (permit, permits) = channel();
        let (report, reports) = channel();
        let mut worker = BlockingWorker::start(Gate(permits, report), 1, pass);
        let wait = Duration::from_millis(50);
        // One is processed, and one waits.
        worker.send(()).await.unwrap();
        worker.send(()).await.unwrap();
        assert!(
            tokio::time::timeout(wait, worker.send(())).await.is_err(),
            "nothing limits the items that wait"
        );
        drop(worker);
        assert!(reports.try_recv().is_err());
        permit.send(()).unwrap();
        permit.send(()).unwrap();
        let dropped = spawn_blocking(move || reports.recv().unwrap());
        assert_eq!(dropped.await.unwrap(), "dropped");
    }
}
