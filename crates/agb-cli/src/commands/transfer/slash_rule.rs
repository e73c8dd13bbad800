//! The slash rule of folders, as in rsync: `docs` is the folder, which becomes `DST/docs`; `docs/` is its contents, which
//! go into `DST`. Whether `DST` exists makes no difference.

use std::path::{Component, Path, PathBuf};

use crate::{address::Remote, failure::Failure};

/// The remote folder for a local folder.
pub(super) fn local_into_remote(from: &Path, to: &Remote) -> Result<Remote, Failure> {
    if is_contents(from) {
        return Ok(to.clone());
    }
    match from.file_name() {
        Some(name) => match name.to_str() {
            Some(name) => Ok(to.join(name)),
            None => Err(not_utf8(from)),
        },
        // `.`, `..` and `/` have no name of their own.
        None => Ok(to.clone()),
    }
}

/// The local folder for a remote folder.
pub(super) fn remote_into_local(from: &Remote, to: &Path) -> Result<PathBuf, Failure> {
    match from.is_folder() {
        true => Ok(to.to_owned()),
        false => Ok(to.join(local_name(from)?)),
    }
}

/// The remote folder for a remote folder.
pub(super) fn remote_into_remote(from: &Remote, to: &Remote) -> Remote {
    match from.is_folder() {
        true => to.clone(),
        false => to.join(from.file_name()),
    }
}

/// Whether a local path ends with a slash or with `/.`.
fn is_contents(path: &Path) -> bool {
    let path = path.to_string_lossy();
    let is_separator = |end: char| end == '/' || end == std::path::MAIN_SEPARATOR;
    path.ends_with(is_separator)
        || path
            .strip_suffix('.')
            .is_some_and(|path| path.ends_with(is_separator))
}

/// Whether a local path ends with a slash and so must be a folder.
pub(in crate::commands) fn has_slash(path: &Path) -> bool {
    path.to_string_lossy()
        .ends_with(['/', std::path::MAIN_SEPARATOR])
}

/// The name of a remote file or folder, as the name of a local one. A service must not choose another folder.
pub(super) fn local_name(from: &Remote) -> Result<&str, Failure> {
    let name = from.file_name();
    let mut components = Path::new(name).components();
    let is_name = matches!(components.next(), Some(Component::Normal(first)) if first == name);
    match is_name && components.next().is_none() && !name.contains(['\\', '\0']) {
        true => Ok(name),
        false => Err(
            Failure::usage(format!("the name of {from} is not a local file name"))
                .with_hint("name the local file: agb get ADDRESS FILE"),
        ),
    }
}

/// The name of a local file, as the name of a remote one.
pub(super) fn remote_name(from: &Path) -> Result<&str, Failure> {
    match from.file_name() {
        Some(name) => name.to_str().ok_or_else(|| not_utf8(from)),
        None => Err(Failure::usage(format!("{} is a folder", from.display()))),
    }
}

fn not_utf8(path: &Path) -> Failure {
    let failure = Failure::usage(format!("the name of {} is not UTF-8", path.display()));
    failure.with_hint("name the destination: NAME:/path")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(text: &str) -> Remote {
        text.parse().unwrap()
    }

    #[test]
    fn a_slash_at_the_end_of_the_source_means_its_contents() {
        for (from, expected) in [
            ("docs", "n:/d/docs"),
            ("a/docs", "n:/d/docs"),
            ("../docs", "n:/d/docs"),
            ("docs/", "n:/d"),
            ("docs/.", "n:/d"),
            (".", "n:/d"),
            ("..", "n:/d"),
            ("/", "n:/d"),
            ("docs.", "n:/d/docs."),
        ] {
            let to = local_into_remote(Path::new(from), &remote("n:/d")).unwrap();
            assert_eq!(to.to_string(), expected, "{from}");
        }
        for (from, local, to) in [
            ("n:/docs", "d/docs", "m:/d/docs"),
            ("n:/docs/", "d", "m:/d"),
            ("n:/", "d", "m:/d"),
        ] {
            let into = remote_into_local(&remote(from), Path::new("d")).unwrap();
            assert_eq!(into, Path::new(local), "{from}");
            let into = remote_into_remote(&remote(from), &remote("m:/d"));
            assert_eq!(into.to_string(), to, "{from}");
        }
    }

    #[test]
    fn a_remote_name_never_leaves_the_local_folder() {
        for path in ["n:/..", "n:/a/..", "n:/.", "n:/", "n:/a\\b", "n:/a\0"] {
            assert!(local_name(&remote(path)).is_err(), "{path}");
        }
        assert_eq!(local_name(&remote("n:/a/b c")).unwrap(), "b c");
    }
}
