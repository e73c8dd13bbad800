//! What time it is: the system's clock, or one that a test sets.

#![allow(clippy::disallowed_methods)] // This is where the service asks the machine for the time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where the service takes the time from: create times, and the expiry of presigned URLs.
///
/// Deadlines of the transport, such as the idle timeout of an upload, do not ask it: they are real time.
pub trait Clock: Send + Sync {
    /// The time now.
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

/// A clock that stands still until it is told to move; clones share one time.
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
    /// A clock that shows `now`.
    pub fn new(now: SystemTime) -> Self {
        Self {
            now: Arc::new(Mutex::new(now)),
        }
    }

    /// A clock that shows the system's time of this moment, and then stands still.
    pub fn starting_now() -> Self {
        Self::new(SystemTime::now())
    }

    /// Sets this clock and all its clones, also back.
    pub fn set(&self, now: SystemTime) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Moves this clock and all its clones forward.
    pub fn advance(&self, by: Duration) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A point in time as the database keeps it: microseconds since 1970, UTC.
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

    /// So much later.
    pub(crate) fn after(self, time: Duration) -> Self {
        let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros))
    }

    /// So much earlier.
    pub(crate) fn before(self, time: Duration) -> Self {
        let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(micros))
    }

    pub(crate) fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// RFC 3339 in UTC, in whole seconds as the wire has them.
    pub(crate) fn rfc3339(self) -> String {
        chrono::DateTime::from_timestamp(self.seconds(), 0)
            .unwrap_or_default()
            .to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }

    /// RFC 3339 in UTC with the fraction of a second: the times of files, so that clients can order changes of one second.
    pub(crate) fn rfc3339_micros(self) -> String {
        chrono::DateTime::from_timestamp_micros(self.0)
            .unwrap_or_default()
            .to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
    }

    /// The form of the headers `Last-Modified` and `Date`.
    pub(crate) fn http_date(self) -> String {
        let seconds = u64::try_from(self.seconds()).unwrap_or(0);
        // httpdate knows the years 1970 to 9999 and panics beyond.
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds.min(253_402_300_799)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_on_the_wire_are_utc_with_a_z() {
        let time = UNIX_EPOCH + Duration::from_micros(1_748_520_000_999_999);
        let micros = Micros::of(time);
        assert_eq!(micros.rfc3339(), "2025-05-29T12:00:00Z");
        assert_eq!(micros.http_date(), "Thu, 29 May 2025 12:00:00 GMT");
    }

    #[test]
    fn times_beyond_the_calendar_do_not_panic() {
        for micros in [i64::MIN, -1, 0, i64::MAX] {
            Micros(micros).rfc3339();
            Micros(micros).http_date();
        }
        assert_eq!(
            Micros::of(UNIX_EPOCH - Duration::from_secs(1)),
            Micros(-1_000_000)
        );
    }
}
