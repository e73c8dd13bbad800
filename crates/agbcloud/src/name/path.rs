//! Paths of files and folders in a context.

use serde::{Deserialize, Serialize};

use super::checked_text;
use crate::{Error, Result};

/// Bytes of UTF-8 that a path has at most.
pub(crate) const LONGEST: usize = 1024;

/// The absolute path of a file in a context, `/data/a.txt`.
///
/// At most 1024 bytes of UTF-8; no control characters, no backslash, no empty segment, no `.` or `..`. It is
/// kept and sent byte for byte: nothing is folded, unescaped or normalised.
///
/// ```
/// use agbcloud::RemotePath;
///
/// let path = RemotePath::new("/data/50 % #1.txt")?;
/// assert_eq!(path.file_name(), "50 % #1.txt");
/// assert!(RemotePath::new("data/a.txt").is_err());
/// assert!(RemotePath::new("/data/../a.txt").is_err());
/// # Ok::<(), agbcloud::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RemotePath(String);
checked_text!(RemotePath, check_file);

impl RemotePath {
    /// The last segment.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

/// The absolute path of a folder in a context, `/data`. The empty text and `/` are the root; one slash at the
/// end is dropped. The rules are those of [`RemotePath`].
///
/// ```
/// use agbcloud::FolderPath;
///
/// assert_eq!(FolderPath::new("/data/")?.as_str(), "/data");
/// assert_eq!(FolderPath::new("")?, FolderPath::root());
/// # Ok::<(), agbcloud::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FolderPath(String);
checked_text!(FolderPath, check_folder);

impl FolderPath {
    /// The top of a context.
    pub fn root() -> Self {
        Self("/".to_owned())
    }
}

impl Default for FolderPath {
    fn default() -> Self {
        Self::root()
    }
}

fn check_file(text: String) -> Result<String> {
    if text.is_empty() || text == "/" {
        return Err(Error::invalid_argument(
            "a file path must name a file, like /data/a.txt",
        ));
    }
    check(&text)?;
    Ok(text)
}

fn check_folder(mut text: String) -> Result<String> {
    if text.is_empty() || text == "/" {
        return Ok("/".to_owned());
    }
    if text.ends_with('/') {
        text.pop();
    }
    check(&text)?;
    Ok(text)
}

fn check(path: &str) -> Result<()> {
    let refuse = |why: &str| Err(Error::invalid_argument(format!("a path {why}")));
    if path.len() > LONGEST {
        return refuse("has at most 1024 bytes");
    }
    if path.chars().any(|c| c.is_control() || c == '\\') {
        return refuse("must not contain control characters or backslashes");
    }
    let Some(segments) = path.strip_prefix('/') else {
        return refuse("must be absolute: start it with `/`");
    };
    for segment in segments.split('/') {
        match segment {
            "" => return refuse("must not contain an empty segment or end with `/`"),
            "." | ".." => return refuse("must not contain `.` or `..`"),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bad_paths_are_refused() {
        let long = format!("/{}", "x".repeat(1024));
        for bad in [
            "", "/", "a", "./a", "/a/", "//a", "/a//b", "/.", "/..", "/a/../b", "/a/./b", "/a\\b",
            "/a\0", "/a\n", &long,
        ] {
            assert!(RemotePath::new(bad).is_err(), "{bad:?}");
        }
        assert!(RemotePath::new(&long[..1024]).is_ok());
        assert!(FolderPath::new("//").is_err());
        assert!(FolderPath::new("a").is_err());
    }

    proptest! {
        #[test]
        fn a_path_is_kept_byte_for_byte(segments in prop::collection::vec("[^/\\\\\\p{Cc}]{1,20}", 1..6)) {
            prop_assume!(segments.iter().all(|s| s != "." && s != ".."));
            let text = format!("/{}", segments.join("/"));
            prop_assume!(text.len() <= LONGEST);
            let path = RemotePath::new(text.clone()).unwrap();
            prop_assert_eq!(path.as_str(), text);
        }

        #[test]
        fn what_is_accepted_keeps_the_rules(text in ".{0,40}") {
            if let Ok(path) = RemotePath::new(text.clone()) {
                prop_assert!(path.as_str().starts_with('/'));
                prop_assert!(!path.file_name().is_empty());
                prop_assert!(path.as_str().split('/').skip(1).all(|s| !matches!(s, "" | "." | "..")));
            }
        }
    }
}
