//! A presigned URL as it travels, kept out of logs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A presigned URL: whoever has it can read or write one file until it expires.
///
/// `Debug` and `Display` leave the query string out, since the signature is in it; [`as_str`](Self::as_str)
/// gives the whole.
///
/// ```
/// let url = agbcloud_api::SignedUrl::from("https://example.com/a?signature=secret".to_owned());
/// assert_eq!(url.to_string(), "https://example.com/a?…");
/// assert_eq!(url.as_str(), "https://example.com/a?signature=secret");
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
        match self.0.split_once(['?', '#']) {
            Some((shown, _)) => write!(f, "{shown}?…"),
            None => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for SignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}
