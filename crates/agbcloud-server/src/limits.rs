//! How much the service takes on at once.

use std::time::Duration;

/// The head of a request has to have room for the longest path, percent-encoded.
const MIN_HEAD: usize = 8 * 1024;
/// Header lines of a request.
pub(crate) const HEADERS: usize = 100;
/// Longer than a year is no limit, and would be more than the clock can count.
const MAX_TIME: Duration = Duration::from_secs(365 * 24 * 3600);

/// What a server takes on at once, and how long it waits for a client: all limits in one place.
///
/// ```
/// use agbcloud_server::{Limits, Server};
///
/// let mut limits = Limits::default();
/// limits.connections = 100;
/// limits.set("object-bytes", "64m").unwrap();
/// assert_eq!(limits.object_bytes, 64 * 1024 * 1024);
/// let server = Server::builder().limits(limits);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Connections that are open at once; 2048, or as many as the limit of open files leaves room for if that is
    /// fewer: each may have a file open. Beyond it, a new connection closes the one that has been idle for the longest;
    /// while all are busy it waits.
    pub connections: usize,
    /// Connections of one client address (of one /64 network in IPv6) that are open at once. Beyond it, a new connection
    /// closes the one of the same address that has been idle for the longest; while all are busy it is closed
    /// itself. None, the default, is a quarter of `connections`, and no limit for loopback addresses. Behind a
    /// reverse proxy on another host all clients have one address: set it to `connections` there.
    pub address_connections: Option<usize>,
    /// Requests of one tenant that are under way at once, downloads until their last byte is sent; 1024. One more is
    /// refused: 429 with the code `Throttling`, on presigned URLs 503 with `SlowDown`, both with `Retry-After`.
    pub tenant_requests: usize,
    /// Bytes of a request line with its headers, of which there are at most 100; 65536. Beyond it 431 with the code
    /// `RequestHeadersTooLarge`, or 414 with `RequestUriTooLong` where the target takes more than half of that. Without a
    /// code, where it is no longer read: from twice as many bytes or over 500 headers on, for a target over 65534 bytes.
    pub head_bytes: usize,
    /// How long a request line with its headers may take altogether, and how long a connection may be idle; 30 s.
    /// Then the connection is closed. With TLS the handshake may take as long. After an answer to a request without a valid
    /// key or URL a connection may be idle for 5 s at most.
    pub head_time: Duration,
    /// How long a body may stand still, on its way in or out; 60 s. An upload is answered 408 `RequestTimeout`; a
    /// client that does not take its download is cut off.
    pub idle_time: Duration,
    /// Bytes a second that a body has to make, on its way in or out, on average over each [`idle_time`](Self::idle_time)
    /// that is spent waiting for the client; 512. Beneath it the same happens as to one that stands still. 0 is no limit.
    pub least_rate: u64,
    /// Bytes of the body of a control call; 65536. Beyond it 413 with the code `RequestTooLarge`.
    pub body_bytes: usize,
    /// Bytes of a file; 5 GiB. Beyond it 413 with the code `EntityTooLarge`.
    pub object_bytes: u64,
    /// Files of a context; 10,000,000. One more is refused once its bytes have come: 409 with the code `TooManyFiles`.
    /// What there is stays, and can be replaced.
    pub context_files: u64,
    /// How long requests under way get to end when the server is shut down; 10 s.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 2048,
            address_connections: None,
            tenant_requests: 1024,
            head_bytes: 64 * 1024,
            head_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(60),
            least_rate: 512,
            body_bytes: 64 * 1024,
            object_bytes: 5 * 1024 * 1024 * 1024,
            context_files: 10_000_000,
            drain_time: Duration::from_secs(10),
        }
    }
}

/// Why a limit could not be set. The message names the limit and says what it takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLimit {
    /// There is none of this name.
    #[error(
        "there is no limit `{name}`: there are {}",
        Limits::NAMES.join(", ")
    )]
    Unknown {
        /// The name that was given.
        name: String,
    },
    /// A limit can't have this value.
    #[error("the limit `{name}` takes {takes}")]
    Value {
        /// The limit.
        name: &'static str,
        /// What it takes.
        takes: &'static str,
    },
}

const COUNT: &str = "a whole number from 1 to 1000000";
const FILES: &str = "a whole number from 1";
const BYTES: &str = "bytes, as a whole number with or without k, m or g (of 1024 each)";
const HEAD: &str = "bytes from 8k to 1m";
const TIME: &str =
    "a time from 1ms to a year: a whole number of seconds, or one with ms, s, m or h";

impl Limits {
    /// The names that [`set`](Self::set) knows: those of the fields, with hyphens.
    pub const NAMES: [&str; 11] = [
        "connections",
        "address-connections",
        "tenant-requests",
        "head-bytes",
        "head-time",
        "idle-time",
        "least-rate",
        "body-bytes",
        "object-bytes",
        "context-files",
        "drain-time",
    ];

    /// Sets one limit by its name, as a command line does: counts as whole numbers, bytes with or without `k`, `m`
    /// or `g`, times in seconds or with `ms`, `s`, `m` or `h`. After a failure nothing is changed.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), InvalidLimit> {
        let Some(name) = Self::NAMES.into_iter().find(|known| *known == name) else {
            return Err(InvalidLimit::Unknown {
                name: name.to_owned(),
            });
        };
        let invalid = |takes| InvalidLimit::Value { name, takes };
        let count = || value.parse().map_err(|_| invalid(COUNT));
        let size = || bytes(value).ok_or_else(|| invalid(BYTES));
        let small = || usize::try_from(size()?).map_err(|_| invalid(BYTES));
        let time = || time(value).ok_or_else(|| invalid(TIME));
        let mut new = self.clone();
        match name {
            "connections" => new.connections = count()?,
            "address-connections" => new.address_connections = Some(count()?),
            "tenant-requests" => new.tenant_requests = count()?,
            "head-bytes" => new.head_bytes = small()?,
            "head-time" => new.head_time = time()?,
            "idle-time" => new.idle_time = time()?,
            "least-rate" => new.least_rate = size()?,
            "body-bytes" => new.body_bytes = small()?,
            "object-bytes" => new.object_bytes = size()?,
            "context-files" => {
                new.context_files = value.parse().map_err(|_| invalid(FILES))?;
            }
            _ => new.drain_time = time()?,
        }
        new.check()?;
        *self = new;
        Ok(())
    }

    /// Whether a server can live within them.
    pub(crate) fn check(&self) -> Result<(), InvalidLimit> {
        let value = |good: bool, name, takes| match good {
            true => Ok(()),
            false => Err(InvalidLimit::Value { name, takes }),
        };
        let count = 1..=1_000_000;
        let times = Duration::from_millis(1)..=MAX_TIME;
        value(count.contains(&self.connections), "connections", COUNT)?;
        value(
            self.address_connections
                .is_none_or(|max| count.contains(&max)),
            "address-connections",
            COUNT,
        )?;
        value(
            count.contains(&self.tenant_requests),
            "tenant-requests",
            COUNT,
        )?;
        value(self.context_files > 0, "context-files", FILES)?;
        let heads = MIN_HEAD..=1024 * 1024;
        value(heads.contains(&self.head_bytes), "head-bytes", HEAD)?;
        value(times.contains(&self.head_time), "head-time", TIME)?;
        value(times.contains(&self.idle_time), "idle-time", TIME)?;
        value(times.contains(&self.drain_time), "drain-time", TIME)
    }
}

fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = match text.char_indices().next_back()? {
        (at, 'k' | 'K') => (&text[..at], 1024),
        (at, 'm' | 'M') => (&text[..at], 1024 * 1024),
        (at, 'g' | 'G') => (&text[..at], 1024 * 1024 * 1024),
        _ => (text, 1),
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// A time as it is typed: `30`, `30s`, `500ms`, `2m`, `1h`.
pub(crate) fn time(text: &str) -> Option<Duration> {
    let at = text
        .find(|char: char| !char.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        "h" => Some(Duration::from_secs(number.checked_mul(3600)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_can_be_set_by_its_name_and_changes_nothing_else() {
        for name in Limits::NAMES {
            let mut limits = Limits::default();
            limits.set(name, "9000").unwrap();
            assert_ne!(limits, Limits::default(), "{name}");
        }
        let mut limits = Limits::default();
        limits.set("object-bytes", "2g").unwrap();
        limits.set("idle-time", "250ms").unwrap();
        limits.set("drain-time", "2m").unwrap();
        assert_eq!(
            limits,
            Limits {
                object_bytes: 2 << 30,
                idle_time: Duration::from_millis(250),
                drain_time: Duration::from_secs(120),
                ..Limits::default()
            }
        );
    }

    #[test]
    fn what_is_no_limit_is_told_by_name() {
        let mut limits = Limits::default();
        let unknown = limits.set("conections", "1").unwrap_err().to_string();
        assert!(
            unknown.contains("`conections`") && unknown.contains("tenant-requests"),
            "{unknown}"
        );
        for (name, value) in [
            ("connections", "0"),
            ("connections", "-1"),
            ("connections", "many"),
            ("address-connections", "0"),
            ("tenant-requests", "0"),
            ("context-files", "0"),
            ("head-bytes", "1k"),
            ("head-bytes", "2g"),
            ("head-time", "0"),
            ("idle-time", "1d"),
            ("idle-time", ""),
            ("object-bytes", "99999999999999g"),
            ("object-bytes", "1.5g"),
            ("least-rate", "-1"),
            ("drain-time", "99999999999h"),
        ] {
            let error = limits.set(name, value).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
