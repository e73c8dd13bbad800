//! Ids, names and paths: types that are valid once they exist, so that they can't be mixed up and nothing malformed is
//! sent.

use agbcloud_api::rules::{self, MAX_NAME_CHARS, MAX_PATH_BYTES, NameError, PathError};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Converts an argument into a checked value.
pub(crate) fn checked<T, V>(value: V) -> Result<T>
where
    V: TryInto<T>,
    V::Error: Into<Error>,
{
    value.try_into().map_err(Into::into)
}

/// The conversions of a checked text. `$check` returns the text to keep.
macro_rules! checked_text {
    ($name:ident, $check:path) => {
        impl $name {
            #[doc = concat!("Checks the text.\n\n# Errors\n\n[`ErrorKind::InvalidArgument`]",
                            "(crate::ErrorKind::InvalidArgument) if it breaks a rule above; the message names the rule.")]
            pub fn new(text: impl Into<String>) -> Result<Self> {
                $check(text.into()).map(Self)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }

        impl From<&$name> for $name {
            fn from(value: &$name) -> Self {
                value.clone()
            }
        }

        impl std::str::FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = Error;

            fn try_from(text: &str) -> Result<Self> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                Self::new(text)
            }
        }

        impl TryFrom<&String> for $name {
            type Error = Error;

            fn try_from(text: &String) -> Result<Self> {
                Self::new(text.as_str())
            }
        }
    };
}

/// The id of a context, `SdkCtx-…`, as the service assigned it: 1 to 1024 characters, not blank, no control
/// characters. Current ids have at most 128 characters.
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

/// The name of a context: 1 to 255 characters, not blank, no control characters. Names are unique per API key and
/// region, and compared byte for byte.
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

/// A login region: 1 to 64 lower-case letters, digits and hyphens. The service defaults to `cn-hangzhou`.
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

/// The absolute path of a file in a context, `/data/a.txt`.
///
/// At most 1024 bytes of UTF-8; no control characters, no backslash, no empty segment, no `.` or `..`. Paths are
/// kept and sent byte for byte: case, escapes and Unicode are not normalised.
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

    /// The folder of the file.
    ///
    /// ```
    /// use agbcloud::{FolderPath, RemotePath};
    ///
    /// let path = RemotePath::new("/data/a.txt")?;
    /// assert_eq!(path.parent().as_str(), "/data");
    /// assert_eq!(path.parent().parent(), Some(FolderPath::root()));
    /// # Ok::<(), agbcloud::Error>(())
    /// ```
    pub fn parent(&self) -> FolderPath {
        FolderPath(parent_of(&self.0).to_owned())
    }

    /// Appends a relative path, which may have several segments.
    ///
    /// ```
    /// use agbcloud::RemotePath;
    ///
    /// let path = RemotePath::new("/data")?.join("2025/a.txt")?;
    /// assert_eq!(path.as_str(), "/data/2025/a.txt");
    /// assert!(path.join("../b.txt").is_err());
    /// # Ok::<(), agbcloud::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) if the relative path is empty, or if the result
    /// breaks a rule above.
    pub fn join(&self, relative: impl AsRef<str>) -> Result<Self> {
        Self::new(format!("{}/{}", self.0, relative.as_ref()))
    }
}

/// The text before the last slash; `/` below the root.
fn parent_of(path: &str) -> &str {
    match path.rsplit_once('/') {
        None | Some(("", _)) => "/",
        Some((parent, _)) => parent,
    }
}

/// The absolute path of a folder in a context, `/data`. The empty text and `/` are the root; one slash at the
/// end is removed. Otherwise the rules are those of [`RemotePath`].
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
    /// The root folder of a context.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Whether this is the root folder.
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// The last segment; `None` for the root.
    pub fn file_name(&self) -> Option<&str> {
        self.0.rsplit('/').next().filter(|name| !name.is_empty())
    }

    /// The folder above; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        (!self.is_root()).then(|| Self(parent_of(&self.0).to_owned()))
    }

    /// Appends the relative path of a file, which may have several segments. For a folder, convert the result.
    ///
    /// ```
    /// use agbcloud::{FolderPath, RemotePath};
    ///
    /// let folder = FolderPath::new("/data")?;
    /// let path: RemotePath = folder.join("2025/a.txt")?;
    /// assert_eq!(path.as_str(), "/data/2025/a.txt");
    /// let folder: FolderPath = folder.join("2025")?.into();
    /// # Ok::<(), agbcloud::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`RemotePath::join`].
    pub fn join(&self, relative: impl AsRef<str>) -> Result<RemotePath> {
        let folder = self.0.trim_end_matches('/');
        RemotePath::new(format!("{folder}/{}", relative.as_ref()))
    }
}

/// The folder of this path.
impl From<RemotePath> for FolderPath {
    fn from(path: RemotePath) -> Self {
        Self(path.0)
    }
}

impl Default for FolderPath {
    fn default() -> Self {
        Self::root()
    }
}

/// Ids are checked less strictly than by the service, so that longer ids of a later service are accepted.
const MAX_ID_CHARS: usize = 1024;

fn check_id(text: String) -> Result<String> {
    check_text("context id", text, MAX_ID_CHARS)
}

fn check_name(text: String) -> Result<String> {
    check_text("context name", text, MAX_NAME_CHARS)
}

fn check_text(what: &str, text: String, max_chars: usize) -> Result<String> {
    let rule = match rules::check_text(&text, max_chars) {
        Ok(()) => return Ok(text),
        Err(NameError::Blank) => "must not be empty or blank",
        Err(NameError::TooLong) => &format!("must have at most {max_chars} characters"),
        Err(NameError::ControlCharacter) => "must not contain control characters",
    };
    Err(Error::invalid_argument(format!("{what} {rule}")))
}

fn check_region(text: String) -> Result<String> {
    if rules::is_region(&text) {
        return Ok(text);
    }
    Err(Error::invalid_argument(
        "region id must have 1 to 64 lower-case letters, digits and hyphens, like cn-hangzhou",
    ))
}

fn check_file(text: String) -> Result<String> {
    if matches!(text.as_str(), "" | "/") {
        let message = "file path must name a file, like /data/a.txt";
        return Err(Error::invalid_argument(message));
    }
    rules::check_path(&text).map_err(bad_path)?;
    Ok(text)
}

fn check_folder(text: String) -> Result<String> {
    rules::normalize_folder(&text)
        .map(str::to_owned)
        .map_err(bad_path)
}

fn bad_path(error: PathError) -> Error {
    let rule = match error {
        PathError::TooLong => &format!("must have at most {MAX_PATH_BYTES} bytes"),
        PathError::Relative => "must be absolute: start it with `/`",
        PathError::Backslash | PathError::ControlCharacter => {
            "must not contain control characters or backslashes"
        }
        PathError::EmptySegment => "must not contain an empty segment or end with `/`",
        PathError::DotSegment => "must not contain `.` or `..`",
    };
    Error::invalid_argument(format!("path {rule}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_values_are_invalid_arguments() {
        let long = "x".repeat(1025);
        for error in [
            ContextId::new("").unwrap_err(),
            ContextId::new(long.as_str()).unwrap_err(),
            ContextName::new("x".repeat(256)).unwrap_err(),
            RegionId::new("CN").unwrap_err(),
            RemotePath::new("").unwrap_err(),
            RemotePath::new("/").unwrap_err(),
            RemotePath::new("/a/").unwrap_err(),
            FolderPath::new("//").unwrap_err(),
            FolderPath::new("a").unwrap_err(),
        ] {
            assert_eq!(error.kind(), crate::ErrorKind::InvalidArgument);
        }
        assert!(ContextId::new(&long[..1024]).is_ok());
    }

    #[test]
    fn paths_have_parents_and_children() {
        let root = FolderPath::root();
        assert_eq!((root.parent(), root.file_name()), (None, None));
        let path = root.join("a").unwrap();
        assert_eq!((path.as_str(), path.file_name()), ("/a", "a"));
        assert_eq!(path.parent(), root);
        let deep = path.join("b/c").unwrap();
        assert_eq!(deep.parent().as_str(), "/a/b");
        let folder = FolderPath::from(deep);
        assert_eq!(folder.file_name(), Some("c"));
        assert_eq!(folder.parent().unwrap().as_str(), "/a/b");
        for bad in ["", "/b", "..", "b/", "b//c", "b\\c"] {
            assert!(path.join(bad).is_err(), "{bad}");
            assert!(root.join(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_stored_id_is_checked_when_read() {
        let id = ContextId::new("SdkCtx-1").unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"SdkCtx-1\"");
        assert!(serde_json::from_str::<ContextId>("\"\"").is_err());
    }
}
