//! How fast a body has to move.

use std::time::Duration;

/// Holds one side of a transfer against a minimum rate. Only the time that is spent waiting for that side counts: a
/// service that is slow itself cuts nobody off.
#[derive(Debug)]
pub(crate) struct Pace {
    /// It is looked at when so much time was spent waiting, and then begins anew.
    window: Duration,
    /// Bytes a second.
    rate: u64,
    waited: Duration,
    moved: u64,
}

impl Pace {
    pub(crate) fn new(window: Duration, rate: u64) -> Self {
        Self {
            window,
            rate,
            waited: Duration::ZERO,
            moved: 0,
        }
    }

    /// For how long nothing at all may move.
    pub(crate) fn window(&self) -> Duration {
        self.window
    }

    /// Notes that some bytes moved after some waiting. False if the other side is too slow.
    pub(crate) fn moved(&mut self, bytes: usize, waited: Duration) -> bool {
        self.waited += waited;
        self.moved += bytes as u64;
        if self.waited < self.window {
            return true;
        }
        let enough =
            u128::from(self.moved) * 1000 >= u128::from(self.rate) * self.waited.as_millis();
        *self = Self::new(self.window, self.rate);
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn who_keeps_the_rate_goes_on_and_who_does_not_ends_with_the_window() {
        let mut pace = Pace::new(10 * SECOND, 100);
        for _ in 0..100 {
            assert!(pace.moved(100, SECOND));
        }
        for _ in 0..9 {
            assert!(pace.moved(99, SECOND));
        }
        assert!(!pace.moved(99, SECOND));
    }

    #[test]
    fn each_window_is_looked_at_by_itself() {
        let mut pace = Pace::new(2 * SECOND, 100);
        assert!(pace.moved(1_000_000, SECOND) && pace.moved(0, SECOND));
        assert!(pace.moved(0, SECOND) && !pace.moved(0, SECOND));
    }

    #[test]
    fn without_a_rate_nobody_is_too_slow() {
        let mut pace = Pace::new(SECOND, 0);
        assert!(pace.moved(0, 1000 * SECOND));
    }
}
