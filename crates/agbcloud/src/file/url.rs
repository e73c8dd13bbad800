//! A presigned URL as the SDK shows it.

use std::{
    borrow::Cow,
    fmt,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use agbcloud_api::{
    SignedUrl,
    types::{ExpireTime, FileUrl, GetContextFileDownloadUrlResponse},
};
use reqwest::Url;

use crate::{
    Error, ErrorKind, Result, error::DecodeContext, escape_for_display, wire::FromEnvelope,
};

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
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if it is no http or https URL, or contains a user, a password, a
    /// space or a control character.
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

    /// Whether it is https, or its host is this machine.
    pub(crate) fn is_secure(&self) -> bool {
        let host = self.parsed.host_str().unwrap_or_default();
        let loopback = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => host.trim_end_matches('.') == "localhost",
        };
        self.parsed.scheme() == "https" || loopback
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

    fn from_envelope(envelope: Self::Envelope, reading: DecodeContext<'_>) -> Result<Self> {
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

/// A URL that can be sent and shown as it is: an HTTP library drops control characters and turns a user into a header.
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

    #[test]
    fn only_a_plain_web_url_is_taken() {
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
    fn plain_http_is_secure_on_this_machine_alone() {
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

    #[tokio::test]
    async fn an_https_endpoint_hands_out_no_plain_url_unless_that_is_allowed() {
        use serde_json::json;

        use crate::{
            Client, ContextId,
            testing::{Script, Step},
        };

        let answer = |url: &str| Step::ok(json!({"url": url, "expireTime": 3600}));
        let plain = "http://store.example/f?signature=secret-1";
        for (endpoint, url, allowed, good) in [
            ("https://a.example", plain, false, false),
            ("HTTPS://a.example/x", plain, false, false),
            ("a.example", plain, false, false),
            ("https://a.example", plain, true, true),
            ("http://a.example", plain, false, true),
            ("https://a.example", "https://store.example/f", false, true),
            ("https://a.example", "http://127.0.0.1:1/f", false, true),
        ] {
            let steps = [answer(url), answer(url), answer(url), answer(url)];
            let builder = Client::builder()
                .stub(Script::new(steps))
                .endpoint(endpoint);
            let client = builder.allow_insecure_urls(allowed).build().unwrap();
            let files = client
                .contexts()
                .files(&ContextId::new("SdkCtx-1").unwrap());
            let mut kinds = vec![
                files.download_url("/f").await.err(),
                files.upload_url("/f").await.err(),
            ];
            if !good {
                kinds.push(files.read("/f").await.err());
                kinds.push(files.upload("/f", &b"x"[..]).await.err());
            }
            for error in kinds {
                let kind = error.as_ref().map(Error::kind);
                assert_eq!(
                    kind,
                    (!good).then_some(ErrorKind::InsecureUrl),
                    "{endpoint} {url}"
                );
                assert!(!format!("{error:?}").contains("secret-1"));
            }
        }
    }
}
