//! The header `Range`: which part of a file is asked for.

use std::ops::Range;

/// What a `Range` header asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// Everything: there is no range, or one that this service does not serve, such as several at once.
    Whole,
    Part(Range<u64>),
    /// It begins after the end.
    Unsatisfiable,
}

/// What the header's value asks of a file of `size` bytes. A header that is no range is ignored, as RFC 9110 says.
pub(super) fn parse(value: &str, size: u64) -> Asked {
    let asked = value
        .split_once('=')
        .filter(|(unit, _)| unit.trim().eq_ignore_ascii_case("bytes"));
    let Some((first, last)) = asked.and_then(|(_, range)| range.trim().split_once('-')) else {
        return Asked::Whole;
    };
    match (number(first), number(last)) {
        (Number::None, Number::Some(0)) => Asked::Unsatisfiable,
        // Satisfiable by RFC 9110, section 14.1.1, but no part of an empty file can be named in Content-Range.
        (Number::None, Number::Some(_)) if size == 0 => Asked::Whole,
        (Number::None, Number::Some(suffix)) => part(size.saturating_sub(suffix)..size, size),
        (Number::Some(first), Number::None) => part(first..size, size),
        (Number::Some(first), Number::Some(last)) if first <= last => {
            part(first..last.saturating_add(1).min(size), size)
        }
        _ => Asked::Whole,
    }
}

/// Whatever is asked for, what is given lies in the file.
#[cfg(any(fuzzing, test))]
pub(crate) fn check(value: &str, size: u64) {
    if let Asked::Part(range) = parse(value, size) {
        assert!(range.start < range.end && range.end <= size);
    }
}

fn part(range: Range<u64>, size: u64) -> Asked {
    if range.start < size {
        Asked::Part(range)
    } else {
        Asked::Unsatisfiable
    }
}

enum Number {
    None,
    Some(u64),
    Bad,
}

fn number(text: &str) -> Number {
    match text {
        "" => Number::None,
        _ if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Number::Some(text.parse().unwrap_or(u64::MAX))
        }
        _ => Number::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_ranges_are_served() {
        for (value, range) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-", 0..10),
            ("bytes=3-5", 3..6),
            ("bytes=3-99", 3..10),
            ("bytes=-4", 6..10),
            ("bytes=-99", 0..10),
            ("Bytes=9-9", 9..10),
            ("bytes=0-99999999999999999999999", 0..10),
        ] {
            assert_eq!(parse(value, 10), Asked::Part(range), "{value}");
        }
    }

    #[test]
    fn ranges_beyond_the_end_are_refused() {
        for (value, size) in [
            ("bytes=10-", 10),
            ("bytes=10-20", 10),
            ("bytes=-0", 10),
            ("bytes=0-", 0),
            ("bytes=0-0", 0),
            ("bytes=5-", 0),
            ("bytes=-0", 0),
            ("bytes=99999999999999999999-", 10),
        ] {
            assert_eq!(parse(value, size), Asked::Unsatisfiable, "{value}");
        }
    }

    #[test]
    fn the_last_bytes_of_an_empty_file_are_all_of_it() {
        for value in ["bytes=-1", "bytes=-5", "bytes=-99999999999999999999"] {
            assert_eq!(parse(value, 0), Asked::Whole, "{value}");
        }
    }

    #[test]
    fn what_is_no_single_range_is_ignored() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-3",
            "bytes=0-1,3-4",
            "lines=0-1",
            "bytes=+1-2",
            "bytes= 1 - 2",
        ] {
            assert_eq!(parse(value, 10), Asked::Whole, "{value}");
        }
    }
}
