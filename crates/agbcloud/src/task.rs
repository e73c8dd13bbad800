//! Work in a task of its own.

use tokio::{runtime::Handle, task::JoinHandle};
use tracing::Instrument;

/// A task that ends when nobody waits for it any more.
pub(crate) struct Task<T>(JoinHandle<T>);

impl<T: Send + 'static> Task<T> {
    /// Starts it in the span of whoever does. Panics outside of a runtime.
    pub(crate) fn start(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self::start_on(&Handle::current(), work)
    }

    pub(crate) fn start_on(
        runtime: &Handle,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        Self(runtime.spawn(work.in_current_span()))
    }

    /// What it gives; `None` if the runtime has shut down. A panic in it goes on here, as without a task.
    pub(crate) async fn end(&mut self) -> Option<T> {
        match (&mut self.0).await {
            Ok(given) => Some(given),
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
    async fn it_ends_when_nobody_waits_for_it() {
        let (sender, told) = tokio::sync::oneshot::channel::<()>();
        let task = Task::start(async move {
            std::future::pending::<()>().await;
            drop(sender);
        });
        tokio::task::yield_now().await;
        drop(task);
        assert!(told.await.is_err());
    }

    #[tokio::test]
    #[should_panic(expected = "as without a task")]
    async fn its_panic_is_that_of_who_waits() {
        Task::start(async { panic!("as without a task") })
            .end()
            .await;
    }

    #[test]
    fn it_ends_with_its_runtime() {
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
