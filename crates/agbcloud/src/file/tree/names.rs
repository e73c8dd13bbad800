//! From the path of a remote file to that of a local one and back, without ever leaving the folder.

use std::{
    path::{Component, Path, PathBuf},
    time::SystemTime,
};

use agbcloud_api::rules::MAX_PATH_BYTES;

use crate::{Error, ErrorKind, FolderPath, RemotePath, Result};

/// The path of a remote file below its folder; `None` if it is not below.
pub(super) fn below<'a>(root: &FolderPath, path: &'a str) -> Option<&'a str> {
    let rest = match root.as_str() {
        "/" => path.strip_prefix('/')?,
        root => path.strip_prefix(root)?.strip_prefix('/')?,
    };
    Some(rest).filter(|rest| !rest.is_empty())
}

/// The remote file of a path below a folder, with `/` between its segments.
pub(super) fn remote(root: &FolderPath, relative: &str) -> Result<RemotePath> {
    match root.as_str() {
        "/" => RemotePath::new(format!("/{relative}")),
        root => RemotePath::new(format!("{root}/{relative}")),
    }
}

/// The path below the folder of a local file, with `/` between its segments.
pub(super) fn relative(local: &Path) -> Result<String> {
    let segments = local.components().map(|component| match component {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    let segments: Option<Vec<&str>> = segments.collect();
    segments.map(|segments| segments.join("/")).ok_or_else(|| {
        let message = format!("{} is not UTF-8: it has no remote name", local.display());
        Error::invalid_argument(message)
    })
}

/// The local file of a remote one, relative to the folder that it goes to.
pub(super) fn local(relative: &str) -> Result<PathBuf> {
    local_on(relative, cfg!(windows))
}

fn local_on(relative: &str, windows: bool) -> Result<PathBuf> {
    let mut path = PathBuf::new();
    for segment in relative.split('/') {
        let refused = match segment {
            "" | "." | ".." => Some("has a segment that is no name"),
            name if name.contains('\0') => Some("holds a NUL"),
            name if windows => no_windows_name(name),
            _ => None,
        };
        if let Some(why) = refused {
            let message = format!("{relative:?} can't be a local file: it {why}");
            return Err(Error::new(ErrorKind::LocalFile, message));
        }
        path.push(segment);
    }
    Ok(path)
}

/// What the name of a file begins with that was kept beside the one that has its name now.
const KEPT: &str = ".conflict-";

/// Bytes of a file name, at most: the limit of nearly all file systems.
const NAME_LIMIT: usize = 255;

/// The form of what follows [`KEPT`]: the time in UTC with milliseconds. The host and a random part come after it.
const KEPT_TIME: &str = "00000000T000000.000Z-";

/// Characters of the random part.
const RANDOM: usize = 8;

/// Characters of the host's name that are shown.
const HOST: usize = 16;

/// The name under which a file stays beside the one that takes its own, before the ending: the time, the host and a random
/// part, so that no two are the same. A long name is shortened to fit.
pub(super) fn kept(root: &FolderPath, relative: &str, now: SystemTime) -> String {
    let random = std::iter::repeat_with(|| fastrand::char('a'..='z'));
    let random: String = random.take(RANDOM).collect();
    let root = root.as_str().trim_end_matches('/').len() + 1;
    kept_as(
        relative,
        MAX_PATH_BYTES.saturating_sub(root),
        now,
        (&host(), &random),
    )
}

/// The same for a path below the folders that has at most so many bytes.
fn kept_as(
    relative: &str,
    longest: usize,
    now: SystemTime,
    (host, random): (&str, &str),
) -> String {
    let now = jiff::Timestamp::try_from(now).unwrap_or_default();
    let now = now.strftime("%Y%m%dT%H%M%S.%3fZ");
    let (folder, name) = relative.split_at(relative.rfind('/').map_or(0, |slash| slash + 1));
    // A dot at the start makes no ending, nor does one that is far from the end.
    let dot = name
        .rfind('.')
        .filter(|dot| *dot > 0 && name.len() - dot <= 16);
    let (stem, ending) = name.split_at(dot.unwrap_or(name.len()));
    let mark = format!("{KEPT}{now}-{host}-{random}");
    // The path as a whole has a limit of the wire too.
    let room = NAME_LIMIT.min(longest.saturating_sub(folder.len()));
    let stem = cut(stem, room.saturating_sub(mark.len() + ending.len()));
    format!("{folder}{stem}{mark}{ending}")
}

/// So much of a text, in whole characters.
fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev();
    let mut whole = end.filter(|end| text.is_char_boundary(*end));
    &text[..whole.next().unwrap_or(0)]
}

/// The name of this host, as far as it fits into a file name.
fn host() -> String {
    #[cfg(unix)]
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").unwrap_or_default();
    let first = name.split('.').next().unwrap_or_default();
    let plain = first.chars().filter(char::is_ascii_alphanumeric);
    let plain: String = plain.take(HOST).collect::<String>().to_ascii_lowercase();
    match plain.is_empty() {
        true => "host".to_owned(),
        false => plain,
    }
}

/// Whether a file stays beside another: see [`kept`].
pub(super) fn is_kept(relative: &str) -> bool {
    let name = relative.rsplit('/').next().unwrap_or_default();
    let Some((_, rest)) = name.rsplit_once(KEPT) else {
        return false;
    };
    let fits = |(byte, form)| match form {
        b'0' => u8::is_ascii_digit(&byte),
        form => byte == form,
    };
    let time = rest.bytes().zip(KEPT_TIME.bytes());
    let Some(rest) = rest
        .get(KEPT_TIME.len()..)
        .filter(|_| time.clone().all(fits))
    else {
        return false;
    };
    let mark = rest.split('.').next().unwrap_or_default();
    mark.split_once('-').is_some_and(|(host, random)| {
        let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_host && random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_lowercase())
    })
}

/// What Windows would take for something else than a file of that name.
fn no_windows_name(name: &str) -> Option<&'static str> {
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
        Some("holds a character that Windows does not allow")
    } else if name.ends_with(['.', ' ']) {
        Some("ends with a dot or a space, which Windows drops")
    } else if reserved.iter().any(|name| stem.eq_ignore_ascii_case(name))
        || device("COM")
        || device("LPT")
    {
        Some("is a device on Windows")
    } else {
        None
    }
}

/// What names that a folder can't tell apart have in common, where its file system ignores case.
pub(super) fn folded(relative: &str) -> String {
    relative.to_lowercase()
}

/// Whether a folder takes names for the same that differ in case alone: as the folder above takes its own name, or the
/// one above that, where one is not there or has no letters. Writes nothing. Blocks.
pub(super) fn folds_case(folder: &Path) -> bool {
    let Ok(folder) = std::path::absolute(folder) else {
        return false;
    };
    let mut known = folder
        .ancestors()
        .filter_map(|above| Some((above.canonicalize().ok()?, swapped(above)?)));
    known.next().is_some_and(|(itself, swapped)| {
        let other = swapped.canonicalize();
        other.is_ok_and(|other| other == itself)
    })
}

/// A path that differs from this in the case of its last name.
fn swapped(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let (upper, lower) = (name.to_uppercase(), name.to_lowercase());
    let other = if upper == name { lower } else { upper };
    (other != name).then(|| path.with_file_name(other))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_kept_is_known_by_its_name() {
        let then = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_748_521_200_042);
        for (name, expected) in [
            (
                "notes.txt",
                "notes.conflict-20250529T122000.042Z-box1-abcdefgh.txt",
            ),
            (
                "a.b/notes",
                "a.b/notes.conflict-20250529T122000.042Z-box1-abcdefgh",
            ),
            (
                "a/.env",
                "a/.env.conflict-20250529T122000.042Z-box1-abcdefgh",
            ),
            (
                "ü.tar.gz",
                "ü.tar.conflict-20250529T122000.042Z-box1-abcdefgh.gz",
            ),
        ] {
            let kept = kept_as(name, 1000, then, ("box1", "abcdefgh"));
            assert_eq!(kept, expected);
            assert!(is_kept(&kept) && !is_kept(name));
        }
        for name in [
            "a.conflict-20250529T122000Z",
            "a.conflict-20250529T122000.042Z-box1-abcdefghi",
            "a.conflict-2025x529T122000.042Z-box1-abcdefgh",
            "a.conflict-20250529T122000.042Z-",
            "a.conflict-2025ü",
            "a.conflict-20250529T122000.042Z-box1-abcdefgh.txt/b",
        ] {
            assert!(!is_kept(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_kept_name_fits_and_is_another(name in "[a-zü€😀.]{1,255}", deep in 0..90_usize) {
            prop_assume!(name.len() <= NAME_LIMIT);
            let relative = "folder/".repeat(deep) + &name;
            let root = FolderPath::new("/data").unwrap();
            let names = [(); 2].map(|()| kept(&root, &relative, SystemTime::UNIX_EPOCH));
            prop_assert_ne!(&names[0], &names[1]);
            for kept in names {
                prop_assert!(is_kept(&kept));
                prop_assert!(kept.rsplit('/').next().unwrap().len() <= NAME_LIMIT);
                prop_assert!(kept.len() + "/data/".len() <= MAX_PATH_BYTES);
            }
        }
    }

    #[test]
    fn no_remote_path_leads_out_of_the_folder() {
        for bad in ["..", "a/../b", "a//b", "/etc/passwd", ".", "a/", "", "a\0b"] {
            assert!(local_on(bad, false).is_err(), "{bad:?}");
        }
        for bad in [
            "C:", "C:/x", "a\\b", "\\\\host", "NUL", "nul.txt", "a/Con", "com1", "LPT9.log", "a.",
            "a ", "a?", "x/aux .c", "COM¹",
        ] {
            assert!(local_on(bad, true).is_err(), "{bad:?}");
        }
        for good in ["console", "com0", "a.b", "nulls/x", "common", "é"] {
            assert!(local_on(good, true).is_ok(), "{good:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_cases_apart() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["docs", "docs/123", "none/at/all"] {
            let folder = folder.path().join(name);
            assert!(!folds_case(&folder));
            let _ = std::fs::create_dir(folder);
        }
        // A link of the other case is what such a system would show.
        std::os::unix::fs::symlink("docs", folder.path().join("DOCS")).unwrap();
        assert!(folds_case(&folder.path().join("docs")));
        assert!(folds_case(&folder.path().join("docs/123")));
    }

    #[test]
    fn a_path_is_below_its_folder_or_not() {
        let root = FolderPath::new("/data").unwrap();
        assert_eq!(below(&root, "/data/a/b"), Some("a/b"));
        assert_eq!(below(&root, "/database"), None);
        assert_eq!(below(&root, "/data"), None);
        assert_eq!(below(&FolderPath::root(), "/a"), Some("a"));
    }

    proptest! {
        /// Spaces, `%`, `+`, `#`, `?`, emoji: byte for byte, both ways.
        #[test]
        fn names_survive_both_ways(segments in prop::collection::vec("[^/\\\\\\p{Cc}]{1,20}", 1..6)) {
            prop_assume!(segments.iter().all(|s| s != "." && s != ".."));
            let text = segments.join("/");
            let path = local_on(&text, false).unwrap();
            prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
            prop_assert_eq!(relative(&path).unwrap(), text.clone());
            if text.len() < 1000 {
                let root = FolderPath::new("/data").unwrap();
                let remote = remote(&root, &text).unwrap();
                prop_assert_eq!(below(&root, remote.as_str()), Some(text.as_str()));
            }
        }

        #[test]
        fn whatever_is_accepted_stays_inside(text in ".{0,30}", windows: bool) {
            if let Ok(path) = local_on(&text, windows) {
                prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
            }
        }
    }
}
