//! Which names, ids and paths are good: checked once at the edge, carried as types from there on.

/// A name is at most this many characters.
const MAX_NAME_CHARS: usize = 255;
/// An id is at most this many characters.
const MAX_ID_CHARS: usize = 128;
/// A path is at most this many bytes of UTF-8.
const MAX_PATH_BYTES: usize = 1024;

/// Whether a context may have this name.
pub(crate) fn is_name(text: &str) -> bool {
    is_text(text, MAX_NAME_CHARS)
}

/// Whether this could be the id of a context. Ids of other services count: they are merely not found.
pub(crate) fn is_id(text: &str) -> bool {
    is_text(text, MAX_ID_CHARS)
}

fn is_text(text: &str, max_chars: usize) -> bool {
    !text.trim().is_empty()
        // Bytes first: counting the characters of an endless text is work.
        && text.len() <= max_chars * 4
        && text.chars().count() <= max_chars
        && !text.chars().any(char::is_control)
}

/// The absolute path of a file: `/data/a.txt`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FilePath(String);

impl FilePath {
    /// The path, if it is a good one. Nothing is normalised: what is asked for is what is stored.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let segments = text.strip_prefix('/')?;
        let good = text.len() <= MAX_PATH_BYTES
            && !text.contains('\\')
            && !text.chars().any(char::is_control)
            && segments
                .split('/')
                .all(|segment| !matches!(segment, "" | "." | ".."));
        good.then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder that it lies in.
    pub(crate) fn parent(&self) -> FolderPath {
        FolderPath(split(&self.0).0.to_owned())
    }

    /// Its last segment.
    pub(crate) fn name(&self) -> &str {
        split(&self.0).1
    }
}

/// The absolute path of a folder: `/` or `/data`, without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FolderPath(String);

impl FolderPath {
    /// The folder that holds all others.
    pub(crate) fn root() -> Self {
        Self("/".to_owned())
    }

    /// The path, if it is a good one; one slash at the end is allowed, and an empty text is the root.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "/" => Some(Self::root()),
            _ => FilePath::parse(text.strip_suffix('/').unwrap_or(text)).map(|path| Self(path.0)),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// The folder that it lies in and its name there; for the root both are empty.
    pub(crate) fn place(&self) -> (&str, &str) {
        if self.is_root() {
            ("", "")
        } else {
            split(&self.0)
        }
    }

    /// The folder that it lies in; the root lies in none.
    pub(crate) fn parent(&self) -> Option<FolderPath> {
        (!self.is_root()).then(|| Self(split(&self.0).0.to_owned()))
    }

    /// The path of what is called `name` in this folder.
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
    fn names_and_ids_have_limits() {
        assert!(is_name("my project"));
        assert!(is_name(&"ü".repeat(255)));
        assert!(!is_name(&"ü".repeat(256)));
        assert!(is_id(&"a".repeat(128)));
        assert!(!is_id(&"a".repeat(129)));
        for bad in ["", "   ", "\u{3000}", "a\nb", "a\u{7f}", "a\u{85}b", "\0"] {
            assert!(!is_name(bad), "{bad:?}");
            assert!(!is_id(bad), "{bad:?}");
        }
    }

    #[test]
    fn paths_are_absolute_and_literal() {
        for good in [
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
            assert_eq!(FilePath::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "", "/", "a", "a/b", "//a", "/a//b", "/a/", "/.", "/..", "/a/../b", "/a/./b", "/a\\b",
            "/a\0", "/a\nb", "/\u{85}",
        ] {
            assert!(FilePath::parse(bad).is_none(), "{bad:?}");
        }
        let longest = format!("/{}", "a".repeat(1023));
        assert!(FilePath::parse(&longest).is_some());
        assert!(FilePath::parse(&format!("{longest}a")).is_none());
        assert!(
            FilePath::parse(&format!("/{}", "ü".repeat(512))).is_none(),
            "bytes count, not characters"
        );
    }

    #[test]
    fn folders_may_end_in_one_slash() {
        for (text, path) in [
            ("", "/"),
            ("/", "/"),
            ("/a", "/a"),
            ("/a/", "/a"),
            ("/a/b/", "/a/b"),
        ] {
            assert_eq!(FolderPath::parse(text).unwrap().as_str(), path);
        }
        for bad in ["//", "/a//", "a", "a/", "/..", "/../", " "] {
            assert!(FolderPath::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn paths_come_apart_and_together() {
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
