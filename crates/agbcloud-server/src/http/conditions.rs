//! The conditional headers of the object leg.

use std::time::{Duration, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};

use super::xml::ObjectFailure;
use crate::metadata::{Conditions, EntityTags, File};

/// Refuses headers that can have one value and come twice. To take one of them would be to ignore the other.
pub(super) fn once(headers: &HeaderMap, names: &[HeaderName]) -> Result<(), ObjectFailure> {
    let twice = |name| headers.get_all(name).iter().count() > 1;
    if names.iter().any(twice) {
        return Err(ObjectFailure::repeated_header());
    }
    Ok(())
}

/// `If-Match` and `If-None-Match` of an upload. What can't be read is refused: an ignored condition overwrites.
pub(super) fn of_upload(headers: &HeaderMap) -> Result<Conditions, ObjectFailure> {
    Ok(Conditions {
        if_match: tags(headers, IF_MATCH, Weak::NeverMatches)?,
        if_none_match: tags(headers, IF_NONE_MATCH, Weak::Counts)?,
    })
}

/// What the conditions of a download come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Download {
    Send,
    NotModified,
}

/// Evaluates the conditions of a download in the order of RFC 9110.
pub(super) fn of_download(headers: &HeaderMap, file: &File) -> Result<Download, ObjectFailure> {
    // Those with tags are lists, which may be on many lines.
    once(
        headers,
        &[RANGE, IF_RANGE, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE],
    )?;
    let if_match = tags(headers, IF_MATCH, Weak::NeverMatches)?;
    if if_match.is_some() {
        if !(Conditions {
            if_match,
            if_none_match: None,
        })
        .are_met_by(Some(&file.etag))
        {
            return Err(ObjectFailure::precondition());
        }
    } else if seconds(headers, IF_UNMODIFIED_SINCE)
        .is_some_and(|since| file.modified.seconds() > since)
    {
        return Err(ObjectFailure::precondition());
    }
    let if_none_match = tags(headers, IF_NONE_MATCH, Weak::Counts)?;
    let known = if if_none_match.is_some() {
        !(Conditions {
            if_match: None,
            if_none_match,
        })
        .are_met_by(Some(&file.etag))
    } else {
        seconds(headers, IF_MODIFIED_SINCE).is_some_and(|since| file.modified.seconds() <= since)
    };
    Ok(if known {
        Download::NotModified
    } else {
        Download::Send
    })
}

/// Whether a `Range` counts: with an `If-Range` only if the file is still the one that the caller has a part of.
pub(super) fn range_counts(headers: &HeaderMap, file: &File) -> bool {
    match headers.get(IF_RANGE).map(|value| value.to_str()) {
        None => true,
        Some(Err(_)) => false,
        // A date has to be the very one: two writes within its second would pass otherwise.
        Some(Ok(value)) => {
            value == format!("\"{}\"", file.etag) || value == file.modified.http_date()
        }
    }
}

/// What a weak tag (`W/"…"`) is good for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weak {
    NeverMatches,
    Counts,
}

fn tags(
    headers: &HeaderMap,
    name: HeaderName,
    weak: Weak,
) -> Result<Option<EntityTags>, ObjectFailure> {
    let mut all: Option<Vec<String>> = None;
    for value in headers.get_all(&name) {
        let value = value
            .to_str()
            .map_err(|_| ObjectFailure::invalid_condition())?
            .trim();
        if value == "*" && headers.get_all(&name).iter().count() == 1 {
            return Ok(Some(EntityTags::Any));
        }
        let known = all.get_or_insert_default();
        for tag in value
            .split(',')
            .map(str::trim)
            .filter(|tag| !tag.is_empty())
        {
            let (is_weak, quoted) = tag
                .strip_prefix("W/")
                .map_or((false, tag), |tag| (true, tag));
            // Some clients send the tag without its quotes; there is nothing else that they could mean.
            let bare = match quoted.strip_prefix('"') {
                Some(rest) => rest
                    .strip_suffix('"')
                    .ok_or_else(ObjectFailure::invalid_condition)?,
                None if is_ours(quoted) => quoted,
                None => return Err(ObjectFailure::invalid_condition()),
            };
            // A star among others or in quotes is meant for any file, and would match none.
            if bare.contains('"') || bare == "*" {
                return Err(ObjectFailure::invalid_condition());
            }
            if !is_weak || weak == Weak::Counts {
                known.push(bare.to_owned());
            }
        }
    }
    match all {
        // A condition that names nothing would be none at all.
        Some(known) if known.is_empty() && !any_weak(headers, &name) => {
            Err(ObjectFailure::invalid_condition())
        }
        all => Ok(all.map(EntityTags::List)),
    }
}

/// Whether it is written like the tags that are given out.
fn is_ours(tag: &str) -> bool {
    tag.len() == 32 && tag.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn any_weak(headers: &HeaderMap, name: &HeaderName) -> bool {
    let values = headers.get_all(name);
    values
        .iter()
        .any(|value| value.as_bytes().windows(2).any(|at| at == b"W/"))
}

/// A date, if it can be read; RFC 9110 has an unreadable one ignored.
fn seconds(headers: &HeaderMap, name: HeaderName) -> Option<i64> {
    let date = httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()?;
    let since: Duration = date.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::clock::Micros;

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
            (vec![], Some(Download::Send)),
            (vec![(IF_MATCH, "\"abc\"")], Some(Download::Send)),
            (vec![(IF_MATCH, "\"x\", \"abc\"")], Some(Download::Send)),
            (vec![(IF_MATCH, "*")], Some(Download::Send)),
            (vec![(IF_MATCH, "\"x\"")], None),
            (vec![(IF_MATCH, "W/\"abc\"")], None),
            (
                vec![(IF_NONE_MATCH, "\"abc\"")],
                Some(Download::NotModified),
            ),
            (
                vec![(IF_NONE_MATCH, "W/\"abc\"")],
                Some(Download::NotModified),
            ),
            (vec![(IF_NONE_MATCH, "*")], Some(Download::NotModified)),
            (vec![(IF_NONE_MATCH, "\"x\"")], Some(Download::Send)),
            (vec![(IF_MODIFIED_SINCE, at)], Some(Download::NotModified)),
            (vec![(IF_MODIFIED_SINCE, before)], Some(Download::Send)),
            (
                vec![(IF_MODIFIED_SINCE, at), (IF_NONE_MATCH, "\"x\"")],
                Some(Download::Send),
            ),
            (vec![(IF_UNMODIFIED_SINCE, before)], None),
            (vec![(IF_UNMODIFIED_SINCE, at)], Some(Download::Send)),
            (vec![(IF_MODIFIED_SINCE, "yesterday")], Some(Download::Send)),
            (vec![(IF_MATCH, "\"abc")], None),
            (
                vec![(IF_MATCH, "\"x\""), (IF_MATCH, "\"abc\"")],
                Some(Download::Send),
            ),
            (
                vec![(IF_NONE_MATCH, "\"x\""), (IF_NONE_MATCH, "\"abc\"")],
                Some(Download::NotModified),
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
                of_download(&headers(&pairs), &file()).ok(),
                send,
                "{pairs:?}"
            );
        }
    }

    #[test]
    fn a_range_counts_only_for_the_same_file() {
        assert!(range_counts(&headers(&[]), &file()));
        assert!(range_counts(&headers(&[(IF_RANGE, "\"abc\"")]), &file()));
        assert!(range_counts(
            &headers(&[(IF_RANGE, "Thu, 29 May 2025 12:00:00 GMT")]),
            &file()
        ));
        for other in ["\"x\"", "W/\"abc\"", "abc", "Thu, 29 May 2025 12:00:01 GMT"] {
            assert!(
                !range_counts(&headers(&[(IF_RANGE, other)]), &file()),
                "{other}"
            );
        }
    }

    #[test]
    fn a_condition_that_can_not_be_meant_like_this_is_refused_and_not_ignored() {
        let refused = |value: &'static str| of_upload(&headers(&[(IF_NONE_MATCH, value)])).is_err();
        for odd in [
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
            assert!(refused(odd), "{odd:?}");
        }
        for good in [
            "*",
            "\"abc\"",
            "W/\"abc\"",
            "0123456789abcdef0123456789ABCDEF",
        ] {
            assert!(!refused(good), "{good:?}");
        }
        let twice = headers(&[(IF_NONE_MATCH, "*"), (IF_NONE_MATCH, "\"x\"")]);
        assert!(of_upload(&twice).is_err());
    }
}
