//! The range of a request, and that of its response.

use std::ops::{Bound, RangeBounds};

use reqwest::header::{CONTENT_RANGE, HeaderMap};

use crate::{Error, ErrorKind, Result};

/// The bytes from `first` to `end`, exclusive, or to the end of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ByteRange {
    pub(super) first: u64,
    pub(super) end: Option<u64>,
}

impl ByteRange {
    pub(super) const WHOLE: Self = Self {
        first: 0,
        end: None,
    };

    pub(super) fn from_bounds(range: &impl RangeBounds<u64>) -> Result<Self> {
        let first = match range.start_bound() {
            Bound::Included(first) => *first,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => Some(last.saturating_add(1)),
            Bound::Excluded(end) => Some(*end),
            Bound::Unbounded => None,
        };
        match end {
            Some(end) if end <= first => Err(Error::invalid_argument(
                "the range of a download must contain at least one byte",
            )),
            _ => Ok(Self { first, end }),
        }
    }

    /// Returns the end in a file of this size; `None` if neither is known.
    pub(super) fn end_in(self, size: Option<u64>) -> Option<u64> {
        self.end.into_iter().chain(size).min()
    }

    /// Returns the value of a `Range` header for the bytes from `at` on; `None` for the whole file.
    pub(super) fn header(self, at: u64) -> Option<String> {
        match self.end {
            Some(end) => Some(format!("bytes={at}-{}", end.saturating_sub(1))),
            None if at > 0 => Some(format!("bytes={at}-")),
            None => None,
        }
    }
}

/// The `Content-Range` header of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub(super) first: u64,
    pub(super) last: u64,
    /// Size of the whole object, if known.
    pub(super) total: Option<u64>,
}

impl ContentRange {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self> {
        let range = headers.get(CONTENT_RANGE).and_then(|value| {
            let range = value.to_str().ok()?.trim().strip_prefix("bytes ")?;
            let (bytes, total) = range.split_once('/')?;
            let (first, last) = bytes.split_once('-')?;
            Some(Self {
                first: first.trim().parse().ok()?,
                last: last.trim().parse().ok()?,
                total: total.trim().parse().ok(),
            })
        });
        let is_valid = |range: &Self| {
            range.first <= range.last && range.total.is_none_or(|total| range.last < total)
        };
        range.filter(is_valid).ok_or_else(|| {
            let message = "the store sent a part of the file without a valid Content-Range";
            Error::new(ErrorKind::InvalidResponse, message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_formatted_as_a_header() {
        let range = |range: &dyn Fn() -> Result<ByteRange>| range().unwrap();
        let middle = range(&|| ByteRange::from_bounds(&(10..20)));
        assert_eq!(middle.header(10).as_deref(), Some("bytes=10-19"));
        assert_eq!(middle.header(15).as_deref(), Some("bytes=15-19"));
        assert_eq!(ByteRange::from_bounds(&(10..=19)).unwrap(), middle);
        assert_eq!(ByteRange::from_bounds(&..).unwrap(), ByteRange::WHOLE);
        assert_eq!(ByteRange::WHOLE.header(0), None);
        assert_eq!(ByteRange::WHOLE.header(7).as_deref(), Some("bytes=7-"));
        assert!(ByteRange::from_bounds(&(5..5)).is_err());
    }

    #[test]
    fn a_content_range_is_parsed() {
        let of = |value: &str| {
            ContentRange::of(&HeaderMap::from_iter([(
                CONTENT_RANGE,
                value.parse().unwrap(),
            )]))
        };
        let range = of("bytes 5-9/20").unwrap();
        assert_eq!((range.first, range.last, range.total), (5, 9, Some(20)));
        assert_eq!(of("bytes 5-9/*").unwrap().total, None);
        for odd in [
            "items 5-9/20",
            "bytes */20",
            "bytes x-9/20",
            "bytes 5-/20",
            "bytes 9-5/20",
            "bytes 5-20/20",
            "bytes 0-0/0",
        ] {
            assert!(of(odd).is_err(), "{odd}");
        }
        assert!(ContentRange::of(&HeaderMap::new()).is_err());
    }
}
