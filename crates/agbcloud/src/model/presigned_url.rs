//! Presigned URLs.

use std::{
    borrow::Cow,
    fmt,
    time::{Duration, SystemTime},
};

use agbcloud_api::{
    SignedUrl,
    types::{ExpireTime, FileUrl},
};
use reqwest::Url;

use crate::{
    config::is_loopback,
    error::{Error, ErrorKind, Result},
    text::escape_for_display,
};

/// A presigned URL, which grants read or write access to one file until it expires, without an API key.
///
/// `Display` and `Debug` omit the query string, since it contains the signature; [`as_str`](Self::as_str) returns the whole
/// URL.
#[derive(Clone, PartialEq, Eq)]
#[doc(alias = "FileUrlResult")]
pub struct PresignedUrl {
    /// As received: a signature may depend on the exact encoding.
    url: SignedUrl,
    parsed: Url,
    expires_at: Option<SystemTime>,
}

impl PresignedUrl {
    /// Wraps a URL that was obtained elsewhere, for example by another process.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// # let url = files.upload_url("/data/a.txt").await?;
    /// # let text = url.as_str();
    /// files.upload("/data/a.txt", &b"hello"[..]).presigned_url(text).await?;
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) if it is not an http or https URL, or contains a user name, a
    /// password, a space or a control character.
    pub fn new(url: impl Into<String>) -> Result<Self> {
        let url = url.into();
        let invalid = || Error::invalid_argument("a presigned URL must be an http or https URL");
        Ok(Self {
            parsed: http(&url).ok_or_else(invalid)?,
            url: SignedUrl::from(url),
            expires_at: None,
        })
    }

    pub(crate) fn from_wire(answer: Option<FileUrl>, now: SystemTime) -> Result<Self> {
        let invalid = |message| Error::new(ErrorKind::InvalidResponse, message);
        let answer = answer.ok_or_else(|| invalid("the answer contains no URL"))?;
        let url = answer.url.unwrap_or_default();
        let parsed = http(url.as_str());
        Ok(Self {
            parsed: parsed.ok_or_else(|| invalid("the answer contains no http or https URL"))?,
            url,
            expires_at: answer.expire_time.and_then(|time| expiry(&time, now)),
        })
    }

    /// Returns the whole URL with its signature. Treat it like a password.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Whether the URL uses https or its host is a loopback address.
    pub(crate) fn is_secure(&self) -> bool {
        self.parsed.scheme() == "https" || is_loopback(&self.parsed)
    }

    pub(crate) fn parsed(&self) -> &Url {
        &self.parsed
    }

    /// Returns the time of expiry by the local clock, if known.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }
}

impl TryFrom<&str> for PresignedUrl {
    type Error = Error;

    fn try_from(url: &str) -> Result<Self> {
        Self::new(url)
    }
}

impl TryFrom<String> for PresignedUrl {
    type Error = Error;

    fn try_from(url: String) -> Result<Self> {
        Self::new(url)
    }
}

impl std::str::FromStr for PresignedUrl {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        Self::new(url)
    }
}

impl From<&PresignedUrl> for PresignedUrl {
    fn from(url: &PresignedUrl) -> Self {
        url.clone()
    }
}

impl AsRef<str> for PresignedUrl {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for PresignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.url, f)
    }
}

impl fmt::Debug for PresignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresignedUrl")
            .field("url", &self.url)
            .field("expires_at", &self.expires_at)
            .finish()
    }
}

/// Parses a URL that can be sent and displayed unchanged. HTTP libraries drop control characters and send a user name as a
/// header.
fn http(text: &str) -> Option<Url> {
    let escaped = matches!(escape_for_display(text), Cow::Owned(_));
    if escaped || text.contains(char::is_whitespace) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let bare = url.username().is_empty() && url.password().is_none();
    let web = matches!(url.scheme(), "http" | "https") && url.has_host();
    (bare && web).then_some(url)
}

/// Converts `expireTime`, whose unit is not documented. Numbers below 10^9 are seconds from now, numbers below 10^11 Unix
/// time in seconds, larger ones Unix time in milliseconds.
fn expiry(time: &ExpireTime, now: SystemTime) -> Option<SystemTime> {
    let number = match time {
        ExpireTime::Integer(number) => u64::try_from(*number).ok()?,
        ExpireTime::Text(text) => text.trim().parse().ok()?,
    };
    match number {
        0..1_000_000_000 => now.checked_add(Duration::from_secs(number)),
        1_000_000_000..100_000_000_000 => {
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(number))
        }
        _ => SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_of_the_expiry_follows_from_its_size() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_748_520_000);
        let in_an_hour = Some(now + Duration::from_secs(3600));
        for time in [
            ExpireTime::Integer(3600),
            ExpireTime::Text("3600".into()),
            ExpireTime::Integer(1_748_523_600),
            ExpireTime::Integer(1_748_523_600_000),
        ] {
            assert_eq!(expiry(&time, now), in_an_hour, "{time:?}");
        }
        assert_eq!(expiry(&ExpireTime::Integer(-1), now), None);
        assert_eq!(expiry(&ExpireTime::Text("soon".into()), now), None);
    }

    #[test]
    fn display_and_debug_omit_the_signature() {
        let url = PresignedUrl::new("https://a.example/f?signature=secret-1").unwrap();
        assert!(!format!("{url} {url:?}").contains("secret-1"));
        assert!(PresignedUrl::new("file:///etc/passwd").is_err());
    }

    #[test]
    fn only_a_plain_http_url_is_accepted() {
        for bad in [
            "",
            "a",
            "ftp://a.example/f",
            "data:,x",
            "http://",
            "https://",
            "https:///",
            "https://user@a.example/f",
            "https://user:password@a.example/f",
            "https://:password@a.example/f",
            "https://a.example/f\n?x=1",
            "https://a.example/\u{1b}[31m",
            "https://a.example/\u{85}",
            " https://a.example/f",
            "https://a.example/a b",
            "https://a.example/a\u{202e}b",
            "https://a.example/a\u{2028}b",
        ] {
            assert!(PresignedUrl::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn plain_http_is_secure_only_for_loopback_addresses() {
        for (url, secure) in [
            ("https://a.example/f", true),
            ("HTTPS://a.example/f", true),
            ("http://a.example/f", false),
            ("HTTP://a.example/f", false),
            ("http://localhost:1/f", true),
            ("http://LOCALHOST./f", true),
            ("http://localhost.a.example/f", false),
            ("http://127.0.0.1/f", true),
            ("http://127.9.9.9/f", true),
            ("http://0x7f.1/f", true),
            ("http://[::1]/f", true),
            ("http://[::ffff:127.0.0.1]/f", true),
            ("http://[::ffff:10.0.0.1]/f", false),
            ("http://0.0.0.0/f", false),
            ("http://10.0.0.1/f", false),
        ] {
            assert_eq!(PresignedUrl::new(url).unwrap().is_secure(), secure, "{url}");
        }
    }
}
