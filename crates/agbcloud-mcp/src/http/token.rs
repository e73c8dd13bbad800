//! [`BearerToken`]: the secret of clients.

use std::{fmt, io};

use subtle::ConstantTimeEq;

use crate::random;

/// Random bytes of a generated token.
const GENERATED_BYTES: usize = 32;

/// Minimum length of a given token.
const MIN_CHARS: usize = 16;

/// Maximum length of a given token, so that it fits into a header.
const MAX_CHARS: usize = 1024;

/// The secret that each HTTP request sends as `Authorization: Bearer TOKEN`. `Debug` does not show it.
#[derive(Clone)]
pub struct BearerToken(String);

impl BearerToken {
    /// Generates a token of 64 hexadecimal digits.
    ///
    /// # Errors
    ///
    /// The operating system provides no random bytes.
    pub fn generate() -> io::Result<Self> {
        random::hex(GENERATED_BYTES).map(Self)
    }

    /// Uses a given token. White space at its ends is removed.
    ///
    /// ```
    /// use agbcloud_mcp::BearerToken;
    ///
    /// assert!(BearerToken::new("0123456789abcdef\n").is_ok());
    /// assert!(BearerToken::new("short").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if it has fewer than 16 or more than 1024 characters, or a character that
    /// is not visible ASCII.
    pub fn new(text: impl AsRef<str>) -> io::Result<Self> {
        let text = text.as_ref().trim();
        let invalid = |message| io::Error::new(io::ErrorKind::InvalidInput, message);
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid("a token consists of visible ASCII characters"));
        }
        if !(MIN_CHARS..=MAX_CHARS).contains(&text.len()) {
            return Err(invalid("a token has from 16 to 1024 characters"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The secret. Do not log it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares in a time that does not depend on where the difference is.
    pub(super) fn matches(&self, given: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(given).into()
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_compared_as_a_whole_and_not_shown() {
        let token = BearerToken::generate().unwrap();
        let text = token.as_str().to_owned();
        assert_eq!(text.len(), 64);
        assert!(token.matches(text.as_bytes()));
        assert!(!token.matches(&text.as_bytes()[1..]));
        assert!(!token.matches(b""));
        assert!(!format!("{token:?}").contains(&text));
        assert_ne!(BearerToken::generate().unwrap().as_str(), text);
    }

    #[test]
    fn a_weak_or_unsendable_token_is_refused() {
        for text in [
            "",
            "short",
            "fifteen-chars--",
            "0123456789abcdef ä",
            &"x".repeat(2000),
        ] {
            assert!(BearerToken::new(text).is_err(), "{text}");
        }
    }
}
