//! Conversion between remote paths and local paths, which never leave their folder.

use std::path::{Component, Path, PathBuf};

use crate::{Error, ErrorKind, FolderPath, RemotePath, Result};

/// Returns the path of a remote file relative to a folder; `None` if it is not in the folder.
pub(super) fn relative_to<'a>(root: &FolderPath, path: &'a str) -> Option<&'a str> {
    let rest = match root.as_str() {
        "/" => path.strip_prefix('/')?,
        root => path.strip_prefix(root)?.strip_prefix('/')?,
    };
    Some(rest).filter(|rest| !rest.is_empty())
}

/// Returns the remote path of a relative path.
pub(super) fn to_remote(root: &FolderPath, relative: &str) -> Result<RemotePath> {
    match root.as_str() {
        "/" => RemotePath::new(format!("/{relative}")),
        root => RemotePath::new(format!("{root}/{relative}")),
    }
}

/// Returns the relative path, with `/` between the segments, of a local path.
pub(super) fn from_local(local: &Path) -> Result<String> {
    let segments = local.components().map(|component| match component {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    let segments: Option<Vec<&str>> = segments.collect();
    segments.map(|segments| segments.join("/")).ok_or_else(|| {
        let message = format!("the name {} is not UTF-8", local.display());
        Error::invalid_argument(message)
    })
}

/// Returns the local path of a relative path.
pub(super) fn to_local(relative: &str) -> Result<PathBuf> {
    to_local_on(relative, cfg!(windows))
}

fn to_local_on(relative: &str, windows: bool) -> Result<PathBuf> {
    let mut path = PathBuf::new();
    for segment in relative.split('/') {
        let problem = match segment {
            "" | "." | ".." => Some("it has an empty segment, . or .."),
            name if name.contains('\0') => Some("it contains a NUL"),
            name if windows => invalid_on_windows(name),
            _ => None,
        };
        if let Some(problem) = problem {
            let message = format!("{relative:?} can't be a local path: {problem}");
            return Err(Error::new(ErrorKind::LocalFile, message));
        }
        path.push(segment);
    }
    Ok(path)
}

/// Folds a relative path as a file system does that ignores case.
pub(super) fn fold_case(relative: &str) -> String {
    relative.to_lowercase()
}

/// Returns why a name is invalid on Windows.
fn invalid_on_windows(name: &str) -> Option<&'static str> {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let device = |prefix: &str| {
        stem.len() > 3
            && stem.is_char_boundary(3)
            && stem[..3].eq_ignore_ascii_case(prefix)
            && matches!(
                &stem[3..],
                "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³"
            )
    };
    let reserved = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
    if name.contains(['<', '>', ':', '"', '|', '?', '*', '\\'])
        || name.chars().any(char::is_control)
    {
        Some("it contains a character that Windows does not allow")
    } else if name.ends_with(['.', ' ']) {
        Some("it ends with a dot or a space, which Windows drops")
    } else if reserved.iter().any(|name| stem.eq_ignore_ascii_case(name))
        || device("COM")
        || device("LPT")
    {
        Some("it is a device on Windows")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_remote_path_leaves_the_folder() {
        for bad in ["..", "a/../b", "a//b", "/etc/passwd", ".", "a/", "", "a\0b"] {
            assert!(to_local_on(bad, false).is_err(), "{bad:?}");
        }
        for bad in [
            "C:", "C:/x", "a\\b", "\\\\host", "NUL", "nul.txt", "a/Con", "com1", "LPT9.log", "a.",
            "a ", "a?", "x/aux .c", "COM¹",
        ] {
            assert!(to_local_on(bad, true).is_err(), "{bad:?}");
        }
        for valid in ["console", "com0", "a.b", "nulls/x", "common", "é"] {
            assert!(to_local_on(valid, true).is_ok(), "{valid:?}");
        }
    }

    #[test]
    fn a_path_is_relative_to_its_folder() {
        let root = FolderPath::new("/data").unwrap();
        assert_eq!(relative_to(&root, "/data/a/b"), Some("a/b"));
        assert_eq!(relative_to(&root, "/database"), None);
        assert_eq!(relative_to(&root, "/data"), None);
        assert_eq!(relative_to(&FolderPath::root(), "/a"), Some("a"));
    }

    proptest! {
        #[test]
        fn names_survive_the_conversion_in_both_directions(segments in prop::collection::vec("[^/\\\\\\p{Cc}]{1,20}", 1..6)) {
            prop_assume!(segments.iter().all(|s| s != "." && s != ".."));
            let text = segments.join("/");
            let path = to_local_on(&text, false).unwrap();
            prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
            prop_assert_eq!(from_local(&path).unwrap(), text.clone());
            if text.len() < 1000 {
                let root = FolderPath::new("/data").unwrap();
                let remote = to_remote(&root, &text).unwrap();
                prop_assert_eq!(relative_to(&root, remote.as_str()), Some(text.as_str()));
            }
        }

        #[test]
        fn every_accepted_path_stays_in_the_folder(text in ".{0,30}", windows: bool) {
            if let Ok(path) = to_local_on(&text, windows) {
                prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
            }
        }
    }
}
