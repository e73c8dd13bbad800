//! Finding empty folders, which are reported as skipped.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::remote_files::SeenPaths;
use crate::sync::{
    filter::GlobFilter,
    report::{SkipReason, SkippedEntry},
};

/// Finds the empty folders in a local walk that yields a folder before its entries.
#[derive(Default)]
pub(super) struct EmptyLocalFolders {
    /// The last folder, with its depth.
    open: Option<(usize, PathBuf)>,
}

impl EmptyLocalFolders {
    /// Processes the next entry of the walk. Returns the last folder if it is empty. Blocks.
    pub(super) fn next(&mut self, entry: &ignore::DirEntry, root: &Path) -> Option<SkippedEntry> {
        let depth = entry.depth();
        let open = self.open.take().filter(|(above, _)| *above >= depth);
        // An empty root folder is not reported.
        let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir()) && depth > 0;
        self.open = is_folder.then(|| (depth, entry.path().to_owned()));
        empty(open?.1, root)
    }

    /// Records that the walk has failed to read an entry, probably the last folder.
    pub(super) fn unreadable(&mut self) {
        self.open = None;
    }

    /// Ends the walk. Returns the last folder if it is empty. Blocks.
    pub(super) fn end(self, root: &Path) -> Option<SkippedEntry> {
        empty(self.open?.1, root)
    }
}

/// Returns a folder without entries in the walk, unless it has entries that are excluded.
fn empty(folder: PathBuf, root: &Path) -> Option<SkippedEntry> {
    let mut entries = std::fs::read_dir(&folder).ok()?;
    let relative = folder.strip_prefix(root).ok()?;
    let skipped = || SkippedEntry::local(relative, SkipReason::EmptyFolder);
    entries.next().is_none().then(skipped)
}

/// Finds the empty folders in a remote listing in any order. Takes the path of each folder that may be empty, and 8 bytes for
/// each other folder.
pub(super) struct EmptyRemoteFolders {
    empty: BTreeSet<String>,
    filled: SeenPaths,
}

impl EmptyRemoteFolders {
    pub(super) fn new() -> Self {
        Self {
            empty: BTreeSet::new(),
            filled: SeenPaths::new(false),
        }
    }

    /// Processes an entry by its path relative to the listed folder.
    pub(super) fn insert(&mut self, relative: &str, is_folder: bool) {
        let relative = relative.trim_end_matches('/');
        let mut below = relative;
        while let Some((folder, _)) = below.rsplit_once('/') {
            // The folders above it are in the set too.
            if !self.filled.insert(folder) {
                break;
            }
            self.empty.remove(folder);
            below = folder;
        }
        if is_folder && !self.filled.contains(relative) {
            self.empty.insert(relative.to_owned());
        }
    }

    /// Returns the empty folders that the filter includes, in the order of their paths.
    pub(super) fn end(self, filter: &GlobFilter) -> Vec<SkippedEntry> {
        let empty = self.empty.into_iter();
        let included = empty.filter(|folder| filter.includes_folder(Path::new(folder)));
        included
            .map(|folder| SkippedEntry::new(folder, SkipReason::EmptyFolder))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_remote_folder_is_found_in_any_order() {
        let entries = [
            ("a", true),
            ("a/b", true),
            ("a/b/file", false),
            ("a/bare", true),
            ("c/file", false),
            ("c", true),
            ("bare/", true),
            ("target", true),
        ];
        let exclude = ["target".to_owned()];
        for turn in 0..entries.len() {
            let mut folders = EmptyRemoteFolders::new();
            for (path, is_folder) in entries.iter().cycle().skip(turn).take(entries.len()) {
                folders.insert(path, *is_folder);
            }
            let found = folders.end(&GlobFilter::new(&[], &exclude, Path::new("")).unwrap());
            let expected = ["a/bare", "bare"];
            assert_eq!(
                found,
                expected.map(|path| SkippedEntry::new(path, SkipReason::EmptyFolder))
            );
        }
    }
}
