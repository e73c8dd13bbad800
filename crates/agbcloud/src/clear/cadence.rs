//! When to look: soon at first, then at distances that grow with the time already waited.

use std::time::Duration;

/// Before the first look.
const FIRST: Duration = Duration::from_millis(100);

/// Every later wait is this, and a part of the time already waited.
const BASE: Duration = Duration::from_millis(220);

/// That part, which bounds how late the news is. By itself it would ask far too often at first: with the base added,
/// it costs less than three times the official SDK's calls (see `comparison.rs`).
const PART: u32 = 8;

/// Whatever the poll interval, looks are not closer than this.
const SHORTEST: Duration = Duration::from_millis(10);

/// How long to wait before the first look.
pub(super) fn first_wait(poll_interval: Duration) -> Duration {
    FIRST.min(poll_interval.max(SHORTEST))
}

/// How long to wait before the next look, given the time already waited.
pub(super) fn next_wait(waited: Duration, poll_interval: Duration) -> Duration {
    (BASE + waited / PART).min(poll_interval.max(SHORTEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_a_tenth_of_a_second_to_the_interval() {
        let interval = Duration::from_secs(2);
        assert_eq!(first_wait(interval), FIRST);
        assert_eq!(
            next_wait(Duration::from_secs(8), interval),
            Duration::from_millis(1220)
        );
        assert_eq!(next_wait(Duration::from_secs(60), interval), interval);
    }

    #[test]
    fn no_interval_is_too_short() {
        assert_eq!(first_wait(Duration::ZERO), SHORTEST);
        assert_eq!(next_wait(Duration::from_secs(60), Duration::ZERO), SHORTEST);
    }
}
