//! The progress of a transfer.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{clock::Time, lock::lock};

/// Minimum interval between two reports. The last report is always sent.
const INTERVAL: Duration = Duration::from_millis(50);

/// The progress of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes transferred so far.
    pub bytes: u64,
    /// Total number of bytes, if known.
    pub total: Option<u64>,
}

/// An optional callback.
#[derive(Clone, Default)]
pub(crate) struct ProgressListener(Option<Arc<dyn Fn(Progress) + Send + Sync>>);

impl ProgressListener {
    pub(crate) fn new(listener: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }
}

impl fmt::Debug for ProgressListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "ProgressListener"
        } else {
            "None"
        })
    }
}

/// Counts bytes and reports them at most twenty times a second. The parts of one transfer share it.
pub(crate) struct ProgressMeter {
    listener: ProgressListener,
    time: Time,
    state: Mutex<MeterState>,
}

struct MeterState {
    progress: Progress,
    reported_at: Option<Instant>,
}

impl ProgressMeter {
    pub(crate) fn new(listener: ProgressListener, total: Option<u64>, time: Time) -> Self {
        let progress = Progress { bytes: 0, total };
        Self {
            listener,
            time,
            state: Mutex::new(MeterState {
                progress,
                reported_at: None,
            }),
        }
    }

    pub(crate) fn set_total(&self, total: Option<u64>) {
        lock(&self.state).progress.total = total;
    }

    /// Subtracts bytes that have to be transferred again.
    pub(crate) fn subtract(&self, bytes: u64) {
        let mut state = lock(&self.state);
        state.progress.bytes = state.progress.bytes.saturating_sub(bytes);
    }

    pub(crate) fn bytes(&self) -> u64 {
        lock(&self.state).progress.bytes
    }

    pub(crate) fn add(&self, bytes: usize) {
        let mut state = lock(&self.state);
        state.progress.bytes += bytes as u64;
        let Some(listener) = &self.listener.0 else {
            return;
        };
        let now = self.time.now();
        let last = state.progress.total == Some(state.progress.bytes);
        if last || state.reported_at.is_none_or(|then| now - then >= INTERVAL) {
            state.reported_at = Some(now);
            // The lock is held, so that reports arrive in order.
            listener(state.progress);
        }
    }

    /// Ends the transfer, and reports the last byte unless that was reported already.
    pub(crate) fn finish(&self) {
        let mut state = lock(&self.state);
        let Some(listener) = &self.listener.0 else {
            return;
        };
        let unknown = state.progress.total.is_none();
        if unknown || state.reported_at.is_none() {
            state.progress.total = Some(state.progress.bytes);
            listener(state.progress);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_reported_once() {
        for (total, bytes) in [(Some(0), 0), (None, 0), (None, 3), (Some(3), 3)] {
            let reports = Arc::new(Mutex::new(Vec::new()));
            let sink = reports.clone();
            let listener =
                ProgressListener::new(move |progress| sink.lock().unwrap().push(progress));
            let meter = ProgressMeter::new(listener, total, Time::default());
            if bytes > 0 {
                meter.add(bytes);
            }
            meter.finish();
            let reports = reports.lock().unwrap();
            let end = Progress {
                bytes: bytes as u64,
                total: Some(bytes as u64),
            };
            assert_eq!(
                reports.iter().filter(|report| **report == end).count(),
                1,
                "{reports:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn progress_is_reported_at_most_twenty_times_a_second_and_at_the_end() {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let sink = reports.clone();
        let listener =
            ProgressListener::new(move |progress| sink.lock().unwrap().push(progress.bytes));
        let meter = ProgressMeter::new(listener, Some(2000), Time::default());
        for _ in 0..2000 {
            tokio::time::advance(Duration::from_millis(1)).await;
            meter.add(1);
        }
        let reports = reports.lock().unwrap();
        assert!((35..=42).contains(&reports.len()), "{}", reports.len());
        assert_eq!(reports.last(), Some(&2000));
    }
}
