//! Paths of files and folders: checked once on input, and carried as types from there on.

use agbcloud_api::rules;

/// The absolute path of a file: `/data/a.txt`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FilePath(String);

impl FilePath {
    /// The path, if it is valid. Nothing is normalised: the path is stored as it was requested.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        rules::check_path(text).ok().map(|()| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder that contains the file.
    pub(crate) fn parent(&self) -> FolderPath {
        FolderPath(split(&self.0).0.to_owned())
    }

    /// The last segment.
    pub(crate) fn name(&self) -> &str {
        split(&self.0).1
    }
}

/// The absolute path of a folder: `/` or `/data`, without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FolderPath(String);

impl FolderPath {
    /// The path, if it is valid. One slash at the end is allowed, and the empty text is the root.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let path = rules::normalize_folder(text).ok()?;
        Some(Self(path.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// The parent folder and the name in it; both are empty for the root.
    pub(crate) fn place(&self) -> (&str, &str) {
        if self.is_root() {
            ("", "")
        } else {
            split(&self.0)
        }
    }

    /// The parent folder; `None` for the root.
    pub(crate) fn parent(&self) -> Option<FolderPath> {
        (!self.is_root()).then(|| Self(split(&self.0).0.to_owned()))
    }

    /// The path of the entry `name` in this folder.
    pub(crate) fn join(&self, name: &str) -> String {
        if self.is_root() {
            format!("/{name}")
        } else {
            format!("{}/{name}", self.0)
        }
    }
}

/// Folder and name of an absolute path.
fn split(path: &str) -> (&str, &str) {
    match path.rfind('/') {
        Some(0) | None => ("/", path.trim_start_matches('/')),
        Some(at) => (&path[..at], &path[at + 1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_its_parent_joined_with_its_name() {
        let path = FilePath::parse("/a/b/c").unwrap();
        assert_eq!((path.parent().as_str(), path.name()), ("/a/b", "c"));
        assert_eq!(path.parent().join(path.name()), "/a/b/c");
        assert_eq!(path.parent().place(), ("/a", "b"));
        let top = FilePath::parse("/c").unwrap();
        assert!(top.parent().is_root());
        assert_eq!(top.parent().join("c"), "/c");
        assert_eq!(top.parent().place(), ("", ""));
        assert!(top.parent().parent().is_none());
    }
}
