//! Rules for names, ids, regions, paths and page sizes. Client and service check them with the same code, and each words
//! its own messages.
//!
//! ```
//! use agbcloud_api::rules::{self, PathError};
//!
//! assert_eq!(rules::check_path("/data/a.txt"), Ok(()));
//! assert_eq!(rules::check_path("data/a.txt"), Err(PathError::Relative));
//! assert_eq!(rules::normalize_folder("/data/"), Ok("/data"));
//! ```

use std::{error::Error, fmt};

/// Maximum number of characters of a context name.
pub const MAX_NAME_CHARS: usize = 255;

/// Maximum number of characters of a context id that the service accepts.
pub const MAX_ID_CHARS: usize = 128;

/// Maximum number of characters of a region id.
pub const MAX_REGION_CHARS: usize = 64;

/// Maximum length of a path, in bytes of UTF-8.
pub const MAX_PATH_BYTES: usize = 1024;

/// Maximum number of items on a page. The service treats a larger page size as this one.
pub const MAX_PAGE_SIZE: u32 = 1000;

/// The rule that a name or id breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NameError {
    /// Empty, or only white space.
    Blank,
    /// More characters than allowed.
    TooLong,
    /// Contains a control character.
    ControlCharacter,
}

/// The rule that a path breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PathError {
    /// Longer than [`MAX_PATH_BYTES`].
    TooLong,
    /// Does not start with `/`.
    Relative,
    /// Contains a backslash.
    Backslash,
    /// Contains a control character.
    ControlCharacter,
    /// Contains an empty segment, or ends with `/`.
    EmptySegment,
    /// Contains a segment `.` or `..`.
    DotSegment,
}

/// Checks the name of a context: 1 to [`MAX_NAME_CHARS`] characters, not blank, no control characters.
///
/// # Errors
///
/// The rule that the name breaks.
pub fn check_name(name: &str) -> Result<(), NameError> {
    check_text(name, MAX_NAME_CHARS)
}

/// Checks the id of a context: as a name, with at most [`MAX_ID_CHARS`] characters.
///
/// # Errors
///
/// The rule that the id breaks.
pub fn check_id(id: &str) -> Result<(), NameError> {
    check_text(id, MAX_ID_CHARS)
}

/// Checks a text with a limit of its own: not blank, no control characters.
///
/// # Errors
///
/// The rule that the text breaks.
pub fn check_text(text: &str, max_chars: usize) -> Result<(), NameError> {
    if text.trim().is_empty() {
        Err(NameError::Blank)
    // The byte length first: counting the characters of a very long text is expensive.
    } else if text.len() > max_chars * 4 || text.chars().count() > max_chars {
        Err(NameError::TooLong)
    } else if text.chars().any(char::is_control) {
        Err(NameError::ControlCharacter)
    } else {
        Ok(())
    }
}

/// Whether the text is a region id: 1 to [`MAX_REGION_CHARS`] lower-case letters, digits and hyphens.
pub fn is_region(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_REGION_CHARS).contains(&text.len()) && text.bytes().all(allowed)
}

/// Checks the absolute path of a file: `/data/a.txt`. Paths are compared byte for byte and never normalised.
///
/// # Errors
///
/// The first rule that the path breaks, in the order of [`PathError`].
pub fn check_path(path: &str) -> Result<(), PathError> {
    if path.len() > MAX_PATH_BYTES {
        return Err(PathError::TooLong);
    }
    let segments = path.strip_prefix('/').ok_or(PathError::Relative)?;
    if path.contains('\\') {
        return Err(PathError::Backslash);
    }
    if path.chars().any(char::is_control) {
        return Err(PathError::ControlCharacter);
    }
    for segment in segments.split('/') {
        match segment {
            "" => return Err(PathError::EmptySegment),
            "." | ".." => return Err(PathError::DotSegment),
            _ => {}
        }
    }
    Ok(())
}

/// Checks the path of a folder and returns it without a slash at the end. The empty text and `/` are the root, `/`.
///
/// # Errors
///
/// The first rule that the path breaks, in the order of [`PathError`].
pub fn normalize_folder(path: &str) -> Result<&str, PathError> {
    match path {
        "" | "/" => Ok("/"),
        _ => {
            let path = path.strip_suffix('/').unwrap_or(path);
            check_path(path).map(|()| path)
        }
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blank => "blank",
            Self::TooLong => "too long",
            Self::ControlCharacter => "control character",
        })
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "too long",
            Self::Relative => "relative path",
            Self::Backslash => "backslash",
            Self::ControlCharacter => "control character",
            Self::EmptySegment => "empty segment",
            Self::DotSegment => "segment . or ..",
        })
    }
}

impl Error for NameError {}
impl Error for PathError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_ids_have_limits() {
        assert_eq!(check_name("my project"), Ok(()));
        assert_eq!(check_name(&"ü".repeat(255)), Ok(()));
        assert_eq!(check_name(&"ü".repeat(256)), Err(NameError::TooLong));
        assert_eq!(check_id(&"a".repeat(128)), Ok(()));
        assert_eq!(check_id(&"a".repeat(129)), Err(NameError::TooLong));
        for (bad, error) in [
            ("", NameError::Blank),
            ("   ", NameError::Blank),
            ("\u{3000}", NameError::Blank),
            ("a\nb", NameError::ControlCharacter),
            ("a\u{7f}", NameError::ControlCharacter),
            ("a\u{85}b", NameError::ControlCharacter),
            ("\0", NameError::ControlCharacter),
        ] {
            assert_eq!(check_name(bad), Err(error), "{bad:?}");
            assert_eq!(check_id(bad), Err(error), "{bad:?}");
        }
    }

    #[test]
    fn regions_are_short_and_lower_case() {
        assert!(is_region("cn-hangzhou"));
        assert!(is_region(&"x".repeat(64)));
        for bad in ["", "CN", "a b", "a\n", "ü", &"x".repeat(65)] {
            assert!(!is_region(bad), "{bad:?}");
        }
    }

    #[test]
    fn paths_are_absolute_and_literal() {
        for valid in [
            "/a",
            "/a/b.txt",
            "/a b",
            "/ä/日本",
            "/%2e%2e",
            "/a#1",
            "/...",
            "/.hidden",
            "/a?b&c=d+e",
        ] {
            assert_eq!(check_path(valid), Ok(()), "{valid}");
        }
        for (bad, error) in [
            ("", PathError::Relative),
            ("a/b", PathError::Relative),
            ("./a", PathError::Relative),
            ("/", PathError::EmptySegment),
            ("//a", PathError::EmptySegment),
            ("/a//b", PathError::EmptySegment),
            ("/a/", PathError::EmptySegment),
            ("/.", PathError::DotSegment),
            ("/a/../b", PathError::DotSegment),
            ("/a/./b", PathError::DotSegment),
            ("/a\\b", PathError::Backslash),
            ("/a\0", PathError::ControlCharacter),
            ("/\u{85}", PathError::ControlCharacter),
        ] {
            assert_eq!(check_path(bad), Err(error), "{bad:?}");
        }
        let longest = format!("/{}", "a".repeat(1023));
        assert_eq!(check_path(&longest), Ok(()));
        assert_eq!(check_path(&format!("{longest}a")), Err(PathError::TooLong));
        let bytes_count = format!("/{}", "ü".repeat(512));
        assert_eq!(check_path(&bytes_count), Err(PathError::TooLong));
    }

    #[test]
    fn a_folder_can_end_with_one_slash() {
        for (text, path) in [
            ("", "/"),
            ("/", "/"),
            ("/a", "/a"),
            ("/a/", "/a"),
            ("/a/b/", "/a/b"),
        ] {
            assert_eq!(normalize_folder(text), Ok(path));
        }
        for bad in ["//", "/a//", "a", "a/", "/..", "/../", " "] {
            assert!(normalize_folder(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_path_keeps_every_rule(path in "/?[a./\\\\\\n]{0,8}") {
            let accepted = check_path(&path).is_ok();
            let segments: Vec<_> = path.split('/').collect();
            let literal = segments[0].is_empty()
                && segments.len() > 1
                && segments[1..].iter().all(|segment| !["", ".", ".."].contains(segment));
            prop_assert_eq!(accepted, literal && !path.contains(['\\', '\n']));
        }

        #[test]
        fn a_normalized_folder_is_stable(path in "/?[a./]{0,8}") {
            if let Ok(folder) = normalize_folder(&path) {
                prop_assert_eq!(normalize_folder(folder), Ok(folder));
                prop_assert!(folder == "/" || check_path(folder).is_ok());
            }
        }
    }
}
