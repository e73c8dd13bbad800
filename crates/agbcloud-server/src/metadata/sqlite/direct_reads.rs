//! Short reads on the thread of the request, without a hand-over to a reading thread.
//!
//! Finding a row takes a few microseconds if its pages are in memory. Waking a thread, and waking the request afterwards, takes
//! several times as long. But a read that waits for the disk would stop all requests of its thread. So the time that reads take is
//! observed, and for a while after slow ones, reads go to the reading threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::threads::in_snapshot;
use crate::metadata::{Result, StoreError};

/// The mean time of reads above which they go to the reading threads.
const SLOW: Duration = Duration::from_micros(250);
/// The number of reads that the mean is taken over. A single read that was interrupted by the system does not count as slow.
const MEAN_OVER: u32 = 256;
/// As how long a longer read counts, so that one whose thread the system stopped for a while is not the mean.
const LONGEST: Duration = Duration::from_millis(10);
/// How long reads go to the reading threads then.
const PAUSE: Duration = Duration::from_secs(1);

/// A connection, and what must be dropped after it.
pub(super) struct DirectConnection<G> {
    pub(super) db: Connection,
    pub(super) _guard: G,
}

/// The connections for direct reads, shared by the threads of the runtime.
pub(super) struct DirectReads<G> {
    connections: Vec<Mutex<Option<DirectConnection<G>>>>,
    speed: Speed,
}

impl<G> DirectReads<G> {
    pub(super) fn new(connections: impl IntoIterator<Item = DirectConnection<G>>) -> Self {
        let shared = |connection| Mutex::new(Some(connection));
        Self {
            connections: connections.into_iter().map(shared).collect(),
            speed: Speed::new(),
        }
    }

    /// Runs a short read on one snapshot of the store. `None` if a reading thread must run it: all connections are in use or
    /// closed, reads are slow, or the read failed for a reason that may be temporary.
    pub(super) fn try_run<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T>,
    ) -> Option<Result<T>> {
        #[expect(clippy::disallowed_methods, reason = "measures a duration")]
        let began = Instant::now();
        if self.speed.is_slow(began) {
            return None;
        }
        let connection = self.connections.iter().find_map(|connection| {
            let locked = match connection.try_lock() {
                Ok(locked) => locked,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return None,
            };
            locked.is_some().then_some(locked)
        })?;
        let db = &connection.as_ref()?.db;
        let result = catch_unwind(AssertUnwindSafe(|| in_snapshot(db, work)));
        self.speed.record(began, began.elapsed());
        match result {
            // Such as a lock that the connection does not wait for.
            Err(_) | Ok(Err(StoreError::Failed(_))) => None,
            Ok(result) => Some(result),
        }
    }

    /// Closes the connections. Waits for reads that are running.
    pub(super) fn close(&self) {
        for connection in &self.connections {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            *connection = None;
        }
    }
}

/// How long reads take. Threads overwrite each other's updates, which changes a mean by one value.
struct Speed {
    start: Instant,
    /// The mean time in nanoseconds.
    mean: AtomicU64,
    /// When the pause ends, in nanoseconds since the start.
    paused_until: AtomicU64,
}

impl Speed {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "measures a duration")]
        let start = Instant::now();
        Self {
            start,
            mean: AtomicU64::new(0),
            paused_until: AtomicU64::new(0),
        }
    }

    fn is_slow(&self, now: Instant) -> bool {
        self.since_start(now) < self.paused_until.load(Ordering::Relaxed)
    }

    fn record(&self, began: Instant, took: Duration) {
        let mean = self.mean.load(Ordering::Relaxed);
        let weight = u64::from(MEAN_OVER);
        let mean = mean - mean / weight + nanoseconds(took.min(LONGEST)) / weight;
        if mean < nanoseconds(SLOW) {
            self.mean.store(mean, Ordering::Relaxed);
        } else {
            self.mean.store(0, Ordering::Relaxed);
            let end = self.since_start(began + took + PAUSE);
            self.paused_until.store(end, Ordering::Relaxed);
        }
    }

    fn since_start(&self, now: Instant) -> u64 {
        nanoseconds(now.saturating_duration_since(self.start))
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn reads(guards: &[Arc<()>]) -> DirectReads<Arc<()>> {
        DirectReads::new(guards.iter().map(|guard| DirectConnection {
            db: Connection::open_in_memory().unwrap(),
            _guard: guard.clone(),
        }))
    }

    fn one(db: &Connection) -> Result<i64> {
        Ok(db.query_row("SELECT 1", [], |row| row.get(0))?)
    }

    #[test]
    fn a_read_that_fails_or_panics_is_left_to_the_threads_and_ends_its_transaction() {
        let reads = reads(&[Arc::new(())]);
        assert_eq!(reads.try_run(one), Some(Ok(1)));
        let missing = reads.try_run(|_| Err::<(), _>(StoreError::NoFile));
        assert_eq!(missing, Some(Err(StoreError::NoFile)));
        let failed = reads.try_run(|db| Ok(db.execute_batch("SELECT * FROM missing")?));
        assert_eq!(failed, None);
        assert_eq!(reads.try_run(|_| -> Result<()> { panic!("a bug") }), None);
        assert_eq!(reads.try_run(one), Some(Ok(1)));
    }

    #[test]
    fn reads_are_left_to_the_threads_while_all_connections_are_in_use_and_after_closing() {
        let guards = [Arc::new(()), Arc::new(())];
        let reads = reads(&guards);
        let nested = reads.try_run(|_| {
            let second = reads.try_run(|_| Ok(reads.try_run(one)));
            assert_eq!(second, Some(Ok(None)));
            Ok(reads.try_run(one))
        });
        assert_eq!(nested, Some(Ok(Some(Ok(1)))));
        reads.close();
        assert_eq!(reads.try_run(one), None);
        assert!(guards.iter().all(|guard| Arc::strong_count(guard) == 1));
    }

    #[test]
    fn reads_are_measured_and_left_to_the_threads_while_they_are_slow() {
        let reads = reads(&[Arc::new(())]);
        assert_eq!(reads.try_run(one), Some(Ok(1)));
        assert!(reads.speed.mean.load(Ordering::Relaxed) > 0);
        // The pause ends in an hour.
        let later = reads.speed.start + Duration::from_secs(3600);
        while !reads.speed.is_slow(later) {
            reads.speed.record(later, Duration::from_millis(5));
        }
        assert_eq!(reads.try_run(one), None);
    }

    #[test]
    fn slow_reads_pause_direct_reads_and_a_single_interruption_does_not() {
        let speed = Speed::new();
        let start = speed.start;
        for _ in 0..1000 {
            speed.record(start, Duration::from_micros(20));
        }
        // The system runs another program for a while.
        speed.record(start, Duration::from_secs(1));
        assert!(!speed.is_slow(start));
        // A disk takes that long for each read.
        let mut slow_reads = 0;
        while !speed.is_slow(start) {
            slow_reads += 1;
            speed.record(start, Duration::from_millis(5));
        }
        assert!(slow_reads < 16, "{slow_reads}");
        let end = start + Duration::from_millis(5) + PAUSE;
        assert!(speed.is_slow(start) && speed.is_slow(end - Duration::from_nanos(1)));
        assert!(!speed.is_slow(end));
        // The pause has an end, and one slow read does not begin the next.
        speed.record(end, Duration::from_millis(5));
        assert!(!speed.is_slow(end));
    }
}
