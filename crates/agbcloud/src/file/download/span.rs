//! Which bytes of a file are wanted, and which have come.

use std::ops::{Bound, RangeBounds};

use reqwest::header::{CONTENT_RANGE, HeaderMap};

use crate::{Error, ErrorKind, Result};

/// Bytes from `first` up to but without `end`; to the end of the file where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: u64,
    pub(super) end: Option<u64>,
}

impl Span {
    pub(super) const WHOLE: Self = Self {
        first: 0,
        end: None,
    };

    /// What a caller asks for.
    pub(super) fn asked(range: &impl RangeBounds<u64>) -> Result<Self> {
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
                "the range of a download must hold at least one byte",
            )),
            _ => Ok(Self { first, end }),
        }
    }

    /// The value of a `Range` header that asks for what is missing from `at` on; `None` where that is everything.
    pub(super) fn header(self, at: u64) -> Option<String> {
        match self.end {
            Some(end) => Some(format!("bytes={at}-{}", end.saturating_sub(1))),
            None if at > 0 => Some(format!("bytes={at}-")),
            None => None,
        }
    }
}

/// What a store says of the part of an object that it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub(super) first: u64,
    pub(super) last: u64,
    /// Bytes of the whole object.
    pub(super) total: Option<u64>,
}

impl ContentRange {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self> {
        let told = headers.get(CONTENT_RANGE).and_then(|value| {
            let range = value.to_str().ok()?.trim().strip_prefix("bytes ")?;
            let (span, total) = range.split_once('/')?;
            let (first, last) = span.split_once('-')?;
            Some(Self {
                first: first.trim().parse().ok()?,
                last: last.trim().parse().ok()?,
                total: total.trim().parse().ok(),
            })
        });
        let makes_sense = |told: &Self| {
            told.first <= told.last && told.total.is_none_or(|total| told.last < total)
        };
        told.filter(makes_sense).ok_or_else(|| {
            let message = "the store gave a part of the file without saying which";
            Error::new(ErrorKind::InvalidResponse, message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_asked_for_as_http_writes_it() {
        let span = |range: &dyn Fn() -> Result<Span>| range().unwrap();
        let middle = span(&|| Span::asked(&(10..20)));
        assert_eq!(middle.header(10).as_deref(), Some("bytes=10-19"));
        assert_eq!(middle.header(15).as_deref(), Some("bytes=15-19"));
        assert_eq!(Span::asked(&(10..=19)).unwrap(), middle);
        assert_eq!(Span::asked(&..).unwrap(), Span::WHOLE);
        assert_eq!(Span::WHOLE.header(0), None);
        assert_eq!(Span::WHOLE.header(7).as_deref(), Some("bytes=7-"));
        assert!(Span::asked(&(5..5)).is_err());
    }

    #[test]
    fn the_part_that_came_is_read() {
        let of = |value: &str| {
            ContentRange::of(&HeaderMap::from_iter([(
                CONTENT_RANGE,
                value.parse().unwrap(),
            )]))
        };
        let told = of("bytes 5-9/20").unwrap();
        assert_eq!((told.first, told.last, told.total), (5, 9, Some(20)));
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
