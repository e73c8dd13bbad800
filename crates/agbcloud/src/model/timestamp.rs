//! Times in the format of the service.

use std::{cmp::Ordering, fmt, str::FromStr, time::SystemTime};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A time in the format of the service, which is not specified. The text is kept as it is, and parsed leniently on request.
///
/// Two are equal if their texts are. They are ordered by their times, then by their texts; one that can't be parsed is less
/// than any other.
///
/// ```
/// use agbcloud::Timestamp;
/// use std::time::{Duration, SystemTime};
///
/// # fn show(created: &Timestamp) {
/// let age = created.to_system_time().and_then(|then| SystemTime::now().duration_since(then).ok());
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(String);

impl Timestamp {
    pub(crate) fn from_wire(text: Option<String>) -> Option<Self> {
        text.filter(|text| !text.trim().is_empty()).map(Self)
    }

    /// The unparsed text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Parses the text: RFC 3339 with any offset, a date and time without an offset (as UTC), or Unix time in seconds or
    /// milliseconds. Returns `None` for any other format.
    pub fn to_system_time(&self) -> Option<SystemTime> {
        parse(self.0.trim()).map(SystemTime::from)
    }
}

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> Ordering {
        let parsed = |timestamp: &Self| parse(timestamp.0.trim());
        parsed(self)
            .cmp(&parsed(other))
            .then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Accepts any text that is not blank.
impl TryFrom<String> for Timestamp {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::from_wire(Some(text))
            .ok_or_else(|| Error::invalid_argument("a timestamp must not be blank"))
    }
}

/// Accepts any text that is not blank.
impl FromStr for Timestamp {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.to_owned().try_into()
    }
}

impl From<Timestamp> for String {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn parse(text: &str) -> Option<jiff::Timestamp> {
    if let Ok(number) = text.parse::<i64>() {
        // No context is older than 1973, so a number this large is milliseconds.
        let milliseconds = number.unsigned_abs() >= 100_000_000_000;
        return if milliseconds {
            jiff::Timestamp::from_millisecond(number).ok()
        } else {
            jiff::Timestamp::from_second(number).ok()
        };
    }
    let timestamp = text.parse::<jiff::Timestamp>().or_else(|error| {
        // An offset without a colon, which is not RFC 3339.
        jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%.f%z", text)
            .and_then(|broken| broken.to_timestamp())
            .map_err(|_| error)
    });
    timestamp.ok().or_else(|| {
        let civil = text.parse::<jiff::civil::DateTime>().ok()?;
        civil
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()
            .map(|zoned| zoned.timestamp())
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_known_format_is_parsed() {
        let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(1_748_520_000);
        for text in [
            "2025-05-29T12:00:00Z",
            "2025-05-29T12:00:00.000Z",
            "2025-05-29T20:00:00+08:00",
            "2025-05-29T20:00:00.000+0800",
            "2025-05-29T12:00:00",
            "2025-05-29 12:00:00",
            "1748520000",
            "1748520000000",
        ] {
            assert_eq!(
                Timestamp(text.into()).to_system_time(),
                Some(moment),
                "{text}"
            );
        }
    }

    #[test]
    fn the_order_is_that_of_the_times() {
        let ordered: Vec<Timestamp> = [
            "yesterday",
            "1748519999",
            "2025-05-29T12:00:00Z",
            "2025-05-29T20:00:00+08:00",
            "2025-05-29T11:00:01-01:00",
        ]
        .into_iter()
        .map(|text| text.parse().unwrap())
        .collect();
        let mut sorted = ordered.clone();
        sorted.reverse();
        sorted.sort();
        assert_eq!(sorted, ordered);
        let json = serde_json::to_string(&ordered).unwrap();
        assert_eq!(
            serde_json::from_str::<Vec<Timestamp>>(&json).unwrap(),
            ordered
        );
        assert!(" ".parse::<Timestamp>().is_err());
    }

    #[test]
    fn unparsable_text_is_kept() {
        let odd = Timestamp::from_wire(Some("yesterday".into())).unwrap();
        assert_eq!((odd.as_str(), odd.to_system_time()), ("yesterday", None));
        assert_eq!(Timestamp::from_wire(Some(" ".into())), None);
        let least = Timestamp(i64::MIN.to_string());
        assert_eq!(least.to_system_time(), None);
    }
}
