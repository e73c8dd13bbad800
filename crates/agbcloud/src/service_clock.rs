//! The offset between the clock of the service and the local one, measured by the `Date` headers of responses.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

/// `Date` has a resolution of one second.
const UNIT_NANOS: i128 = 1_000_000_000;
/// Servers keep the text of `Date` for a while: hyper until a connection is polled again, others until a timer ticks, once a second
/// at the slowest. A response can therefore have the date of up to a second before its request.
const MAX_DATE_AGE_NANOS: i128 = 1_000_000_000;

/// Bounds of the difference between the time of the service and the local time, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Offset {
    least: i128,
    most: i128,
}

/// The measured clock of the service. Clones share the measurements.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServiceClock(Arc<Mutex<Option<Offset>>>);

/// The order of two times of different clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Earlier,
    Later,
    /// Too close to decide with the known offset.
    Unknown,
}

impl ServiceClock {
    /// Adds the `Date` of a response, with the local times of the request and of the response.
    pub(crate) fn observe(&self, date: SystemTime, sent: SystemTime, answered: SystemTime) {
        let date = nanos(date);
        let seen = Offset {
            least: date - nanos(answered),
            most: date + UNIT_NANOS + MAX_DATE_AGE_NANOS - nanos(sent),
        };
        if seen.least > seen.most {
            // The local clock was set back during the request.
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let both = known.map(|known| Offset {
            least: known.least.max(seen.least),
            most: known.most.min(seen.most),
        });
        // Contradictory measurements: one of the clocks was set.
        *known = Some(both.filter(|both| both.least <= both.most).unwrap_or(seen));
    }

    /// The offset; 0 if that is possible, as for the same host or synchronized hosts.
    fn offset(&self) -> Offset {
        let known = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .filter(|known| !(known.least..=known.most).contains(&0))
            .unwrap_or(Offset { least: 0, most: 0 })
    }

    /// Whether a local file was written before or after a file of the service.
    pub(crate) fn compare(&self, local: SystemTime, service: SystemTime) -> Order {
        let offset = self.offset();
        let (local, service) = (nanos(local), nanos(service));
        // A time in whole seconds can be any time in that second.
        let unit = match service % UNIT_NANOS {
            0 => UNIT_NANOS - 1,
            _ => 0,
        };
        if local + offset.least > service + unit {
            Order::Later
        } else if local + offset.most < service {
            Order::Earlier
        } else {
            Order::Unknown
        }
    }

    /// The latest time of the service at a local time.
    pub(crate) fn latest(&self, local: SystemTime) -> SystemTime {
        let most = self.offset().most;
        let distance =
            u64::try_from(most.unsigned_abs()).map_or(Duration::ZERO, Duration::from_nanos);
        let shifted = match most < 0 {
            true => local.checked_sub(distance),
            false => local.checked_add(distance),
        };
        shifted.unwrap_or(local)
    }

    /// Whether the service could still change a file without changing its time, since the time is within the resolution
    /// of the clocks before now.
    pub(crate) fn is_recent(&self, service: SystemTime, now: SystemTime) -> bool {
        let margin = Duration::from_secs(1);
        let earliest_now = nanos(now) + self.offset().least - 2 * UNIT_NANOS;
        nanos(service) + nanos(SystemTime::UNIX_EPOCH + margin) > earliest_now
    }
}

fn nanos(time: SystemTime) -> i128 {
    let nanos = |since: Duration| i128::try_from(since.as_nanos()).unwrap_or(i128::MAX / 4);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => nanos(since),
        Err(before) => -nanos(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs_f64(1_700_000_000.0 + seconds)
    }

    #[test]
    fn without_an_offset_times_are_ordered_exactly() {
        let clock = ServiceClock::default();
        assert_eq!(clock.compare(at(0.5), at(0.3)), Order::Later);
        clock.observe(at(0.0), at(0.2), at(0.3));
        assert_eq!(clock.compare(at(0.5), at(0.3)), Order::Later);
        assert_eq!(clock.compare(at(0.2), at(0.3)), Order::Earlier);
        assert_eq!(clock.compare(at(0.3), at(0.3)), Order::Unknown);
    }

    #[test]
    fn a_time_in_whole_seconds_covers_the_second() {
        let clock = ServiceClock::default();
        assert_eq!(clock.compare(at(0.9), at(0.0)), Order::Unknown);
        assert_eq!(clock.compare(at(1.0), at(0.0)), Order::Later);
        assert_eq!(clock.compare(at(-0.1), at(0.0)), Order::Earlier);
    }

    #[test]
    fn a_date_of_the_previous_second_shows_no_offset() {
        let clock = ServiceClock::default();
        clock.observe(at(0.0), at(1.001), at(1.004));
        assert_eq!(clock.compare(at(1.02), at(0.98)), Order::Later);
    }

    #[test]
    fn the_measured_offset_is_applied() {
        let clock = ServiceClock::default();
        // The local clock is an hour ahead.
        clock.observe(at(0.0), at(3600.2), at(3600.4));
        assert_eq!(clock.compare(at(3600.5), at(100.5)), Order::Earlier);
        assert_eq!(clock.compare(at(3610.5), at(0.5)), Order::Later);
        assert_eq!(clock.compare(at(3600.5), at(0.7)), Order::Unknown);
        // The local clock is corrected.
        clock.observe(at(5.0), at(5.2), at(5.3));
        assert_eq!(clock.compare(at(5.5), at(5.3)), Order::Later);
    }

    #[test]
    fn measurements_narrow_the_offset() {
        let clock = ServiceClock::default();
        clock.observe(at(0.0), at(100.9), at(100.95));
        clock.observe(at(1.0), at(101.05), at(101.1));
        // The offset is between -100.1 and -98.9 s.
        assert_eq!(clock.compare(at(110.5), at(10.2)), Order::Later);
        assert_eq!(clock.compare(at(110.5), at(11.7)), Order::Earlier);
        assert_eq!(clock.compare(at(110.5), at(10.5)), Order::Unknown);
    }

    #[test]
    fn a_time_just_before_now_is_recent() {
        let clock = ServiceClock::default();
        assert!(clock.is_recent(at(10.0), at(10.5)));
        assert!(clock.is_recent(at(10.0), at(12.0)));
        assert!(!clock.is_recent(at(10.0), at(14.0)));
        clock.observe(at(10.0), at(110.2), at(110.3));
        assert!(clock.is_recent(at(10.0), at(110.5)));
        assert!(!clock.is_recent(at(10.0), at(115.0)));
    }
}
