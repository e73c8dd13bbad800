//! Folders without files, which a context cannot store.

use std::{collections::BTreeSet, sync::Mutex};

use super::{
    lock,
    subtree::{below, moved},
};

/// Maximum number of folders.
const MAX_FOLDERS: usize = 100_000;

/// The folders that clients have created, and those whose last file they have deleted.
#[derive(Debug, Default)]
pub(crate) struct Folders(Mutex<BTreeSet<String>>);

impl Folders {
    /// Whether this folder is known, or one below it.
    pub(crate) fn contains(&self, path: &str) -> bool {
        let folders = lock(&self.0);
        folders.contains(path) || folders.range(below(path)).next().is_some()
    }

    /// Adds a folder. Returns `false` if there are too many.
    pub(crate) fn insert(&self, path: &str) -> bool {
        let mut folders = lock(&self.0);
        if path == "/" || folders.contains(path) {
            return true;
        }
        folders.len() < MAX_FOLDERS && folders.insert(path.to_owned())
    }

    /// The names of the known folders in a folder.
    pub(crate) fn names_in(&self, folder: &str) -> BTreeSet<String> {
        let range = below(folder);
        let folders = lock(&self.0);
        let names = folders.range(range.clone()).filter_map(|path| {
            let name = path[range.start.len()..].split('/').next()?;
            Some(name.to_owned())
        });
        names.collect()
    }

    pub(super) fn remove(&self, path: &str) {
        let mut folders = lock(&self.0);
        folders.remove(path);
        let range = below(path);
        folders.retain(|folder| !range.contains(folder));
    }

    pub(super) fn copy(&self, from: &str, to: &str) {
        let mut folders = lock(&self.0);
        let mut copies: Vec<String> = folders.range(below(from)).cloned().collect();
        copies.extend(folders.get(from).cloned());
        for path in copies {
            if folders.len() < MAX_FOLDERS {
                folders.insert(moved(&path, from, to));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_exists_while_it_or_one_below_is_known() {
        let folders = Folders::default();
        assert!(folders.insert("/a/b/c"));
        assert!(folders.contains("/a/b") && folders.contains("/a/b/c"));
        assert!(!folders.contains("/a/b/c/d") && !folders.contains("/a/bb"));
        assert_eq!(folders.names_in("/a"), BTreeSet::from(["b".to_owned()]));
        assert_eq!(folders.names_in("/"), BTreeSet::from(["a".to_owned()]));
        folders.copy("/a/b", "/x");
        folders.remove("/a");
        assert!(folders.contains("/x/c") && !folders.contains("/a"));
    }

    #[test]
    fn the_number_of_folders_is_limited() {
        let folders = Folders::default();
        for number in 0..MAX_FOLDERS {
            assert!(folders.insert(&format!("/{number}")));
        }
        assert!(!folders.insert("/more"));
        assert!(folders.insert("/0"));
    }
}
