//! The conditional headers and the `Range` header of requests to presigned URLs.
//!
//! Parsed by hand, because these requests are stricter than HTTP requires: an ignored condition of an upload would
//! overwrite a file. The crate `headers` 0.4.2 does not fit:
//!
//! - It accepts every value of `If-Match` and `If-None-Match` and hides the tags. `If-None-Match: bogus` and
//!   `If-None-Match: *, "x"` match no file, so that an upload overwrites one.
//! - `If-Range` accepts dates later than the file's, `Range` rejects `Bytes=9-9` and drops `bytes=-99` of 10 bytes, and both
//!   ignore repeated headers.
//! - It requires base64 0.22 and sha1 0.10, which bring second versions of base64, block-buffer, cpufeatures, crypto-common
//!   and digest.

use std::ops::Range;
use std::time::{Duration, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};

use super::ObjectError;
use crate::metadata::{Conditions, EntityTags, File};

/// Rejects repeated headers that allow one value.
pub(super) fn check_not_repeated(
    headers: &HeaderMap,
    names: &[HeaderName],
) -> Result<(), ObjectError> {
    let repeated = |name| headers.get_all(name).iter().count() > 1;
    if names.iter().any(repeated) {
        return Err(ObjectError::repeated_header());
    }
    Ok(())
}

/// Parses `If-Match` and `If-None-Match` of an upload. Rejects invalid values.
pub(super) fn upload_conditions(headers: &HeaderMap) -> Result<Conditions, ObjectError> {
    Ok(Conditions {
        if_match: tags(headers, IF_MATCH, WeakTags::Ignore)?,
        if_none_match: tags(headers, IF_NONE_MATCH, WeakTags::Match)?,
    })
}

/// Evaluates the conditions of a download in the order of RFC 9110. Returns whether to send the file. Otherwise the client
/// has the current version.
pub(super) fn is_modified(headers: &HeaderMap, file: &File) -> Result<bool, ObjectError> {
    // Headers with tags are lists and may be repeated.
    check_not_repeated(
        headers,
        &[RANGE, IF_RANGE, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE],
    )?;
    let hold = |if_match, if_none_match| {
        Conditions {
            if_match,
            if_none_match,
        }
        .are_met_by(Some(&file.etag))
    };
    let modified = file.modified.seconds();
    let precondition = match tags(headers, IF_MATCH, WeakTags::Ignore)? {
        Some(tags) => hold(Some(tags), None),
        None => seconds(headers, IF_UNMODIFIED_SINCE).is_none_or(|since| modified <= since),
    };
    if !precondition {
        return Err(ObjectError::precondition());
    }
    Ok(match tags(headers, IF_NONE_MATCH, WeakTags::Match)? {
        Some(tags) => hold(None, Some(tags)),
        None => seconds(headers, IF_MODIFIED_SINCE).is_none_or(|since| modified > since),
    })
}

/// Whether a `Range` applies: with `If-Range`, only if the file is still the version that the client has a part of.
pub(super) fn range_applies(headers: &HeaderMap, file: &File) -> bool {
    match headers.get(IF_RANGE).map(|value| value.to_str()) {
        None => true,
        Some(Err(_)) => false,
        // Dates must be equal. A later date would also match after two writes within one second.
        Some(Ok(value)) => {
            value == format!("\"{}\"", file.etag) || value == file.modified.http_date()
        }
    }
}

/// How weak tags (`W/"…"`) are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WeakTags {
    Ignore,
    Match,
}

fn tags(
    headers: &HeaderMap,
    name: HeaderName,
    weak: WeakTags,
) -> Result<Option<EntityTags>, ObjectError> {
    let values = headers.get_all(&name);
    if values.iter().next().is_none() {
        return Ok(None);
    }
    let (mut tags, mut any_weak) = (Vec::new(), false);
    for value in &values {
        let value = value
            .to_str()
            .map_err(|_| ObjectError::invalid_condition())?
            .trim();
        if value == "*" && values.iter().count() == 1 {
            return Ok(Some(EntityTags::Any));
        }
        for tag in value
            .split(',')
            .map(str::trim)
            .filter(|tag| !tag.is_empty())
        {
            let (is_weak, quoted) = tag
                .strip_prefix("W/")
                .map_or((false, tag), |tag| (true, tag));
            // Some clients omit the quotes of a tag.
            let bare = match quoted.strip_prefix('"') {
                Some(rest) => rest
                    .strip_suffix('"')
                    .ok_or_else(ObjectError::invalid_condition)?,
                None if is_etag(quoted) => quoted,
                None => return Err(ObjectError::invalid_condition()),
            };
            // A client that sends a star in a list or in quotes expects it to match any file, but it would match none.
            if bare.contains('"') || bare == "*" {
                return Err(ObjectError::invalid_condition());
            }
            any_weak |= is_weak;
            if !is_weak || weak == WeakTags::Match {
                tags.push(bare.to_owned());
            }
        }
    }
    if tags.is_empty() && !any_weak {
        return Err(ObjectError::invalid_condition());
    }
    Ok(Some(EntityTags::List(tags)))
}

/// Whether a text has the format of the tags of this service.
fn is_etag(tag: &str) -> bool {
    tag.len() == 32 && tag.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Parses a date. RFC 9110 requires to ignore an invalid one.
fn seconds(headers: &HeaderMap, name: HeaderName) -> Option<i64> {
    let date = httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()?;
    let since: Duration = date.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

/// The part of a file that a `Range` header requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RequestedRange {
    /// There is no range, or one that this service does not support, such as several ranges.
    Whole,
    Part(Range<u64>),
    /// The range begins after the end.
    Unsatisfiable,
}

/// Parses a `Range` header for a file of `size` bytes. Ignores an invalid header, as RFC 9110 requires.
pub(super) fn parse_range(value: &str, size: u64) -> RequestedRange {
    let range = value
        .split_once('=')
        .filter(|(unit, _)| unit.trim().eq_ignore_ascii_case("bytes"))
        .and_then(|(_, range)| range.trim().split_once('-'));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let Some((first, last)) = range.filter(|(first, last)| is_number(first) && is_number(last))
    else {
        return RequestedRange::Whole;
    };
    let number = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX));
    let range = match (number(first), number(last)) {
        (None, Some(0)) => return RequestedRange::Unsatisfiable,
        // Satisfiable by RFC 9110, section 14.1.1, but Content-Range can't express a part of an empty file.
        (None, Some(_)) if size == 0 => return RequestedRange::Whole,
        (None, Some(suffix)) => size.saturating_sub(suffix)..size,
        (Some(first), None) => first..size,
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        _ => return RequestedRange::Whole,
    };
    if range.start < size {
        RequestedRange::Part(range)
    } else {
        RequestedRange::Unsatisfiable
    }
}

/// Checks that every requested part lies within the file.
#[cfg(any(fuzzing, test))]
pub(crate) fn check_range(value: &str, size: u64) {
    if let RequestedRange::Part(range) = parse_range(value, size) {
        assert!(range.start < range.end && range.end <= size);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::system::clock::Micros;

    fn file() -> File {
        File {
            size: 1,
            etag: "abc".to_owned(),
            crc64: None,
            modified: Micros(1_748_520_000_500_000),
        }
    }

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn downloads_depend_on_tag_and_date() {
        let (at, before) = (
            "Thu, 29 May 2025 12:00:00 GMT",
            "Thu, 29 May 2025 11:59:59 GMT",
        );
        for (pairs, send) in [
            (vec![], Some(true)),
            (vec![(IF_MATCH, "\"abc\"")], Some(true)),
            (vec![(IF_MATCH, "\"x\", \"abc\"")], Some(true)),
            (vec![(IF_MATCH, "*")], Some(true)),
            (vec![(IF_MATCH, "\"x\"")], None),
            (vec![(IF_MATCH, "W/\"abc\"")], None),
            (vec![(IF_NONE_MATCH, "\"abc\"")], Some(false)),
            (vec![(IF_NONE_MATCH, "W/\"abc\"")], Some(false)),
            (vec![(IF_NONE_MATCH, "*")], Some(false)),
            (vec![(IF_NONE_MATCH, "\"x\"")], Some(true)),
            (vec![(IF_MODIFIED_SINCE, at)], Some(false)),
            (vec![(IF_MODIFIED_SINCE, before)], Some(true)),
            (
                vec![(IF_MODIFIED_SINCE, at), (IF_NONE_MATCH, "\"x\"")],
                Some(true),
            ),
            (vec![(IF_UNMODIFIED_SINCE, before)], None),
            (vec![(IF_UNMODIFIED_SINCE, at)], Some(true)),
            (vec![(IF_MODIFIED_SINCE, "yesterday")], Some(true)),
            (vec![(IF_MATCH, "\"abc")], None),
            (vec![(IF_MATCH, "\"x\""), (IF_MATCH, "\"abc\"")], Some(true)),
            (
                vec![(IF_NONE_MATCH, "\"x\""), (IF_NONE_MATCH, "\"abc\"")],
                Some(false),
            ),
            (vec![(IF_MATCH, "*"), (IF_MATCH, "*")], None),
            (vec![(IF_MODIFIED_SINCE, at), (IF_MODIFIED_SINCE, at)], None),
            (
                vec![(IF_UNMODIFIED_SINCE, at), (IF_UNMODIFIED_SINCE, before)],
                None,
            ),
            (vec![(RANGE, "bytes=0-0"), (RANGE, "bytes=0-0")], None),
            (vec![(IF_RANGE, "\"abc\""), (IF_RANGE, "\"x\"")], None),
        ] {
            assert_eq!(
                is_modified(&headers(&pairs), &file()).ok(),
                send,
                "{pairs:?}"
            );
        }
    }

    #[test]
    fn a_range_applies_only_to_the_same_version_of_a_file() {
        assert!(range_applies(&headers(&[]), &file()));
        assert!(range_applies(&headers(&[(IF_RANGE, "\"abc\"")]), &file()));
        assert!(range_applies(
            &headers(&[(IF_RANGE, "Thu, 29 May 2025 12:00:00 GMT")]),
            &file()
        ));
        for other in ["\"x\"", "W/\"abc\"", "abc", "Thu, 29 May 2025 12:00:01 GMT"] {
            assert!(
                !range_applies(&headers(&[(IF_RANGE, other)]), &file()),
                "{other}"
            );
        }
    }

    #[test]
    fn an_invalid_condition_is_rejected() {
        let rejected =
            |value: &'static str| upload_conditions(&headers(&[(IF_NONE_MATCH, value)])).is_err();
        for invalid in [
            "*, \"x\"",
            "",
            " ",
            ",",
            "W/*",
            "**",
            "\"*\"",
            "bogus garbage",
            "abc",
        ] {
            assert!(rejected(invalid), "{invalid:?}");
        }
        for valid in [
            "*",
            "\"abc\"",
            "W/\"abc\"",
            "0123456789abcdef0123456789ABCDEF",
        ] {
            assert!(!rejected(valid), "{valid:?}");
        }
        let twice = headers(&[(IF_NONE_MATCH, "*"), (IF_NONE_MATCH, "\"x\"")]);
        assert!(upload_conditions(&twice).is_err());
    }

    #[test]
    fn single_ranges_are_parsed() {
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
            assert_eq!(
                parse_range(value, 10),
                RequestedRange::Part(range),
                "{value}"
            );
        }
    }

    #[test]
    fn ranges_beyond_the_end_are_unsatisfiable() {
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
            assert_eq!(
                parse_range(value, size),
                RequestedRange::Unsatisfiable,
                "{value}"
            );
        }
    }

    #[test]
    fn a_suffix_of_an_empty_file_is_the_whole_file() {
        for value in ["bytes=-1", "bytes=-5", "bytes=-99999999999999999999"] {
            assert_eq!(parse_range(value, 0), RequestedRange::Whole, "{value}");
        }
    }

    #[test]
    fn invalid_and_multiple_ranges_are_ignored() {
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
            assert_eq!(parse_range(value, 10), RequestedRange::Whole, "{value}");
        }
    }
}
