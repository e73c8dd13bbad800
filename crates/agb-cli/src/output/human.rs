//! Times and sizes for people.

use std::time::{Duration, SystemTime};

use agbcloud::Timestamp;
use indicatif::BinaryBytes;

use crate::clock;

/// `4.0 KiB`; a dash if unknown.
pub(crate) fn bytes(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "-".to_owned(), |bytes| BinaryBytes(bytes).to_string())
}

/// `3 minutes ago`; the text of the service if it is not a timestamp.
pub(crate) fn ago(time: Option<&Timestamp>) -> String {
    let Some(time) = time else {
        return "-".to_owned();
    };
    match time.to_system_time() {
        Some(then) => since(then, clock::now()),
        None => time.as_str().to_owned(),
    }
}

fn since(then: SystemTime, now: SystemTime) -> String {
    let (difference, is_future) = match now.duration_since(then) {
        Ok(elapsed) => (elapsed, false),
        Err(error) => (error.duration(), true),
    };
    match (largest_unit(difference), is_future) {
        (None, _) => "just now".to_owned(),
        (Some(time), false) => format!("{time} ago"),
        (Some(time), true) => format!("in {time}"),
    }
}

/// A time in its largest unit; `None` below 5 seconds.
fn largest_unit(time: Duration) -> Option<String> {
    let seconds = time.as_secs();
    let (count, unit) = match seconds {
        0..5 => return None,
        5..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        86_400..2_592_000 => (seconds / 86_400, "day"),
        2_592_000..31_536_000 => (seconds / 2_592_000, "month"),
        _ => (seconds / 31_536_000, "year"),
    };
    Some(counted(count, unit))
}

/// `1 file`, `2 files`.
pub(crate) fn counted(count: u64, one: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {one}{plural}")
}

/// `1.2 s`, `3 min 20 s`.
pub(crate) fn duration(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// A time in RFC 3339, in UTC.
pub(crate) fn rfc3339(time: SystemTime) -> Option<String> {
    let time = jiff::Timestamp::try_from(time).ok()?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// A time for the name of a file, in UTC: `20250529T122000Z`.
pub(crate) fn file_time(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).unwrap_or_default();
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_their_largest_unit() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        for (seconds, expected) in [
            (0, "just now"),
            (59, "59 seconds ago"),
            (60, "1 minute ago"),
            (7_200, "2 hours ago"),
            (86_400, "1 day ago"),
            (40 * 86_400, "1 month ago"),
            (800 * 86_400, "2 years ago"),
        ] {
            assert_eq!(since(now - Duration::from_secs(seconds), now), expected);
        }
        assert_eq!(since(now + Duration::from_secs(90), now), "in 1 minute");
        assert_eq!(duration(Duration::from_millis(1_240)), "1.2 s");
        assert_eq!(duration(Duration::from_secs(200)), "3 min 20 s");
    }
}
