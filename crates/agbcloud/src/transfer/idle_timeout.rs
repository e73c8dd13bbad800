//! The timeout of a transfer that makes no progress. The total time of a transfer is not limited.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::{
    clock::Time,
    error::{Error, ErrorKind, Result},
    lock::lock,
};

/// Maximum size of a socket buffer on Linux, in bytes.
const MAX_SOCKET_BUFFER: u64 = 4 * 1024 * 1024;

/// Throughput of a slow connection, in bytes per second.
const SLOW_CONNECTION: u64 = 128 * 1024;

/// Fails a transfer during which no byte is transferred for too long. Clones share their state.
#[derive(Debug, Clone)]
pub(crate) struct IdleTimeout {
    last_progress: Arc<Mutex<Instant>>,
    time: Time,
    limit: Duration,
}

impl IdleTimeout {
    pub(crate) fn new(time: Time, limit: Duration) -> Self {
        Self {
            last_progress: Arc::new(Mutex::new(time.now())),
            time,
            limit,
        }
    }

    /// Records progress.
    pub(crate) fn reset(&self) {
        *lock(&self.last_progress) = self.time.now();
    }

    /// Records that the transfer waits until then for the bandwidth limit.
    pub(crate) fn paused_until(&self, moment: Instant) {
        *lock(&self.last_progress) = moment;
    }

    /// Records that the whole body was handed to the system, and extends the timeout: a full socket buffer has to be sent
    /// over a slow connection, and the store has a second for each 16 MiB to make the object durable.
    pub(crate) fn body_sent(&self, bytes: u64) {
        let buffered = Duration::from_secs(bytes.min(MAX_SOCKET_BUFFER) / SLOW_CONNECTION);
        let durable = Duration::from_secs(bytes / (16 * 1024 * 1024));
        *lock(&self.last_progress) = self.time.later(buffered + durable);
    }

    /// Runs work until it ends or the timeout expires.
    pub(crate) async fn watch<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = self.expired() => Err(Error::new(
                ErrorKind::Timeout,
                format!("no data was transferred for {:.1} s", self.limit.as_secs_f64()),
            )),
        }
    }

    async fn expired(&self) {
        loop {
            let idle = self.time.since(*lock(&self.last_progress));
            match self.limit.checked_sub(idle) {
                None | Some(Duration::ZERO) => return,
                Some(left) => self.time.sleep(left).await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_slow_transfer_continues_and_a_stalled_one_fails() {
        let idle_timeout = IdleTimeout::new(Time::default(), LIMIT);
        let slow = async {
            for _ in 0..10 {
                tokio::time::sleep(LIMIT / 2).await;
                idle_timeout.reset();
            }
        };
        assert!(idle_timeout.watch(slow).await.is_ok());
        let start = tokio::time::Instant::now();
        let error = idle_timeout
            .watch(std::future::pending::<()>())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(start.elapsed(), LIMIT);

        let start = tokio::time::Instant::now();
        idle_timeout.body_sent(64 * 1024 * 1024);
        assert!(
            idle_timeout
                .watch(std::future::pending::<()>())
                .await
                .is_err()
        );
        assert_eq!(start.elapsed(), LIMIT + Duration::from_secs(32 + 4));
    }
}
