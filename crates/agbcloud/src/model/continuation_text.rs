//! The text of a continuation: `agb1c.POSITION.N.ITEMS.CHECKSUM`.
//!
//! `agb1` is the version, and `c` or `f` the kind of listing. The position is JSON, and the items are the hashes of the `N`
//! delivered ones, both in URL-safe Base64. The checksum is the CRC-64 of all before it.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use serde::de::DeserializeOwned;

use super::continuation::{AnyPosition, Continuation};
use crate::{
    error::{Error, Result},
    page::DeliveredItems,
};

const CONTEXTS: &str = "agb1c";
const FILES: &str = "agb1f";

/// Any version of the text of a continuation starts with this.
const ANY_VERSION: &str = "agb";

impl fmt::Display for Continuation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, position, delivered) = match &self.0 {
            AnyPosition::Contexts(position) => {
                (CONTEXTS, serde_json::to_vec(position), &position.delivered)
            }
            AnyPosition::Files(position) => {
                (FILES, serde_json::to_vec(position), &position.delivered)
            }
        };
        let position = BASE64.encode(position.map_err(|_| fmt::Error)?);
        let (count, items) = delivered.to_bits();
        let text = format!("{kind}.{position}.{count}.{}", BASE64.encode(items));
        write!(f, "{text}.{}", checksum(&text))
    }
}

impl FromStr for Continuation {
    type Err = Error;

    /// Reads the text that `Display` writes.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for any other text, such as a page token, a text that was cut or
    /// changed, or one of another version.
    fn from_str(text: &str) -> Result<Self> {
        let (signed, given) = text.rsplit_once('.').ok_or_else(foreign)?;
        let parts: Vec<&str> = signed.split('.').collect();
        let [kind, position, count, items] = parts[..] else {
            return Err(if text.starts_with(ANY_VERSION) {
                damaged()
            } else {
                foreign()
            });
        };
        if !matches!(kind, CONTEXTS | FILES) {
            return Err(match kind.starts_with(ANY_VERSION) {
                true => {
                    Error::invalid_argument("the continuation is of another version of the SDK")
                }
                false => foreign(),
            });
        }
        if given != checksum(signed) {
            return Err(damaged());
        }
        let items = BASE64.decode(items).ok();
        let delivered = items.zip(count.parse().ok());
        let delivered =
            delivered.and_then(|(items, count)| DeliveredItems::from_bits(count, &items));
        let delivered = delivered.ok_or_else(damaged)?;
        Ok(Self(match kind {
            CONTEXTS => {
                let mut read: super::ContextPosition = from_base64(position)?;
                read.delivered = delivered;
                AnyPosition::Contexts(read)
            }
            _ => {
                let mut read: super::FilePosition = from_base64(position)?;
                read.delivered = delivered;
                AnyPosition::Files(read)
            }
        }))
    }
}

fn from_base64<T: DeserializeOwned>(text: &str) -> Result<T> {
    let json = BASE64.decode(text).map_err(|_| damaged())?;
    serde_json::from_slice(&json).map_err(|error| damaged().with_source(error))
}

/// Ten characters that detect a change.
fn checksum(text: &str) -> String {
    let mut digest = crc64fast::Digest::new();
    digest.write(text.as_bytes());
    BASE64.encode(digest.sum64().to_be_bytes())
}

fn damaged() -> Error {
    Error::invalid_argument("the continuation is damaged")
}

fn foreign() -> Error {
    Error::invalid_argument("the text is not a continuation")
}

impl TryFrom<&str> for Continuation {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        text.parse()
    }
}

impl TryFrom<&String> for Continuation {
    type Error = Error;

    fn try_from(text: &String) -> Result<Self> {
        text.parse()
    }
}

impl TryFrom<String> for Continuation {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Continuation> for String {
    fn from(continuation: Continuation) -> Self {
        continuation.to_string()
    }
}

impl From<&Continuation> for Continuation {
    fn from(continuation: &Continuation) -> Self {
        continuation.clone()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        ErrorKind,
        model::{ContextId, ContextPosition, FilePosition, FolderPath},
    };

    fn files(delivered: usize) -> Continuation {
        let mut position = FilePosition {
            context: ContextId::new("SdkCtx-3k9x2m7q4w8v1z5n0b6c").unwrap(),
            folder: FolderPath::new("/data/\u{65e5}").unwrap(),
            page: 7,
            page_size: 1000,
            before: 6000,
            assumed: false,
            largest: 1000,
            last: crate::page::PageFingerprint::of(["/data/a"].into_iter(), Some(9000)),
            delivered: DeliveredItems::default(),
        };
        (0..delivered).for_each(|n| position.delivered.add(&format!("/data/{n}")));
        position.into()
    }

    #[test]
    fn the_text_is_short_and_fits_into_a_url() {
        for (delivered, most) in [(0, 210), (1, 220), (100, 950), (999, 7100)] {
            let continuation = files(delivered);
            let text = continuation.to_string();
            assert!(text.len() <= most, "{delivered}: {}", text.len());
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            assert!(text.bytes().all(plain), "{text}");
            assert_eq!(text.parse::<Continuation>().unwrap(), continuation);
        }
    }

    #[test]
    fn foreign_text_is_an_invalid_argument() {
        let other_version = files(1).to_string().replace("agb1", "agb2");
        for (text, part) in [
            ("", "not a continuation"),
            ("a token", "not a continuation"),
            ("eyJhbGciOi.J9.e30", "not a continuation"),
            ("a.b.c.d.e", "not a continuation"),
            ("agb1c.e30", "damaged"),
            ("agb1c.e30.0..AAAAAAAAAAA", "damaged"),
            (&other_version, "another version"),
        ] {
            let error = text.parse::<Continuation>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.message().contains(part), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn damage_is_detected(delivered in 0_usize..40, at in 0_usize..2000, with in "[A-Za-z0-9._-]") {
            let text = files(delivered).to_string();
            let at = at % text.len();
            let mut damaged = text.clone();
            damaged.replace_range(at..=at, &with);
            if damaged != text {
                prop_assert!(damaged.parse::<Continuation>().is_err());
            }
            prop_assert!(text[..at].parse::<Continuation>().is_err(), "cut");
        }

        #[test]
        fn any_token_is_read_back(token in proptest::option::of(".{1,50}")) {
            let position = ContextPosition { token, ..ContextPosition::default() };
            let continuation = Continuation::from(position);
            let json = serde_json::to_string(&continuation).unwrap();
            let back: Continuation = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(back, continuation);
        }
    }
}
