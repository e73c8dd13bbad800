//! Noticing that nothing moves. A transfer has no limit in total: a large file on a slow line takes its time.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{Error, ErrorKind, Result, clock::Time};

/// Bytes that the system holds of a connection, at most: what Linux lets a socket's buffer grow to.
const HELD: u64 = 4 * 1024 * 1024;

/// Bytes a second of a line that is slow and no more than that.
const SLOW: u64 = 128 * 1024;

/// When a byte last moved. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Pulse {
    last: Arc<Mutex<Instant>>,
    time: Time,
    /// How long no byte may move.
    longest: Duration,
}

impl Pulse {
    pub(super) fn new(time: Time, longest: Duration) -> Self {
        Self {
            last: Arc::new(Mutex::new(time.now())),
            time,
            longest,
        }
    }

    /// Something moved.
    pub(super) fn beat(&self) {
        self.set(self.time.now());
    }

    /// All bytes are given away. Before silence counts as a stall, the system gets time to send what it holds, as much as it
    /// may be and as slow as a line may be; and the store to make all of it durable, a second for each 16 MiB.
    pub(super) fn sent(&self, bytes: u64) {
        let on_the_way = Duration::from_secs(bytes.min(HELD) / SLOW);
        let durable = Duration::from_secs(bytes / (16 * 1024 * 1024));
        self.set(self.time.later(on_the_way + durable));
    }

    fn set(&self, moment: Instant) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = moment;
    }

    fn last(&self) -> Instant {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the work until it ends, or until nothing has moved for too long.
    pub(super) async fn watch<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = self.stopped() => Err(Error::new(
                ErrorKind::Timeout,
                format!("no byte moved for {:.1} s: try again", self.longest.as_secs_f64()),
            )),
        }
    }

    async fn stopped(&self) {
        loop {
            let still = self.time.since(self.last());
            match self.longest.checked_sub(still) {
                None | Some(Duration::ZERO) => return,
                Some(left) => self.time.sleep(left).await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn slow_work_is_left_alone_and_stalled_work_is_ended() {
        let pulse = Pulse::new(Time::default(), STALL);
        let slow = async {
            for _ in 0..10 {
                tokio::time::sleep(STALL / 2).await;
                pulse.beat();
            }
        };
        assert!(pulse.watch(slow).await.is_ok());
        let start = tokio::time::Instant::now();
        let error = pulse.watch(std::future::pending::<()>()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(start.elapsed(), STALL);

        let start = tokio::time::Instant::now();
        pulse.sent(64 * 1024 * 1024);
        assert!(pulse.watch(std::future::pending::<()>()).await.is_err());
        assert_eq!(start.elapsed(), STALL + Duration::from_secs(32 + 4));
    }
}
