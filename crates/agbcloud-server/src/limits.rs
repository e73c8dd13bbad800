//! The limits of a server.

use std::time::Duration;

use crate::key_file::KeyLimits;
use crate::metadata::Quotas;

/// The head of a request must fit the longest path, percent-encoded.
const MIN_HEAD: usize = 8 * 1024;
/// The maximum number of headers of a request.
pub(crate) const MAX_HEADERS: usize = 100;
/// Longer times could overflow the clock.
const MAX_TIME: Duration = Duration::from_secs(365 * 24 * 3600);

/// The limits of a server: connections, requests, sizes and timeouts.
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
    /// Maximum number of open connections. Defaults to 2048, or to what the limit of open files allows if that is less,
    /// because each connection may have a file open. Beyond the limit, a new connection closes the one that has been idle
    /// for the longest time, and waits while all connections are busy.
    pub connections: usize,
    /// Maximum number of open connections per client address (per /64 network in IPv6). Defaults to a quarter of
    /// `connections`, and to no limit for loopback addresses. Beyond the limit, a new connection closes the one of the same
    /// address that has been idle for the longest time, and is closed itself while all are busy. Behind a reverse proxy on
    /// another host all clients have one address: set this limit to `connections` there.
    pub address_connections: Option<usize>,
    /// Maximum number of concurrent requests of one tenant. A download counts until its last byte is sent. Defaults to 1024.
    /// Further requests fail with 429 and the code `Throttling`, on presigned URLs with 503 and `SlowDown`, both with
    /// `Retry-After`.
    pub tenant_requests: usize,
    /// Maximum number of bytes of a request line with its headers, of which there are at most 100. Defaults to 65536.
    /// Larger requests fail with 431 and the code `RequestHeadersTooLarge`, or with 414 and `RequestUriTooLong` if the
    /// target takes more than half of the limit. The response has no code if the server stops reading: above twice the
    /// limit, above 500 headers, and for a target above 65534 bytes.
    pub head_bytes: usize,
    /// Maximum time for receiving a request line with its headers, for a TLS handshake, and for an idle connection. Defaults
    /// to 30 seconds. Then the connection is closed. After a response to a request without a valid key or URL, a
    /// connection may be idle for at most 5 seconds.
    pub head_time: Duration,
    /// Maximum time without a byte in a request or response body. Defaults to 60 seconds. Then an upload fails with 408
    /// and the code `RequestTimeout`, and the connection of a download is closed.
    pub idle_time: Duration,
    /// Minimum rate of a request or response body in bytes per second, averaged over each [`idle_time`](Self::idle_time)
    /// spent waiting for the client. Defaults to 512. A slower body fails like an idle one. 0 disables the limit.
    pub least_rate: u64,
    /// Maximum number of bytes in the body of a control call. Defaults to 65536. Larger bodies fail with 413 and the code
    /// `RequestTooLarge`.
    pub body_bytes: usize,
    /// Maximum number of bytes of a file. Defaults to 5 GiB. Larger files fail with 413 and the code `EntityTooLarge`.
    pub object_bytes: u64,
    /// Maximum number of files of a context. Defaults to 10,000,000. A further upload fails with 409 and the code
    /// `TooManyFiles`, before its bytes are received where that is possible. Existing files can still be replaced.
    pub context_files: u64,
    /// Maximum number of bytes of all files of a context. Unlimited by default. An upload that would exceed it fails with 409
    /// and the code `QuotaExceeded`. A file that is replaced counts its growth.
    pub context_bytes: Option<u64>,
    /// Maximum number of files of a tenant, over all its contexts. Unlimited by default. A further upload fails with 409 and
    /// the code `TooManyFiles`. A key can have a lower limit: see [`KeyLimits`].
    pub tenant_files: Option<u64>,
    /// Maximum number of bytes of all files of a tenant. Unlimited by default. An upload that would exceed it fails with 409
    /// and the code `QuotaExceeded`. Deleted files, and those of cleared and deleted contexts, do not count, although their
    /// bytes stay on the disk until they are collected. A key can have a lower limit: see [`KeyLimits`].
    pub tenant_bytes: Option<u64>,
    /// Maximum time for requests in progress to complete when the server shuts down. Defaults to 10 seconds.
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
            context_bytes: None,
            tenant_files: None,
            tenant_bytes: None,
            drain_time: Duration::from_secs(10),
        }
    }
}

/// Why a limit could not be set. The message names the limit and its valid values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLimit {
    /// The limit does not exist.
    #[error(
        "unknown limit `{name}`: the limits are {}",
        Limits::NAMES.join(", ")
    )]
    Unknown {
        /// The name.
        name: String,
    },
    /// The value is invalid.
    #[error("invalid value for limit `{name}`: expected {expected}")]
    Value {
        /// The limit.
        name: &'static str,
        /// A description of the valid values.
        expected: &'static str,
    },
}

const COUNT: &str = "a whole number from 1 to 1000000";
const FILES: &str = "a whole number from 1";
const BYTES: &str = "a whole number of bytes, optionally with k, m or g (powers of 1024)";
const HEAD: &str = "a number of bytes from 8k to 1m";
const TIME: &str =
    "a time from 1ms to a year: a whole number of seconds, or a whole number with ms, s, m or h";

impl Limits {
    /// The names that [`set`](Self::set) accepts: those of the fields, with hyphens.
    pub const NAMES: [&str; 14] = [
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
        "context-bytes",
        "tenant-files",
        "tenant-bytes",
        "drain-time",
    ];

    /// Sets one limit by its name. Counts are whole numbers, sizes are bytes or have the suffix `k`, `m` or `g`, times are
    /// seconds or have the suffix `ms`, `s`, `m` or `h`.
    ///
    /// # Errors
    ///
    /// If the limit does not exist or the value is invalid. Then nothing is changed.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), InvalidLimit> {
        let Some(name) = Self::NAMES.into_iter().find(|known| *known == name) else {
            return Err(InvalidLimit::Unknown {
                name: name.to_owned(),
            });
        };
        let invalid = |expected| InvalidLimit::Value { name, expected };
        let count = || value.parse().map_err(|_| invalid(COUNT));
        let files = || value.parse().map_err(|_| invalid(FILES));
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
            "context-files" => new.context_files = files()?,
            "context-bytes" => new.context_bytes = Some(size()?),
            "tenant-files" => new.tenant_files = Some(files()?),
            "tenant-bytes" => new.tenant_bytes = Some(size()?),
            _ => new.drain_time = time()?,
        }
        new.check()?;
        *self = new;
        Ok(())
    }

    /// Returns the quotas of an upload with a key: the lower of each limit of the server and of the key.
    pub(crate) fn quotas(&self, key: KeyLimits) -> Quotas {
        let lower = |limit: Option<u64>, other: Option<u64>| limit.into_iter().chain(other).min();
        Quotas {
            tenant_bytes: lower(self.tenant_bytes, key.max_bytes),
            tenant_files: lower(self.tenant_files, key.max_files),
            context_bytes: self.context_bytes,
            context_files: Some(self.context_files),
        }
    }

    /// Checks that all limits are within their ranges.
    pub(crate) fn check(&self) -> Result<(), InvalidLimit> {
        let value = |valid: bool, name, expected| match valid {
            true => Ok(()),
            false => Err(InvalidLimit::Value { name, expected }),
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
        value(self.tenant_files != Some(0), "tenant-files", FILES)?;
        let heads = MIN_HEAD..=1024 * 1024;
        value(heads.contains(&self.head_bytes), "head-bytes", HEAD)?;
        value(times.contains(&self.head_time), "head-time", TIME)?;
        value(times.contains(&self.idle_time), "idle-time", TIME)?;
        value(times.contains(&self.drain_time), "drain-time", TIME)
    }
}

/// Parses a number of bytes such as `1000`, `64k`, `10m` or `2g`.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = match text.char_indices().next_back()? {
        (at, 'k' | 'K') => (&text[..at], 1024),
        (at, 'm' | 'M') => (&text[..at], 1024 * 1024),
        (at, 'g' | 'G') => (&text[..at], 1024 * 1024 * 1024),
        _ => (text, 1),
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// Parses a duration such as `30`, `30s`, `500ms`, `2m` or `1h`.
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
    fn each_limit_can_be_set_by_name() {
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
    fn the_lower_limit_of_server_and_key_applies() {
        let mut limits = Limits::default();
        let mut key = KeyLimits::default();
        let quotas = limits.quotas(key);
        assert_eq!((quotas.tenant_bytes, quotas.tenant_files), (None, None));
        key.max_bytes = Some(10);
        assert_eq!(limits.quotas(key).tenant_bytes, Some(10));
        limits.tenant_bytes = Some(5);
        limits.tenant_files = Some(3);
        key.max_files = Some(2);
        let quotas = limits.quotas(key);
        assert_eq!(
            (quotas.tenant_bytes, quotas.tenant_files),
            (Some(5), Some(2))
        );
        let quotas = limits.quotas(KeyLimits::default());
        assert_eq!(
            (quotas.tenant_bytes, quotas.tenant_files),
            (Some(5), Some(3))
        );
    }

    #[test]
    fn errors_name_the_limit() {
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
            ("tenant-files", "0"),
            ("tenant-bytes", "-1"),
            ("context-bytes", "many"),
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
