//! The names of conflict copies: see [`ConflictPolicy::KeepBoth`](crate::ConflictPolicy::KeepBoth).

use std::time::SystemTime;

use agbcloud_api::rules::MAX_PATH_BYTES;

use crate::FolderPath;

/// Marks the name of a conflict copy.
const MARK: &str = ".conflict-";

/// Maximum length of a file name in bytes on nearly all file systems.
const MAX_NAME: usize = 255;

/// The format of the time after [`MARK`], in UTC with milliseconds. It is followed by the host and a random part.
const TIME_FORMAT: &str = "00000000T000000.000Z-";

/// Length of the random part.
const RANDOM_LENGTH: usize = 8;

/// Maximum length of the host name.
const MAX_HOST: usize = 16;

/// Returns the relative path of the conflict copy of a file: with the time, the host and a random part before the extension. A
/// long name is shortened.
pub(super) fn conflict_copy_name(root: &FolderPath, relative: &str, now: SystemTime) -> String {
    let random = std::iter::repeat_with(|| fastrand::char('a'..='z'));
    let random: String = random.take(RANDOM_LENGTH).collect();
    let root = root.as_str().trim_end_matches('/').len() + 1;
    conflict_copy_name_with(
        relative,
        MAX_PATH_BYTES.saturating_sub(root),
        now,
        (&host(), &random),
    )
}

/// The same for a maximum length of the relative path.
fn conflict_copy_name_with(
    relative: &str,
    max_length: usize,
    now: SystemTime,
    (host, random): (&str, &str),
) -> String {
    let now = jiff::Timestamp::try_from(now).unwrap_or_default();
    let now = now.strftime("%Y%m%dT%H%M%S.%3fZ");
    let (folder, name) = relative.split_at(relative.rfind('/').map_or(0, |slash| slash + 1));
    // A leading dot starts no extension, and an extension is short.
    let dot = name
        .rfind('.')
        .filter(|dot| *dot > 0 && name.len() - dot <= 16);
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    let mark = format!("{MARK}{now}-{host}-{random}");
    let max_name = MAX_NAME.min(max_length.saturating_sub(folder.len()));
    let stem = truncate(stem, max_name.saturating_sub(mark.len() + extension.len()));
    format!("{folder}{stem}{mark}{extension}")
}

/// Truncates a text to a number of bytes, at a character boundary.
fn truncate(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev();
    let mut whole = end.filter(|end| text.is_char_boundary(*end));
    &text[..whole.next().unwrap_or(0)]
}

/// Returns the name of the local host, reduced to letters and digits.
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
    let plain: String = plain
        .take(MAX_HOST)
        .collect::<String>()
        .to_ascii_lowercase();
    match plain.is_empty() {
        true => "host".to_owned(),
        false => plain,
    }
}

/// Whether the name is that of a conflict copy.
pub(super) fn is_conflict_copy(relative: &str) -> bool {
    let name = relative.rsplit('/').next().unwrap_or_default();
    let Some((_, rest)) = name.rsplit_once(MARK) else {
        return false;
    };
    let fits = |(byte, form)| match form {
        b'0' => u8::is_ascii_digit(&byte),
        form => byte == form,
    };
    let time = rest.bytes().zip(TIME_FORMAT.bytes());
    let Some(rest) = rest
        .get(TIME_FORMAT.len()..)
        .filter(|_| time.clone().all(fits))
    else {
        return false;
    };
    let mark = rest.split('.').next().unwrap_or_default();
    mark.split_once('-').is_some_and(|(host, random)| {
        let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_host
            && random.len() == RANDOM_LENGTH
            && random.bytes().all(|byte| byte.is_ascii_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_conflict_copy_is_recognized_by_its_name() {
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
            let copy = conflict_copy_name_with(name, 1000, then, ("box1", "abcdefgh"));
            assert_eq!(copy, expected);
            assert!(is_conflict_copy(&copy) && !is_conflict_copy(name));
        }
        for name in [
            "a.conflict-20250529T122000Z",
            "a.conflict-20250529T122000.042Z-box1-abcdefghi",
            "a.conflict-2025x529T122000.042Z-box1-abcdefgh",
            "a.conflict-20250529T122000.042Z-",
            "a.conflict-2025ü",
            "a.conflict-20250529T122000.042Z-box1-abcdefgh.txt/b",
        ] {
            assert!(!is_conflict_copy(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_conflict_copy_has_a_unique_valid_name(name in "[a-zü€😀.]{1,255}", deep in 0..90_usize) {
            prop_assume!(name.len() <= MAX_NAME);
            let relative = "folder/".repeat(deep) + &name;
            let root = FolderPath::new("/data").unwrap();
            let names = [(); 2].map(|()| conflict_copy_name(&root, &relative, SystemTime::UNIX_EPOCH));
            prop_assert_ne!(&names[0], &names[1]);
            for copy in names {
                prop_assert!(is_conflict_copy(&copy));
                prop_assert!(copy.rsplit('/').next().unwrap().len() <= MAX_NAME);
                prop_assert!(copy.len() + "/data/".len() <= MAX_PATH_BYTES);
            }
        }
    }
}
