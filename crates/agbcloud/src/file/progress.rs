//! How far a transfer has come.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::clock::Time;

/// At most this often is progress reported, but for the last report.
const INTERVAL: Duration = Duration::from_millis(50);

/// How far a transfer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes moved so far.
    pub bytes: u64,
    /// Bytes in all, where that is known.
    pub total: Option<u64>,
}

/// Whom to tell.
#[derive(Clone, Default)]
pub(super) struct Listener(Option<Arc<dyn Fn(Progress) + Send + Sync>>);

impl Listener {
    pub(super) fn new(listener: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Listener" } else { "None" })
    }
}

/// Counts bytes, and tells at most twenty times a second. Parts of one transfer share it.
pub(super) struct Meter {
    listener: Listener,
    time: Time,
    state: Mutex<State>,
}

struct State {
    progress: Progress,
    told: Option<Instant>,
}

impl Meter {
    pub(super) fn new(listener: Listener, total: Option<u64>, time: Time) -> Self {
        let progress = Progress { bytes: 0, total };
        Self {
            listener,
            time,
            state: Mutex::new(State {
                progress,
                told: None,
            }),
        }
    }

    /// How much it is has become known.
    pub(super) fn set_total(&self, total: Option<u64>) {
        self.state().progress.total = total;
    }

    /// What was moved has to be moved once more.
    pub(super) fn lost(&self, bytes: u64) {
        let mut state = self.state();
        state.progress.bytes = state.progress.bytes.saturating_sub(bytes);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.state().progress.bytes
    }

    pub(super) fn moved(&self, bytes: usize) {
        let mut state = self.state();
        state.progress.bytes += bytes as u64;
        let Some(listener) = &self.listener.0 else {
            return;
        };
        let now = self.time.now();
        let last = state.progress.total == Some(state.progress.bytes);
        if last || state.told.is_none_or(|told| now - told >= INTERVAL) {
            state.told = Some(now);
            // The lock is held, so that what is told only grows.
            listener(state.progress);
        }
    }

    /// There is no more to come. Who has not heard of the last byte hears of it.
    pub(super) fn finish(&self) {
        let mut state = self.state();
        let Some(listener) = &self.listener.0 else {
            return;
        };
        let unknown = state.progress.total.is_none();
        if unknown || state.told.is_none() {
            state.progress.total = Some(state.progress.bytes);
            listener(state.progress);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_told_once_however_much_there_was() {
        for (total, bytes) in [(Some(0), 0), (None, 0), (None, 3), (Some(3), 3)] {
            let told = Arc::new(Mutex::new(Vec::new()));
            let sink = told.clone();
            let listener = Listener::new(move |progress| sink.lock().unwrap().push(progress));
            let meter = Meter::new(listener, total, Time::default());
            if bytes > 0 {
                meter.moved(bytes);
            }
            meter.finish();
            let told = told.lock().unwrap();
            let end = Progress {
                bytes: bytes as u64,
                total: Some(bytes as u64),
            };
            assert_eq!(
                told.iter().filter(|one| **one == end).count(),
                1,
                "{told:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_told_at_most_twenty_times_a_second_and_at_the_end() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = told.clone();
        let listener = Listener::new(move |progress| sink.lock().unwrap().push(progress.bytes));
        let meter = Meter::new(listener, Some(2000), Time::default());
        for _ in 0..2000 {
            tokio::time::advance(Duration::from_millis(1)).await;
            meter.moved(1);
        }
        let told = told.lock().unwrap();
        assert!((35..=42).contains(&told.len()), "{}", told.len());
        assert_eq!(told.last(), Some(&2000));
    }
}
