//! Names, sizes and times as the pages show them.

use std::time::SystemTime;

use agbcloud::{Timestamp, escape_for_display};
use jiff::tz::TimeZone;

/// A name on one line. Characters that could make it look like another name are visible.
pub(crate) fn name(text: &str) -> String {
    escape_for_display(text).into_owned()
}

/// A text of several lines. All control characters except line feeds and tabs are visible.
pub(crate) fn lines(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for part in text.split_inclusive(['\n', '\t']) {
        let (part, end) = match part.strip_suffix('\n') {
            Some(line) => (line.strip_suffix('\r').unwrap_or(line), "\n"),
            None => match part.strip_suffix('\t') {
                Some(cell) => (cell, "\t"),
                None => (part, ""),
            },
        };
        shown.push_str(&escape_for_display(part));
        shown.push_str(end);
    }
    shown
}

/// `12.5 KiB`
pub(crate) fn bytes(bytes: u64) -> String {
    let mut unit = "B";
    let mut amount = bytes as f64;
    for larger in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        if amount < 1024.0 {
            break;
        }
        amount /= 1024.0;
        unit = larger;
    }
    match unit {
        "B" => format!("{bytes} B"),
        unit => format!("{amount:.1} {unit}"),
    }
}

/// `12,345`
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// `2026-01-31 12:00:00 UTC`, or the text of the service if it is not a time.
pub(crate) fn timestamp(time: Option<&Timestamp>) -> String {
    match time {
        Some(time) => time
            .to_system_time()
            .and_then(self::time)
            .unwrap_or_else(|| name(time.as_str())),
        None => String::new(),
    }
}

/// `2026-01-31 12:00:00 UTC`
pub(crate) fn time(time: SystemTime) -> Option<String> {
    let time = jiff::Timestamp::try_from(time).ok()?;
    let time = time.to_zoned(TimeZone::UTC);
    Some(time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn control_characters_are_visible() {
        assert_eq!(name("a\u{1b}[31m\n"), "a\\u{1b}[31m\\n");
        assert_eq!(
            lines("a\tb\r\nc\u{0}\u{202e}d\n\ne"),
            "a\tb\nc\\u{0}\\u{202e}d\n\ne"
        );
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(u64::MAX), "16384.0 PiB");
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(123), "123");
        assert_eq!(
            time(SystemTime::UNIX_EPOCH + Duration::from_secs(1_748_520_000)).unwrap(),
            "2025-05-29 12:00:00 UTC"
        );
    }
}
