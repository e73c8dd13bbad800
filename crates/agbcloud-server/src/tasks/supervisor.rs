//! Runs the long-lived tasks of a server, and reports one that ends early.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A long-lived task of a server ended while the server was running.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the task that {task} has {}", if *.panicked { "panicked" } else { "ended" })]
#[non_exhaustive]
pub struct TaskEnded {
    /// What the task does, as a verb phrase: `accepts connections`.
    pub task: &'static str,
    /// Whether the task panicked. Otherwise it returned.
    pub panicked: bool,
}

/// Runs tasks and records the first one that ends early.
pub(crate) struct Supervisor {
    stop: watch::Receiver<bool>,
    ended: watch::Sender<Option<TaskEnded>>,
}

impl Supervisor {
    /// Creates a supervisor. A task that ends after `stop` has become true is not reported.
    pub(crate) fn new(stop: watch::Receiver<bool>) -> Self {
        let (ended, _) = watch::channel(None);
        Self { stop, ended }
    }

    /// Spawns a task that is expected to run until the server stops.
    pub(crate) fn spawn(
        &self,
        task: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let (stop, ended) = (self.stop.clone(), self.ended.clone());
        tokio::spawn(async move {
            let panicked = AssertUnwindSafe(work).catch_unwind().await.is_err();
            if *stop.borrow() && !panicked {
                return;
            }
            let end = TaskEnded { task, panicked };
            tracing::error!("{end}");
            ended.send_if_modified(|first| {
                let is_first = first.is_none();
                first.get_or_insert(end);
                is_first
            });
        })
    }

    /// Waits until a task has ended early. Never returns if none does.
    pub(crate) async fn ended(&self) -> TaskEnded {
        let mut ended = self.ended.subscribe();
        loop {
            if let Some(end) = &*ended.borrow_and_update() {
                return end.clone();
            }
            if ended.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    fn supervisor() -> (watch::Sender<bool>, Supervisor) {
        let (stop, stopping) = watch::channel(false);
        (stop, Supervisor::new(stopping))
    }

    #[tokio::test]
    async fn a_task_that_returns_or_panics_is_reported() {
        let (_stop, supervisor) = supervisor();
        supervisor.spawn("waits", pending());
        assert_eq!(supervisor.ended().now_or_never(), None);
        supervisor.spawn("returns", ready(()));
        let end = supervisor.ended().await;
        assert_eq!((end.task, end.panicked), ("returns", false));
        assert_eq!(end.to_string(), "the task that returns has ended");

        let (_stop, supervisor) = self::supervisor();
        supervisor.spawn("panics", async { panic!("a bug") });
        let end = supervisor.ended().await;
        assert_eq!(end.to_string(), "the task that panics has panicked");
        // A later caller gets the first one.
        let later = supervisor.spawn("returns", ready(()));
        later.await.unwrap();
        assert_eq!(supervisor.ended().await, end);
    }

    #[tokio::test]
    async fn a_task_that_ends_with_the_server_is_not_reported() {
        let (stop, supervisor) = supervisor();
        stop.send(true).unwrap();
        supervisor.spawn("returns", ready(())).await.unwrap();
        assert_eq!(supervisor.ended().now_or_never(), None);
        let aborted = supervisor.spawn("waits", pending());
        aborted.abort();
        assert!(aborted.await.unwrap_err().is_cancelled());
        assert_eq!(supervisor.ended().now_or_never(), None);
    }
}
