//! The limit on concurrent transfers.

use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::{file::local::limit_concurrent_transfers, lock::lock, retry::Overload};

/// Throttling does not reduce the limit on files below this: the rate limiter of the client slows their requests.
const MIN_FILES: usize = 4;

/// Limits the files and bytes that are transferred concurrently. Halves the number of files when the service or the store
/// throttles, and raises it one by one after successful transfers.
pub(super) struct ConcurrencyLimit {
    max_files: usize,
    max_bytes: u64,
    overload: Overload,
    state: Mutex<LimitState>,
    released: Notify,
}

struct LimitState {
    files: usize,
    bytes: u64,
    /// The current limit on files.
    max_files: usize,
    /// Successful transfers since the limit was changed.
    successes: usize,
    /// The count of throttled requests when the limit was changed.
    throttled: u64,
}

/// Permits one transfer until it is dropped.
pub(super) struct Permit {
    limit: Arc<ConcurrencyLimit>,
    bytes: u64,
}

impl ConcurrencyLimit {
    pub(super) fn new(max_files: usize, max_bytes: u64, overload: Overload) -> Arc<Self> {
        let max_files = limit_concurrent_transfers(max_files);
        Arc::new(Self {
            max_files,
            max_bytes,
            state: Mutex::new(LimitState {
                files: 0,
                bytes: 0,
                max_files,
                successes: 0,
                throttled: overload.count(),
            }),
            overload,
            released: Notify::new(),
        })
    }

    /// Waits for a permit. A file that exceeds the limit on bytes is transferred alone.
    pub(super) async fn acquire(self: &Arc<Self>, bytes: u64) -> Permit {
        loop {
            let released = self.released.notified();
            if self.try_acquire(bytes) {
                return Permit {
                    limit: self.clone(),
                    bytes,
                };
            }
            released.await;
        }
    }

    fn try_acquire(&self, bytes: u64) -> bool {
        let mut state = lock(&self.state);
        let total = state.bytes.saturating_add(bytes);
        let fits = total <= self.max_bytes || state.files == 0;
        let acquired = state.files < state.max_files && fits;
        if acquired {
            state.files += 1;
            state.bytes = total;
        }
        acquired
    }

    fn release(&self, bytes: u64) {
        let mut state = lock(&self.state);
        state.files -= 1;
        state.bytes = state.bytes.saturating_sub(bytes);
        let throttled = self.overload.count();
        if throttled > state.throttled {
            state.max_files = (state.max_files / 2).max(MIN_FILES.min(self.max_files));
            state.successes = 0;
            state.throttled = throttled;
        } else {
            state.successes += 1;
            if state.successes >= state.max_files && state.max_files < self.max_files {
                state.max_files += 1;
                state.successes = 0;
            }
        }
        drop(state);
        self.released.notify_waiters();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limit.release(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn acquire_now(limit: &Arc<ConcurrencyLimit>, bytes: u64) -> Option<Permit> {
        limit.acquire(bytes).now_or_never()
    }

    #[tokio::test]
    async fn files_and_bytes_are_limited_and_a_large_file_runs_alone() {
        let limit = ConcurrencyLimit::new(3, 100, Overload::default());
        let first = acquire_now(&limit, 60).unwrap();
        assert!(acquire_now(&limit, 50).is_none());
        let second = acquire_now(&limit, 40).unwrap();
        drop((first, second));
        let large = acquire_now(&limit, 1000).unwrap();
        assert!(acquire_now(&limit, 1).is_none());
        drop(large);
        let three: Vec<_> = (0..4).map(|_| acquire_now(&limit, 1)).collect();
        assert_eq!(three.iter().flatten().count(), 3);
    }

    #[tokio::test]
    async fn throttling_halves_the_limit_and_success_raises_it() {
        let overload = Overload::default();
        let limit = ConcurrencyLimit::new(8, 100, overload.clone());
        let all: Vec<_> = (0..9).map_while(|_| acquire_now(&limit, 1)).collect();
        assert_eq!(all.len(), 8);
        drop(all);
        overload.record();
        drop(acquire_now(&limit, 1));
        assert_eq!(lock(&limit.state).max_files, 4);
        drop(acquire_now(&limit, 1));
        assert_eq!(lock(&limit.state).max_files, 4, "each response counts once");
        overload.record();
        drop(acquire_now(&limit, 1));
        assert_eq!(lock(&limit.state).max_files, 4, "the minimum");
        for _ in 0..100 {
            drop(acquire_now(&limit, 1));
        }
        assert_eq!(lock(&limit.state).max_files, 8);
    }

    #[tokio::test]
    async fn a_released_permit_wakes_a_waiting_transfer() {
        let limit = ConcurrencyLimit::new(1, 100, Overload::default());
        let permit = acquire_now(&limit, 1).unwrap();
        let waits = limit.acquire(1);
        let leaves = async {
            tokio::task::yield_now().await;
            drop(permit);
        };
        let (_second, ()) = tokio::join!(waits, leaves);
    }
}
