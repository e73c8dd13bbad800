//! What takes no part in a transfer of folders, and why.

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
};

use super::{filter::Filter, index::Seen, local::Found, names};

/// Why an entry is not copied, replaced or deleted.
///
/// What [`include`](crate::SyncDir::include), [`exclude`](crate::SyncDir::exclude) or
/// [`gitignore`](crate::SyncDir::gitignore) leave out is not reported: it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SkipReason {
    /// A symbolic link: a context has none. See [`Symlinks`](crate::Symlinks).
    Symlink,
    /// A socket, a named pipe or a device.
    SpecialFile,
    /// A folder without entries: a context keeps files alone, and a download creates no folder without a file.
    EmptyFolder,
    /// A file that a download is writing, or that one has left when its process was killed.
    UnfinishedDownload,
    /// It was changed on the side that is written to: see [`ConflictPolicy::Skip`](crate::ConflictPolicy::Skip).
    Conflict,
    /// A listing does not show the file, and the store has it: it is not deleted.
    StaleListing,
    /// The service lists a name that no request can address.
    InvalidName,
}

impl SkipReason {
    /// A stable identifier, such as `symlink` or `empty_folder`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Symlink => "symlink",
            Self::SpecialFile => "special_file",
            Self::EmptyFolder => "empty_folder",
            Self::UnfinishedDownload => "unfinished_download",
            Self::Conflict => "conflict",
            Self::StaleListing => "stale_listing",
            Self::InvalidName => "invalid_name",
        }
    }
}

/// A description for people: `symbolic link`.
impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Symlink => "symbolic link",
            Self::SpecialFile => "special file",
            Self::EmptyFolder => "empty folder",
            Self::UnfinishedDownload => "unfinished download",
            Self::Conflict => "conflict",
            Self::StaleListing => "missing in the listing",
            Self::InvalidName => "invalid name",
        })
    }
}

/// An entry that a transfer of folders skips.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedEntry {
    /// Its path below the folders, with `/` between the segments.
    pub path: String,
    /// Why it is skipped.
    pub reason: SkipReason,
}

impl SkippedEntry {
    pub(super) fn new(path: impl Into<String>, reason: SkipReason) -> Self {
        Self {
            path: path.into(),
            reason,
        }
    }

    /// A local entry. A name that is not UTF-8 is shown as well as it can be.
    pub(super) fn local(relative: &Path, reason: SkipReason) -> Self {
        let path = names::relative(relative);
        Self::new(
            path.unwrap_or_else(|_| relative.to_string_lossy().into_owned()),
            reason,
        )
    }
}

/// Finds the empty folders in a walk that yields a folder before its entries.
#[derive(Default)]
pub(super) struct EmptyLocalFolders {
    /// The folder that was yielded last, with its depth.
    open: Option<(usize, PathBuf)>,
}

impl EmptyLocalFolders {
    /// Takes the next entry of the walk, and returns the empty folder that ends with it. Blocks.
    pub(super) fn next(&mut self, entry: &ignore::DirEntry, root: &Path) -> Option<Found> {
        let depth = entry.depth();
        let open = self.open.take().filter(|(above, _)| *above >= depth);
        // An empty root has nothing that could be lost.
        let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir()) && depth > 0;
        self.open = is_folder.then(|| (depth, entry.path().to_owned()));
        empty(open?.1, root)
    }

    /// The walk has failed to read something, probably the open folder.
    pub(super) fn unreadable(&mut self) {
        self.open = None;
    }

    /// The walk has ended. Blocks.
    pub(super) fn end(self, root: &Path) -> Option<Found> {
        empty(self.open?.1, root)
    }
}

/// A folder of which the walk has yielded nothing is empty unless everything in it is excluded.
fn empty(folder: PathBuf, root: &Path) -> Option<Found> {
    let mut entries = std::fs::read_dir(&folder).ok()?;
    let relative = folder.strip_prefix(root).ok()?;
    let found = || Found::Skipped(SkippedEntry::local(relative, SkipReason::EmptyFolder));
    entries.next().is_none().then(found)
}

/// Finds the empty folders in a listing, in whatever order it has. Keeps the path of each folder that may be empty, and
/// 8 bytes of each that is not.
pub(super) struct EmptyRemoteFolders {
    empty: BTreeSet<String>,
    filled: Seen,
}

impl EmptyRemoteFolders {
    pub(super) fn new() -> Self {
        Self {
            empty: BTreeSet::new(),
            filled: Seen::new(false),
        }
    }

    /// Takes an entry by its path below the folder that is listed.
    pub(super) fn insert(&mut self, relative: &str, is_folder: bool) {
        let relative = relative.trim_end_matches('/');
        let mut below = relative;
        while let Some((folder, _)) = below.rsplit_once('/') {
            // Then those above it are known too.
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

    /// The empty folders that the filter takes, in the order of their paths.
    pub(super) fn end(self, filter: &Filter) -> Vec<SkippedEntry> {
        let empty = self.empty.into_iter();
        let taken = empty.filter(|folder| filter.takes_folder(Path::new(folder)));
        taken
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
            let found = folders.end(&Filter::new(&[], &exclude, Path::new("")).unwrap());
            let expected = ["a/bare", "bare"];
            assert_eq!(
                found,
                expected.map(|path| SkippedEntry::new(path, SkipReason::EmptyFolder))
            );
        }
    }
}
