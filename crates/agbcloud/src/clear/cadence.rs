//! When to look: soon at first, then at distances that grow with the time already waited.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);

/// Whatever the poll interval, looks are not closer than this.
const SHORTEST: Duration = Duration::from_millis(10);

/// The wait grows to this part of the time already spent, so that the news is late by a seventh at most.
const PART: u32 = 7;

/// How long to wait before the next look, given the time already waited.
pub(super) fn next_wait(waited: Duration, poll_interval: Duration) -> Duration {
    (waited / PART).max(FIRST).min(poll_interval.max(SHORTEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_a_tenth_of_a_second_to_the_interval() {
        let interval = Duration::from_secs(2);
        assert_eq!(next_wait(Duration::ZERO, interval), FIRST);
        assert_eq!(
            next_wait(Duration::from_secs(7), interval),
            Duration::from_secs(1)
        );
        assert_eq!(next_wait(Duration::from_secs(60), interval), interval);
        assert_eq!(next_wait(Duration::from_secs(60), Duration::ZERO), SHORTEST);
    }
}
