//! The minimum rate of a transfer.

use std::time::Duration;

/// Checks one side of a transfer against a minimum rate. Only the time spent waiting for that side counts, so a slow
/// service does not disconnect its clients.
#[derive(Debug)]
pub(crate) struct MinimumRate {
    /// The waiting time after which the rate is checked and the count starts from zero.
    window: Duration,
    /// Bytes per second.
    rate: u64,
    waited: Duration,
    bytes: u64,
}

impl MinimumRate {
    pub(crate) fn new(window: Duration, rate: u64) -> Self {
        Self {
            window,
            rate,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// Returns the maximum time without any bytes.
    pub(crate) fn window(&self) -> Duration {
        self.window
    }

    /// Records that `bytes` were transferred after waiting for `waited`. Returns false if the other side is too slow.
    pub(crate) fn record(&mut self, bytes: usize, waited: Duration) -> bool {
        self.waited += waited;
        self.bytes += bytes as u64;
        if self.waited < self.window {
            return true;
        }
        let enough =
            u128::from(self.bytes) * 1000 >= u128::from(self.rate) * self.waited.as_millis();
        *self = Self::new(self.window, self.rate);
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_transfer_below_the_rate_fails_at_the_end_of_the_window() {
        let mut rate = MinimumRate::new(10 * SECOND, 100);
        for _ in 0..100 {
            assert!(rate.record(100, SECOND));
        }
        for _ in 0..9 {
            assert!(rate.record(99, SECOND));
        }
        assert!(!rate.record(99, SECOND));
    }

    #[test]
    fn each_window_is_checked_separately() {
        let mut rate = MinimumRate::new(2 * SECOND, 100);
        assert!(rate.record(1_000_000, SECOND) && rate.record(0, SECOND));
        assert!(rate.record(0, SECOND) && !rate.record(0, SECOND));
    }

    #[test]
    fn a_rate_of_zero_is_no_limit() {
        let mut rate = MinimumRate::new(SECOND, 0);
        assert!(rate.record(0, 1000 * SECOND));
    }
}
