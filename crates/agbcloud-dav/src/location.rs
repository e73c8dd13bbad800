//! Paths of URLs as paths of a context.

use agbcloud::{FolderPath, RemotePath};
use dav_server::davpath::DavPathRef;

/// The longest path that a context can contain, in bytes.
const MAX_PATH_BYTES: usize = 1024;

/// The file or folder that a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    Root,
    Path {
        path: RemotePath,
        /// The URL ends with a slash. A context can contain a file and a folder of the same name: the slash selects the folder.
        slash: bool,
    },
}

/// Why no file of a context can have the path of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InvalidLocation {
    /// Longer than 1024 bytes.
    TooLong,
    /// Not UTF-8, or with a backslash or a control character.
    InvalidName,
}

impl Location {
    pub(crate) fn parse(path: &DavPathRef) -> Result<Self, InvalidLocation> {
        let text = std::str::from_utf8(path.as_bytes());
        let text = text.map_err(|_| InvalidLocation::InvalidName)?;
        let trimmed = text.trim_end_matches('/');
        if trimmed.is_empty() {
            return Ok(Self::Root);
        }
        if trimmed.len() > MAX_PATH_BYTES {
            return Err(InvalidLocation::TooLong);
        }
        let path = RemotePath::new(trimmed).map_err(|_| InvalidLocation::InvalidName)?;
        Ok(Self::Path {
            path,
            slash: trimmed.len() < text.len(),
        })
    }

    /// The path, without a slash at its end.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Root => "/",
            Self::Path { path, .. } => path.as_str(),
        }
    }

    pub(crate) fn folder(&self) -> FolderPath {
        match self {
            Self::Root => FolderPath::root(),
            Self::Path { path, .. } => FolderPath::from(path.clone()),
        }
    }

    /// The path of a file; `None` for the root.
    pub(crate) fn file(&self) -> Option<&RemotePath> {
        match self {
            Self::Root => None,
            Self::Path { path, .. } => Some(path),
        }
    }

    /// Whether the URL ends with a slash, which selects the folder of a file and a folder of the same name.
    pub(crate) fn selects_folder(&self) -> bool {
        match self {
            Self::Root => true,
            Self::Path { slash, .. } => *slash,
        }
    }

    /// Whether this is the location, or below it.
    pub(crate) fn is_within(&self, folder: &Self) -> bool {
        let (path, folder) = (self.as_str(), folder.as_str());
        let below = path.strip_prefix(folder.trim_end_matches('/'));
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

#[cfg(test)]
mod tests {
    use dav_server::davpath::DavPath;

    use super::*;

    fn parse(url: &str) -> Result<Location, InvalidLocation> {
        Location::parse(&DavPath::new(url).unwrap())
    }

    #[test]
    fn a_slash_at_the_end_selects_the_folder() {
        assert_eq!(parse("/").unwrap(), Location::Root);
        for (url, path, slash) in [
            ("/a", "/a", false),
            ("/a/", "/a", true),
            ("//a//b/./c/../d", "/a/b/d", false),
            ("/50%25%20%23%3F.txt", "/50% #?.txt", false),
            ("/%C3%BC", "/ü", false),
        ] {
            let path = RemotePath::new(path).unwrap();
            assert_eq!(parse(url).unwrap(), Location::Path { path, slash }, "{url}");
        }
    }

    #[test]
    fn names_that_a_context_cannot_contain_are_errors() {
        let long = format!("/{}", "x".repeat(1024));
        assert_eq!(parse(&long), Err(InvalidLocation::TooLong));
        assert!(parse(&long[..1024]).is_ok());
        for url in ["/a%5Cb", "/a%0Ab", "/%FF", "/%C2%85"] {
            assert_eq!(parse(url), Err(InvalidLocation::InvalidName), "{url}");
        }
    }

    #[test]
    fn a_folder_contains_itself_and_what_is_below() {
        let location = |url| parse(url).unwrap();
        for (path, folder, within) in [
            ("/a/b", "/a/", true),
            ("/a", "/a/", true),
            ("/ab", "/a/", false),
            ("/a", "/", true),
            ("/", "/a/", false),
        ] {
            assert_eq!(
                location(path).is_within(&location(folder)),
                within,
                "{path}"
            );
        }
    }
}
