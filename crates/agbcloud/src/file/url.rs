//! A presigned URL as the SDK shows it.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use agbcloud_api::{
    SignedUrl,
    types::{ExpireTime, FileUrl, GetContextFileDownloadUrlResponse},
};
use reqwest::Url;

use crate::{Error, ErrorKind, Result, error::Reading, wire::FromEnvelope};

/// A presigned URL: whoever has it can read or write one file until it expires, without an API key.
///
/// `Display` and `Debug` leave the query string out, since the signature is in it;
/// [`as_str`](Self::as_str) gives the whole.
#[derive(Clone, PartialEq, Eq)]
#[doc(alias = "FileUrlResult")]
pub struct PresignedUrl {
    /// As it came: a signature may be of its very letters.
    url: SignedUrl,
    parsed: Url,
    expires_at: Option<SystemTime>,
}

impl PresignedUrl {
    /// A URL that came another way, from another process say.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if it is no http or https URL.
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
        let answer = answer.ok_or_else(|| invalid("the answer holds no URL"))?;
        let url = answer.url.unwrap_or_default();
        let parsed = http(url.as_str());
        Ok(Self {
            parsed: parsed.ok_or_else(|| invalid("the answer holds no http or https URL"))?,
            url,
            expires_at: answer.expire_time.and_then(|time| expiry(&time, now)),
        })
    }

    /// The whole URL, signature included: treat it like a password.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    pub(super) fn parsed(&self) -> &Url {
        &self.parsed
    }

    /// When it expires, by this machine's clock; `None` if that is not known.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }
}

impl FromEnvelope for PresignedUrl {
    type Envelope = GetContextFileDownloadUrlResponse;

    fn from_envelope(envelope: Self::Envelope, reading: Reading<'_>) -> Result<Self> {
        Self::from_wire(envelope.data, reading.now())
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

fn http(url: &str) -> Option<Url> {
    let url = Url::parse(url).ok()?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

/// The unit of `expireTime` is not documented; its size tells. Below 10^9 it is seconds from now, below 10^11
/// Unix time in seconds, else Unix time in milliseconds.
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
    fn the_size_of_the_expiry_tells_its_unit() {
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
    fn nothing_prints_the_signature() {
        let url = PresignedUrl::new("https://a.example/f?signature=secret-1").unwrap();
        assert!(!format!("{url} {url:?}").contains("secret-1"));
        assert!(PresignedUrl::new("file:///etc/passwd").is_err());
    }
}
