//! Ids and names.

use serde::{Deserialize, Serialize};

use super::checked_text;
use crate::{Error, Result};

/// The id of a context, `SdkCtx-…`, as the service gave it: 1 to 1024 characters, not blank, no control
/// characters. (Ids of today have up to 128.)
///
/// ```
/// use agbcloud::ContextId;
///
/// let id = ContextId::new("SdkCtx-3k9x2m7q4w8v1z5n0b6c")?;
/// assert!(ContextId::new(" ").is_err());
/// # Ok::<(), agbcloud::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContextId(String);
checked_text!(ContextId, check_id);

/// The name of a context: 1 to 255 characters, not blank, no control characters. Unique for one API key in
/// one region; compared byte for byte.
///
/// ```
/// use agbcloud::ContextName;
///
/// let name: ContextName = "my-project".parse()?;
/// assert!(ContextName::new("a\nb").is_err());
/// # Ok::<(), agbcloud::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContextName(String);
checked_text!(ContextName, check_name);

/// A login region, `cn-hangzhou` (which the service takes when none is given): 1 to 64 lower-case letters,
/// digits and hyphens.
///
/// ```
/// use agbcloud::RegionId;
///
/// let region = RegionId::new("cn-shanghai")?;
/// # Ok::<(), agbcloud::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RegionId(String);
checked_text!(RegionId, check_region);

fn check_id(text: String) -> Result<String> {
    check("context id", text, 1024)
}

fn check_name(text: String) -> Result<String> {
    check("context name", text, 255)
}

fn check(what: &str, text: String, longest: usize) -> Result<String> {
    if text.trim().is_empty() {
        return Err(Error::invalid_argument(format!(
            "a {what} must not be empty or blank"
        )));
    }
    if text.chars().count() > longest {
        return Err(Error::invalid_argument(format!(
            "a {what} has at most {longest} characters"
        )));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid_argument(format!(
            "a {what} must not contain control characters"
        )));
    }
    Ok(text)
}

fn check_region(text: String) -> Result<String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() || text.len() > 64 || !text.bytes().all(plain) {
        return Err(Error::invalid_argument(
            "a region id has 1 to 64 lower-case letters, digits and hyphens, like cn-hangzhou",
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_their_limits() {
        assert!(ContextName::new("x".repeat(255)).is_ok());
        assert!(
            ContextName::new("ä".repeat(255)).is_ok(),
            "characters count, not bytes"
        );
        for bad in ["", " ", "\t", "a\0b", "a\u{85}b", &"x".repeat(256)] {
            assert!(ContextName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn ids_and_regions_keep_to_their_limits() {
        assert!(ContextId::new("x".repeat(1024)).is_ok());
        assert!(ContextId::new("x".repeat(1025)).is_err());
        for bad in ["", "CN", "a b", "a\n", &"x".repeat(65)] {
            assert!(RegionId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_stored_id_is_checked_when_read() {
        let id = ContextId::new("SdkCtx-1").unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"SdkCtx-1\"");
        assert!(serde_json::from_str::<ContextId>("\"\"").is_err());
    }
}
