//! Names that the local file system treats as the same, for example because it ignores case.

use std::{
    collections::{HashMap, hash_map::RandomState},
    fs::Metadata,
    hash::BuildHasher,
    path::{Path, PathBuf},
};

use super::remote_files::Shards;
use crate::{
    Error, ErrorKind,
    file::local::blocking,
    sync::{options::SyncOptions, paths},
};

/// Whether a folder ignores case. Tests it with the name of the folder or of a folder above it. Writes nothing. Blocks.
fn folds_case(folder: &Path) -> bool {
    let Ok(folder) = std::path::absolute(folder) else {
        return false;
    };
    let mut existing = folder
        .ancestors()
        .filter_map(|above| Some((above.canonicalize().ok()?, swap_case(above)?)));
    existing.next().is_some_and(|(canonical, swapped)| {
        let other = swapped.canonicalize();
        other.is_ok_and(|other| other == canonical)
    })
}

/// Returns a path that differs in the case of its last segment.
fn swap_case(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let (upper, lower) = (name.to_uppercase(), name.to_lowercase());
    let other = if upper == name { lower } else { upper };
    (other != name).then(|| path.with_file_name(other))
}

pub(in crate::sync) fn same_local_name() -> Error {
    let message = "the local file system does not distinguish the name from that of another file";
    Error::new(ErrorKind::Conflict, message)
}

impl SyncOptions {
    /// Whether the local folder ignores case. A folder in it may do so even if the folder does not, and names can be the
    /// same for other reasons: [`ClaimedFiles`] detects that.
    pub(super) async fn folds_case(&self) -> bool {
        let root = self.local.clone();
        let folds = blocking(move || Ok(folds_case(&root)));
        folds.await.unwrap_or(false)
    }

    /// Returns the error for a file whose target has appeared since the comparison: the sync may have downloaded another
    /// file under a name that the file system treats as the same.
    pub(in crate::sync) async fn explain_conflict(&self, relative: &str, error: Error) -> Error {
        let Ok(path) = paths::to_local(relative) else {
            return error;
        };
        let path = self.local.join(path);
        let is_folded = move || Ok(path.symlink_metadata().is_ok() && !has_exact_name(&path));
        match blocking(is_folded).await {
            Ok(true) => same_local_name(),
            _ => error,
        }
    }
}

/// Identifies a local file independently of its name: by its inode number, and by its size and times, since a few file
/// systems assign a number twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FileNumber {
    number: (u64, u64),
    size: u64,
    times: [(i64, i64); 2],
    linked: bool,
}

impl FileNumber {
    /// Returns `None` if the system has no inode numbers.
    #[cfg(unix)]
    pub(super) fn of(metadata: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;

        let identity = Self {
            number: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            times: [
                (metadata.mtime(), metadata.mtime_nsec()),
                (metadata.ctime(), metadata.ctime_nsec()),
            ],
            linked: metadata.nlink() > 1,
        };
        Some(identity).filter(|identity| identity.number.1 != 0)
    }

    /// Whether the file may have several hard links.
    pub(super) fn is_linked(self) -> bool {
        self.linked
    }

    #[cfg(not(unix))]
    pub(super) fn of(_: &Metadata) -> Option<Self> {
        None
    }
}

/// Local files that exist under the names of remote files. Two names of one file are names that the file system treats as
/// the same, because it ignores case or normalizes accents. Takes 12 bytes for each file: 64 bits of a hash of its identity,
/// and 32 bits of a hash of its name.
pub(super) struct ClaimedFiles {
    key: RandomState,
    names: Shards<HashMap<[u32; 2], u32>>,
}

impl ClaimedFiles {
    pub(super) fn new() -> Self {
        Self {
            key: RandomState::new(),
            names: Shards::new(),
        }
    }

    /// Adds the file of a remote name. Returns `false` if another name has claimed it.
    pub(super) fn insert(&mut self, file: &FileNumber, relative: &str) -> bool {
        let (hash, [name, _]) = (
            self.hash(file, relative),
            halves(self.key.hash_one(relative)),
        );
        let known = self.names.of_mut(hash).entry(halves(hash)).or_insert(name);
        *known == name
    }

    pub(super) fn contains(&self, file: &FileNumber, relative: &str) -> bool {
        let hash = self.hash(file, relative);
        self.names.of(hash).contains_key(&halves(hash))
    }

    /// Includes the folded name for a file with several hard links, each of which may be claimed.
    fn hash(&self, file: &FileNumber, relative: &str) -> u64 {
        let name = file.linked.then(|| paths::fold_case(relative));
        self.key.hash_one((file, name))
    }
}

/// Splits a hash, since a table of 32-bit numbers needs no padding.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the truncated bits are in the other half"
)]
fn halves(hash: u64) -> [u32; 2] {
    [(hash >> 32) as u32, hash as u32]
}

/// Whether the folder contains exactly this name, and not another one that the file system treats as the same. Reads the
/// folder. Blocks.
pub(super) fn has_exact_name(file: &Path) -> bool {
    let folder = file.parent().map(std::fs::read_dir);
    let mut entries = folder.into_iter().flatten().flatten().flatten();
    entries.any(|entry| Some(&*entry.file_name()) == file.file_name())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_claimed_by_one_name() {
        let folder = tempfile::tempdir().unwrap();
        let identity = |name: &str| {
            let path = folder.path().join(name);
            FileNumber::of(&path.symlink_metadata().unwrap()).unwrap()
        };
        for name in ["one", "other"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let (one, other) = (identity("one"), identity("other"));
        let mut places = ClaimedFiles::new();
        assert!(places.insert(&one, "one") && places.insert(&other, "other"));
        assert!(places.insert(&one, "one"), "a file may be listed twice");
        assert!(!places.insert(&one, "ONE") && !places.insert(&other, "one"));
        assert!(places.contains(&one, "a/name"));

        // Hard links are claimed separately, unless their names differ only in case.
        let link = folder.path().join("link");
        std::fs::hard_link(folder.path().join("one"), &link).unwrap();
        let linked = identity("link");
        assert!(!places.contains(&linked, "link"));
        assert!(places.insert(&linked, "link") && places.insert(&linked, "one"));
        assert!(!places.insert(&linked, "LINK"));
        assert!(has_exact_name(&link) && !has_exact_name(&folder.path().join("LINK")));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_distinguishes_case() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["docs", "docs/123", "none/at/all"] {
            let folder = folder.path().join(name);
            assert!(!folds_case(&folder));
            let _ = std::fs::create_dir(folder);
        }
        // A symbolic link simulates a file system that ignores case.
        std::os::unix::fs::symlink("docs", folder.path().join("DOCS")).unwrap();
        assert!(folds_case(&folder.path().join("docs")));
        assert!(folds_case(&folder.path().join("docs/123")));
    }
}
