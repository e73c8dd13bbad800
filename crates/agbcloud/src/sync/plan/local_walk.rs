//! The walk through a local folder.

use std::{
    fs::Metadata,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use ignore::{DirEntry, WalkBuilder};
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::{case_folding::FileNumber, empty_folders::EmptyLocalFolders};
use crate::{
    Error, ErrorKind,
    file::{atomic_file::is_part, local::LocalIdentity},
    sync::{
        filter::{EntryFilter, IgnoreRules, Symlinks, unreadable_rules},
        report::{SkipReason, SkippedEntry},
    },
};

/// Number of entries that are sent at a time.
const BATCH: usize = 256;

/// A local entry.
#[derive(Debug)]
pub(super) enum LocalEntry {
    File {
        relative: PathBuf,
        identity: LocalIdentity,
        number: Option<FileNumber>,
        /// Whether the file is executable, which a context does not record.
        executable: bool,
    },
    Skipped(SkippedEntry),
    /// An entry that can't be read.
    Failed {
        relative: PathBuf,
        error: Error,
    },
}

/// Walks a folder on another thread, which stops when the receiver is dropped.
pub(super) fn walk(root: &Path, filter: &EntryFilter) -> Receiver<Vec<LocalEntry>> {
    let (sender, receiver) = mpsc::channel(4);
    let (root, filter) = (root.to_owned(), filter.clone());
    tokio::task::spawn_blocking(move || find(&root, &filter, &sender));
    receiver
}

fn find(root: &Path, filter: &EntryFilter, sender: &Sender<Vec<LocalEntry>>) {
    let mut batch = Vec::with_capacity(BATCH);
    let unreadable_rules = UnreadableRules::default();
    // The callback of the walk is not called for the folder itself.
    if let Some(rules) = &filter.ignore_rules
        && !(unreadable_rules.can_enter(root, root) && unreadable_rules.can_read_above(rules))
    {
        let _ = sender.blocking_send(unreadable_rules.take());
        return;
    }
    let empty = |folder: SkippedEntry| {
        let included = filter.globs.includes_folder(Path::new(&folder.path));
        included.then_some(LocalEntry::Skipped(folder))
    };
    let mut folders = EmptyLocalFolders::default();
    for entry in walker(root, filter, &unreadable_rules).build() {
        batch.append(&mut unreadable_rules.take());
        let found = match entry {
            Ok(entry) => {
                batch.extend(folders.next(&entry, root).and_then(empty));
                local_entry(root, &entry, filter)
            }
            Err(error) => {
                folders.unreadable();
                Some(unreadable(root, error))
            }
        };
        batch.extend(found);
        if batch.len() >= BATCH && sender.blocking_send(std::mem::take(&mut batch)).is_err() {
            return;
        }
    }
    batch.append(&mut unreadable_rules.take());
    batch.extend(folders.end(root).and_then(empty));
    let _ = sender.blocking_send(batch);
}

/// The failures of folders that are not walked, since their ignore rules can't be read.
#[derive(Clone, Default)]
struct UnreadableRules(Arc<Mutex<Vec<LocalEntry>>>);

impl UnreadableRules {
    /// Whether the rules of a folder can be read. Adds a failure otherwise.
    fn can_enter(&self, root: &Path, folder: &Path) -> bool {
        self.check(root, unreadable_rules(folder))
    }

    /// Whether the rules outside of the folder can be read. Adds a failure otherwise.
    fn can_read_above(&self, rules: &IgnoreRules) -> bool {
        self.check(Path::new(""), rules.unreadable_above())
    }

    fn check(&self, root: &Path, unreadable: Option<(PathBuf, Error)>) -> bool {
        let Some((file, error)) = unreadable else {
            return true;
        };
        let relative = file.strip_prefix(root).unwrap_or(&file).to_owned();
        self.failures().push(LocalEntry::Failed { relative, error });
        false
    }

    fn take(&self) -> Vec<LocalEntry> {
        std::mem::take(&mut self.failures())
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, Vec<LocalEntry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn walker(root: &Path, filter: &EntryFilter, unreadable_rules: &UnreadableRules) -> WalkBuilder {
    let mut walker = WalkBuilder::new(root);
    walker
        .standard_filters(false)
        .follow_links(filter.symlinks == Symlinks::Follow);
    let (filter, root) = (Arc::new(filter.clone()), root.to_owned());
    let unreadable_rules = unreadable_rules.clone();
    walker.filter_entry(move |entry| {
        let folder = entry.file_type().is_some_and(|kind| kind.is_dir());
        if folder && entry.depth() > 0 && is_part(entry.path()) {
            return false;
        }
        let relative = match entry.path().strip_prefix(&root) {
            Ok(relative) if !relative.as_os_str().is_empty() => relative,
            _ => return true,
        };
        if folder && filter.globs.excludes_folder(relative) {
            return false;
        }
        match &filter.ignore_rules {
            Some(rules) => {
                !rules.ignores_entry(relative, folder)
                    && (!folder || unreadable_rules.can_enter(&root, entry.path()))
            }
            None => true,
        }
    });
    walker
}

fn local_entry(root: &Path, entry: &DirEntry, filter: &EntryFilter) -> Option<LocalEntry> {
    let relative = entry.path().strip_prefix(root).ok()?;
    let kind = entry.file_type()?;
    if relative.as_os_str().is_empty() || kind.is_dir() || !filter.includes(relative) {
        return None;
    }
    let relative = relative.to_owned();
    if kind.is_symlink() && filter.symlinks == Symlinks::Refuse {
        let error = Error::new(ErrorKind::LocalFile, "it is a symbolic link");
        return Some(LocalEntry::Failed { relative, error });
    }
    let skipped = if kind.is_symlink() {
        Some(SkipReason::Symlink)
    } else if !kind.is_file() {
        Some(SkipReason::SpecialFile)
    } else {
        is_part(&relative).then_some(SkipReason::UnfinishedDownload)
    };
    if let Some(reason) = skipped {
        return Some(LocalEntry::Skipped(SkippedEntry::local(&relative, reason)));
    }
    Some(match entry.metadata() {
        Ok(metadata) => LocalEntry::File {
            relative,
            identity: LocalIdentity::of(&metadata),
            number: FileNumber::of(&metadata),
            executable: is_executable(&metadata),
        },
        Err(error) => unreadable(root, error),
    })
}

#[cfg(unix)]
fn is_executable(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;

    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &Metadata) -> bool {
    false
}

fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::Loop { child, .. } => Some(child),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            path_of(err)
        }
        _ => None,
    }
}

fn unreadable(root: &Path, error: ignore::Error) -> LocalEntry {
    let relative = path_of(&error).and_then(|path| path.strip_prefix(root).ok());
    LocalEntry::Failed {
        relative: relative.unwrap_or(Path::new("")).to_owned(),
        error: Error::new(ErrorKind::LocalFile, error.to_string()).with_source(error),
    }
}
