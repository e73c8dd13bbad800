//! When to look: soon at first, then at distances that grow with the time already waited.

use std::time::Duration;

/// Before the first look.
const FIRST: Duration = Duration::from_millis(100);

/// Every later wait is this,
const BASE: Duration = Duration::from_millis(260);

/// and so much for the square root of the seconds already waited. Of all ways to spend a number of looks on clears
/// whose lengths are spread evenly on a logarithmic scale, waits that grow with the square root of the time tell the
/// end soonest; a fixed part of the time looks too often at first and too seldom later (see `comparison.rs`).
const GROWTH: Duration = Duration::from_millis(210);

/// Whatever the poll interval, looks are not closer than this.
const SHORTEST: Duration = Duration::from_millis(10);

/// How long to wait before the first look.
pub(super) fn first_wait(poll_interval: Duration) -> Duration {
    FIRST.min(poll_interval.max(SHORTEST))
}

/// How long to wait before the next look, given the time already waited.
pub(super) fn next_wait(waited: Duration, poll_interval: Duration) -> Duration {
    let grown = GROWTH.mul_f64(waited.as_secs_f64().sqrt());
    (BASE + grown).min(poll_interval.max(SHORTEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_a_tenth_of_a_second_to_the_interval() {
        let interval = Duration::from_secs(2);
        assert_eq!(first_wait(interval), FIRST);
        assert_eq!(
            next_wait(Duration::from_secs(9), interval),
            Duration::from_millis(890)
        );
        assert_eq!(next_wait(Duration::from_secs(90), interval), interval);
    }

    #[test]
    fn no_time_is_too_long() {
        let interval = Duration::from_secs(2);
        assert_eq!(next_wait(Duration::MAX, interval), interval);
    }

    #[test]
    fn no_interval_is_too_short() {
        assert_eq!(first_wait(Duration::ZERO), SHORTEST);
        assert_eq!(next_wait(Duration::from_secs(60), Duration::ZERO), SHORTEST);
    }
}
