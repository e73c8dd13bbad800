//! The limit of the bytes that are transferred in a second.
//!
//! `governor` and `async-speed-limit` measure time with clocks of their own, and not with the one of the client.

use std::{
    num::NonZeroU64,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{clock::Time, lock::lock};

/// Unused time that counts for later bytes. Timers are accurate to a millisecond, which is long for a high rate.
const BURST: Duration = Duration::from_millis(100);

/// Pieces for each second, so that a large chunk does not block a transfer, its progress or other transfers for long.
const PIECES_PER_SECOND: u64 = 8;

/// Limits the bytes of one direction. Clones share the limit. Without a rate, nothing waits.
#[derive(Debug, Clone, Default)]
pub(crate) struct BandwidthLimit(Option<Arc<Limited>>);

#[derive(Debug)]
struct Limited {
    rate: NonZeroU64,
    /// When the bytes that were admitted have been transferred at the rate. `None` before the first.
    free: Mutex<Option<Instant>>,
}

impl BandwidthLimit {
    pub(crate) fn new(bytes_per_second: Option<NonZeroU64>) -> Self {
        Self(bytes_per_second.map(|rate| {
            let free = Mutex::new(None);
            Arc::new(Limited { rate, free })
        }))
    }

    /// Removes from the chunk the bytes to admit next: all of them without a rate.
    pub(crate) fn take_piece(&self, chunk: &mut Bytes) -> Bytes {
        let longest = self.0.as_ref().map_or(u64::MAX, |limited| {
            limited.rate.get().div_ceil(PIECES_PER_SECOND)
        });
        chunk.split_to(usize::try_from(longest).map_or(chunk.len(), |len| len.min(chunk.len())))
    }

    /// Admits bytes, and returns when to transfer them if they have to wait. Callers are admitted in the order of their calls.
    pub(crate) fn admit(&self, bytes: usize, time: &Time) -> Option<Instant> {
        let limited = self.0.as_ref()?;
        let now = time.now();
        let mut free = lock(&limited.free);
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let start = free.map_or(now, |free| free.max(earliest));
        let nanos = (bytes as u128 * 1_000_000_000).div_ceil(u128::from(limited.rate.get()));
        let duration = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        *free = Some(start.checked_add(duration).unwrap_or(start));
        Some(start).filter(|start| *start > now)
    }

    /// Waits until the bytes may be transferred.
    pub(crate) async fn wait(&self, bytes: usize, time: &Time) {
        if let Some(start) = self.admit(bytes, time) {
            time.sleep_until(start).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(rate: u64) -> BandwidthLimit {
        BandwidthLimit::new(NonZeroU64::new(rate))
    }

    #[test]
    fn a_chunk_is_split_only_with_a_rate() {
        let mut chunk = Bytes::from_static(&[0; 100]);
        assert_eq!(limit(1).take_piece(&mut chunk).len(), 1);
        assert_eq!(limit(80).take_piece(&mut chunk).len(), 10);
        assert_eq!(limit(u64::MAX).take_piece(&mut chunk.clone()).len(), 89);
        assert_eq!(BandwidthLimit::default().take_piece(&mut chunk).len(), 89);
        assert!(chunk.is_empty());
        assert!(limit(80).take_piece(&mut chunk).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_of_all_tasks_wait_in_order() {
        let (limit, time) = (limit(1000), Time::default());
        let start = time.now();
        let ends = Mutex::new(Vec::new());
        let transfer = async |_| {
            limit.clone().wait(500, &time).await;
            lock(&ends).push(time.since(start).as_millis());
        };
        futures_util::future::join_all((0..5).map(transfer)).await;
        assert_eq!(*lock(&ends), [0, 500, 1000, 1500, 2000]);
    }

    #[tokio::test(start_paused = true)]
    async fn unused_time_counts_for_a_tenth_of_a_second() {
        let (limit, time) = (limit(1000), Time::default());
        limit.wait(1, &time).await;
        time.sleep(Duration::from_secs(3600)).await;
        let start = time.now();
        limit.wait(100, &time).await;
        limit.wait(100, &time).await;
        assert_eq!(time.since(start), Duration::ZERO);
        limit.wait(100, &time).await;
        assert_eq!(time.since(start), Duration::from_millis(100));
    }

    #[tokio::test(start_paused = true)]
    async fn extreme_rates_and_sizes_do_not_overflow() {
        let (slow, fast, time) = (limit(1), limit(u64::MAX), Time::default());
        for _ in 0..3 {
            slow.admit(usize::MAX, &time);
            let start = fast.admit(1 << 30, &time);
            assert!(start.is_none_or(|start| start < time.later(Duration::from_micros(1))));
        }
        assert!(slow.admit(1, &time).is_some());
        assert_eq!(BandwidthLimit::default().admit(usize::MAX, &time), None);
    }
}
