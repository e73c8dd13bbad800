//! Tokio tasks that are cancelled on drop.

use tokio::{runtime::Handle, task::JoinHandle};
use tracing::Instrument;

/// A task that is aborted when it is dropped.
pub(crate) struct Task<T>(JoinHandle<T>);

impl<T: Send + 'static> Task<T> {
    /// Starts the work on the current runtime, in the current span. Panics outside of a runtime.
    pub(crate) fn start(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self::start_on(&Handle::current(), work)
    }

    pub(crate) fn start_on(
        runtime: &Handle,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        Self(runtime.spawn(work.in_current_span()))
    }

    /// Waits for the result; `None` if the runtime was shut down. A panic of the task is resumed.
    pub(crate) async fn end(&mut self) -> Option<T> {
        match (&mut self.0).await {
            Ok(result) => Some(result),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => None,
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dropped_task_is_aborted() {
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        let task = Task::start(async move {
            std::future::pending::<()>().await;
            drop(sender);
        });
        tokio::task::yield_now().await;
        drop(task);
        assert!(receiver.await.is_err());
    }

    #[tokio::test]
    #[should_panic(expected = "in the task")]
    async fn a_panic_is_resumed_in_the_waiting_task() {
        Task::start(async { panic!("in the task") }).end().await;
    }

    #[test]
    fn a_task_ends_with_its_runtime() {
        let runtime = || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.build().unwrap()
        };
        let other = runtime();
        let mut task = Task::start_on(other.handle(), std::future::pending::<()>());
        drop(other);
        assert_eq!(runtime().block_on(task.end()), None);
    }
}
