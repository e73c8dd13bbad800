//! Presigned URLs whose signature is not shown in logs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A presigned URL, which allows to read or write one file until it expires.
///
/// `Debug` and `Display` omit the query string, which contains the signature, and user and password.
/// [`as_str`](Self::as_str) returns the whole URL.
///
/// ```
/// let url = agbcloud_api::SignedUrl::from("https://example.com/a?signature=secret".to_owned());
/// assert_eq!(url.to_string(), "https://example.com/a?…");
/// assert_eq!(url.as_str(), "https://example.com/a?signature=secret");
/// let url = agbcloud_api::SignedUrl::from("https://me:secret@example.com/a@b".to_owned());
/// assert_eq!(url.to_string(), "https://…@example.com/a@b");
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct SignedUrl(String);

impl SignedUrl {
    /// The whole URL, signature included.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The whole URL, signature included.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl From<String> for SignedUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl std::str::FromStr for SignedUrl {
    type Err = std::convert::Infallible;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        Ok(Self(url.to_owned()))
    }
}

impl fmt::Display for SignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, query) = match self.0.split_once(['?', '#']) {
            Some((shown, _)) => (shown, "?…"),
            None => (self.0.as_str(), ""),
        };
        let (scheme, rest) = match shown.split_once("://") {
            Some((scheme, rest)) => (scheme, rest),
            None => ("", shown),
        };
        let separator = if scheme.is_empty() { "" } else { "://" };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        match host.rsplit_once('@') {
            Some((_, host)) => write!(f, "{scheme}{separator}…@{host}{path}{query}"),
            None => write!(f, "{shown}{query}"),
        }
    }
}

impl fmt::Debug for SignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}
