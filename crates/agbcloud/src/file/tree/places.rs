//! Which local files were found in the places of remote ones.

use std::{
    collections::{HashMap, hash_map::RandomState},
    fs::Metadata,
    hash::BuildHasher,
    path::Path,
};

use super::{index::Shards, names};

/// What a local file is, whatever the name that it was found by: its number in the file system, and what changes with it
/// when it does, since a few file systems give a number twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    number: (u64, u64),
    size: u64,
    times: [(i64, i64); 2],
    linked: bool,
}

impl Identity {
    /// `None` where the system does not tell.
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

    /// Whether it may have several names that are its own.
    pub(super) fn is_linked(self) -> bool {
        self.linked
    }

    #[cfg(not(unix))]
    pub(super) fn of(_: &Metadata) -> Option<Self> {
        None
    }
}

/// Files that were found in the places of remote ones. That two names lead to one file is what a file system does that
/// takes them for the same, for whatever reason: it ignores case, or the ways to write an accent. Of each file 12 bytes are
/// kept: 64 bits of a hash of what it is, and 32 of one of its name, by which one that is listed twice is known.
pub(super) struct Places {
    key: RandomState,
    names: Shards<HashMap<[u32; 2], u32>>,
}

impl Places {
    pub(super) fn new() -> Self {
        Self {
            key: RandomState::new(),
            names: Shards::new(),
        }
    }

    /// Whether a file was not found for another name before.
    pub(super) fn insert(&mut self, file: &Identity, relative: &str) -> bool {
        let (hash, [name, _]) = (
            self.hash(file, relative),
            halves(self.key.hash_one(relative)),
        );
        let known = self.names.of_mut(hash).entry(halves(hash)).or_insert(name);
        *known == name
    }

    pub(super) fn contains(&self, file: &Identity, relative: &str) -> bool {
        let hash = self.hash(file, relative);
        self.names.of(hash).contains_key(&halves(hash))
    }

    /// Of a file with several names of its own, each counts, apart from its case.
    fn hash(&self, file: &Identity, relative: &str) -> u64 {
        let name = file.linked.then(|| names::folded(relative));
        self.key.hash_one((file, name))
    }
}

/// Of numbers of 32 bits a table needs no room between them.
#[allow(clippy::cast_possible_truncation)] // What is cut from one is in the other.
fn halves(hash: u64) -> [u32; 2] {
    [(hash >> 32) as u32, hash as u32]
}

/// Whether a name is in its folder just as it is written, and not as another that is taken for the same. Reads the folder.
/// Blocks.
pub(super) fn has_own_entry(file: &Path) -> bool {
    let folder = file.parent().map(std::fs::read_dir);
    let mut entries = folder.into_iter().flatten().flatten().flatten();
    entries.any(|entry| Some(&*entry.file_name()) == file.file_name())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_for_one_name() {
        let folder = tempfile::tempdir().unwrap();
        let identity = |name: &str| {
            let path = folder.path().join(name);
            Identity::of(&path.symlink_metadata().unwrap()).unwrap()
        };
        for name in ["one", "other"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let (one, other) = (identity("one"), identity("other"));
        let mut places = Places::new();
        assert!(places.insert(&one, "one") && places.insert(&other, "other"));
        assert!(places.insert(&one, "one"), "it is listed twice");
        assert!(!places.insert(&one, "ONE") && !places.insert(&other, "one"));
        assert!(places.contains(&one, "a/name"));

        // Names of its own are others; but none that differs in case alone is taken for one without a look.
        let link = folder.path().join("link");
        std::fs::hard_link(folder.path().join("one"), &link).unwrap();
        let linked = identity("link");
        assert!(!places.contains(&linked, "link"));
        assert!(places.insert(&linked, "link") && places.insert(&linked, "one"));
        assert!(!places.insert(&linked, "LINK"));
        assert!(has_own_entry(&link) && !has_own_entry(&folder.path().join("LINK")));
    }
}
