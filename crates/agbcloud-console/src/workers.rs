//! [`Workers`]: threads that prepare previews, so that none delays other requests.

use std::sync::Arc;

use tokio::{sync::Semaphore, task::JoinError};

/// Maximum number of previews that are prepared at a time. Further ones wait.
const MAX_PREVIEWS: usize = 2;

/// Prepares previews, which takes long for some contents, outside of the threads that answer requests.
pub(crate) struct Workers {
    permits: Arc<Semaphore>,
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(MAX_PREVIEWS)),
        }
    }
}

impl Workers {
    /// Runs the work when a thread is available. Fails if it panics.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let permit = self.permits.clone().acquire_owned().await;
        let work = move || {
            // Released when the work ends, even if its request has ended before.
            let _permit = permit;
            work()
        };
        tokio::task::spawn_blocking(work).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// In a runtime of one thread, work on that thread would never receive the message.
    #[tokio::test]
    async fn work_leaves_the_thread_of_the_runtime_free() {
        let workers = Workers::default();
        let (sender, receiver) = channel();
        let work = workers.run(move || receiver.recv().ok());
        let other = async { sender.send(7).ok() };
        let (received, sent) = tokio::join!(work, other);
        assert_eq!((received.unwrap(), sent), (Some(7), Some(())));
        assert!(workers.run(|| panic!("broken")).await.is_err());
        assert_eq!(workers.permits.available_permits(), MAX_PREVIEWS);
    }
}
