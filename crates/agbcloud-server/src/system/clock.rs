//! The clock of the service: the system's, or one that a test sets.

#![expect(
    clippy::disallowed_methods,
    reason = "the only place where the service reads the system time"
)]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The source of the time for creation times and for the expiry of presigned URLs.
///
/// Timeouts of the transport, such as the idle timeout of an upload, use real time instead.
pub trait Clock: Send + Sync {
    /// Returns the current time.
    fn now(&self) -> SystemTime;
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A clock that only advances when a test advances it. Clones share one time.
///
/// ```
/// use std::time::Duration;
/// use agbcloud_server::{Clock, ManualClock};
///
/// let clock = ManualClock::starting_now();
/// let shared = clock.clone();
/// let before = clock.now();
/// shared.advance(Duration::from_secs(3600));
/// assert_eq!(clock.now(), before + Duration::from_secs(3600));
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock {
    now: Arc<Mutex<SystemTime>>,
}

impl ManualClock {
    /// Creates a clock that shows `now`.
    pub fn new(now: SystemTime) -> Self {
        Self {
            now: Arc::new(Mutex::new(now)),
        }
    }

    /// Creates a clock that shows the current system time and then stands still.
    pub fn starting_now() -> Self {
        Self::new(SystemTime::now())
    }

    /// Sets this clock and all its clones. The time may go backwards.
    pub fn set(&self, now: SystemTime) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Advances this clock and all its clones.
    pub fn advance(&self, by: Duration) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A point in time as the database stores it: microseconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Micros(pub(crate) i64);

impl Micros {
    pub(crate) fn of(time: SystemTime) -> Self {
        let micros = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |m| -m),
        };
        Self(micros)
    }

    /// Returns the point in time that is `time` later.
    pub(crate) fn after(self, time: Duration) -> Self {
        let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros))
    }

    /// Returns the point in time that is `time` earlier.
    pub(crate) fn before(self, time: Duration) -> Self {
        let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(micros))
    }

    /// Returns this time, or a time just after `newest` if that is up to one second ahead: so what is created now is after what
    /// was created before. If the clock was set back by more, returns its time.
    pub(crate) fn after_newest(self, newest: Option<Micros>) -> Self {
        match newest {
            Some(Self(newest)) if (self.0..self.0.saturating_add(1_000_000)).contains(&newest) => {
                Self(newest + 1)
            }
            _ => self,
        }
    }

    /// Returns this time, or a time just after `previous` if that is not earlier: so a change is later than the one before, even
    /// if the clock was set back.
    pub(crate) fn after_previous(self, previous: Option<Micros>) -> Self {
        previous.map_or(self, |previous| {
            self.max(Self(previous.0.saturating_add(1)))
        })
    }

    pub(crate) fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Formats the time as RFC 3339 in UTC with whole seconds, as the wire format requires.
    pub(crate) fn rfc3339(self) -> String {
        let time = jiff::Timestamp::from_second(self.seconds()).unwrap_or_default();
        time.to_string()
    }

    /// Formats the time as RFC 3339 in UTC with the fraction of the second in 0, 3 or 6 digits. Clients order the changes
    /// to files within one second by it.
    pub(crate) fn rfc3339_micros(self) -> String {
        let time = jiff::Timestamp::from_microsecond(self.0).unwrap_or_default();
        match self.0.rem_euclid(1_000_000) {
            0 => format!("{time:.0}"),
            micros if micros % 1000 == 0 => format!("{time:.3}"),
            _ => format!("{time:.6}"),
        }
    }

    /// Formats the time for the headers `Last-Modified` and `Date`.
    pub(crate) fn http_date(self) -> String {
        let seconds = u64::try_from(self.seconds()).unwrap_or(0);
        // httpdate supports the years 1970 to 9999 and panics on others.
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds.min(253_402_300_799)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_formatted_in_utc() {
        let time = UNIX_EPOCH + Duration::from_micros(1_748_520_000_999_999);
        let micros = Micros::of(time);
        assert_eq!(micros.rfc3339(), "2025-05-29T12:00:00Z");
        assert_eq!(micros.http_date(), "Thu, 29 May 2025 12:00:00 GMT");
        for (micros, text) in [
            (1_748_520_000_000_000, "2025-05-29T12:00:00Z"),
            (1_748_520_000_120_000, "2025-05-29T12:00:00.120Z"),
            (1_748_520_000_000_001, "2025-05-29T12:00:00.000001Z"),
        ] {
            assert_eq!(Micros(micros).rfc3339_micros(), text);
        }
    }

    #[test]
    fn times_outside_the_calendar_do_not_panic() {
        for micros in [i64::MIN, -1, 0, i64::MAX] {
            Micros(micros).rfc3339();
            Micros(micros).rfc3339_micros();
            Micros(micros).http_date();
        }
        assert_eq!(
            Micros::of(UNIX_EPOCH - Duration::from_secs(1)),
            Micros(-1_000_000)
        );
    }
}
