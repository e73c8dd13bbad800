//! The files of a local folder, as they are found.

use std::{
    fs::Metadata,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use ignore::{DirEntry, WalkBuilder};
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::{
    Symlinks,
    filter::Filter,
    gitignore::{self, Ignores},
    places::Identity,
    skipped::{EmptyLocalFolders, SkipReason, SkippedEntry},
};
use crate::{
    Error, ErrorKind, Result,
    file::local::{LocalFile, LocalIdentity, Root, blocking, is_part, metadata},
};

/// Entries that are handed over at a time.
const BATCH: usize = 256;

/// What was found.
#[derive(Debug)]
pub(super) enum Found {
    File {
        relative: PathBuf,
        here: LocalIdentity,
        identity: Option<Identity>,
        /// Whether somebody may execute it, which a context does not keep.
        executable: bool,
    },
    /// Something that is neither sent nor an error.
    Skipped(SkippedEntry),
    /// Something that should be sent and can't be looked at.
    Failed { relative: PathBuf, error: Error },
}

/// What decides over what is found.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) filter: Filter,
    pub(super) symlinks: Symlinks,
    /// What git ignores, if that takes no part.
    pub(super) ignores: Option<Arc<Ignores>>,
    /// What is remembered, if it lies in the folder: no part of it.
    pub(super) state: Option<PathBuf>,
}

impl Rules {
    /// Whether a file takes part.
    pub(super) fn takes(&self, relative: &Path) -> bool {
        self.filter.takes(relative) && self.state.as_deref() != Some(relative)
    }

    /// Whether git would ignore a file of this path, if that counts. Blocks.
    pub(super) fn ignores(&self, relative: &Path) -> bool {
        let ignores = self.ignores.as_ref();
        ignores.is_some_and(|ignores| ignores.ignores(relative, false))
    }
}

/// The folder whose files are sent; `None` if it can't be opened, which is reported when it is listed.
pub(super) async fn root(local: &Path) -> Result<Option<Arc<Root>>> {
    let local = local.to_owned();
    blocking(move || Ok(Root::open(local).ok().map(Arc::new))).await
}

/// What git ignores below a folder.
pub(super) async fn ignores(local: &Path) -> Result<Arc<Ignores>> {
    let local = local.to_owned();
    blocking(move || Ok(Arc::new(Ignores::below(&local)))).await
}

/// Walks a folder on a thread of its own, which stops when nobody takes what it finds.
pub(super) fn walk(root: &Path, rules: &Rules) -> Receiver<Vec<Found>> {
    let (sender, receiver) = mpsc::channel(4);
    let (root, rules) = (root.to_owned(), rules.clone());
    tokio::task::spawn_blocking(move || find(&root, &rules, &sender));
    receiver
}

fn find(root: &Path, rules: &Rules, sender: &Sender<Vec<Found>>) {
    let mut batch = Vec::with_capacity(BATCH);
    let passed_over = PassedOver::default();
    // The walk reads the rules of the folder itself without asking.
    if let Some(ignores) = &rules.ignores
        && !(passed_over.has_rules(root, root) && passed_over.all_known(ignores))
    {
        let _ = sender.blocking_send(passed_over.take());
        return;
    }
    let takes_empty = |found: &Found| match found {
        Found::Skipped(folder) => rules.filter.takes_folder(Path::new(&folder.path)),
        _ => true,
    };
    let mut folders = EmptyLocalFolders::default();
    for entry in walker(root, rules, &passed_over).build() {
        batch.append(&mut passed_over.take());
        let found = match entry {
            Ok(entry) => {
                batch.extend(folders.next(&entry, root).filter(takes_empty));
                look_at(root, &entry, rules)
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
    batch.append(&mut passed_over.take());
    batch.extend(folders.end(root).filter(takes_empty));
    let _ = sender.blocking_send(batch);
}

/// Folders that are not gone through, since what is left out of them can't be known.
#[derive(Clone, Default)]
struct PassedOver(Arc<Mutex<Vec<Found>>>);

impl PassedOver {
    /// Whether the rules of a folder are known; remembers it otherwise.
    fn has_rules(&self, root: &Path, folder: &Path) -> bool {
        self.note(root, gitignore::unknown(folder))
    }

    /// Whether the rules from outside of the folder are known; remembers it otherwise.
    fn all_known(&self, ignores: &Ignores) -> bool {
        self.note(Path::new(""), ignores.unknown_above())
    }

    fn note(&self, root: &Path, unknown: Option<(PathBuf, Error)>) -> bool {
        let Some((file, error)) = unknown else {
            return true;
        };
        let relative = file.strip_prefix(root).unwrap_or(&file).to_owned();
        self.found().push(Found::Failed { relative, error });
        false
    }

    fn take(&self) -> Vec<Found> {
        std::mem::take(&mut self.found())
    }

    fn found(&self) -> std::sync::MutexGuard<'_, Vec<Found>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn walker(root: &Path, rules: &Rules, passed_over: &PassedOver) -> WalkBuilder {
    let mut walker = WalkBuilder::new(root);
    walker
        .standard_filters(false)
        .follow_links(rules.symlinks == Symlinks::Follow);
    let (rules, top) = (Arc::new(rules.clone()), root.to_owned());
    let passed_over = passed_over.clone();
    walker.filter_entry(move |entry| {
        let folder = entry.file_type().is_some_and(|kind| kind.is_dir());
        if folder && entry.depth() > 0 && is_part(entry.path()) {
            return false;
        }
        let relative = match entry.path().strip_prefix(&top) {
            Ok(relative) if !relative.as_os_str().is_empty() => relative,
            _ => return true,
        };
        if folder && rules.filter.leaves_out(relative) {
            return false;
        }
        match &rules.ignores {
            Some(ignores) => {
                !ignores.ignores_entry(relative, folder)
                    && (!folder || passed_over.has_rules(&top, entry.path()))
            }
            None => true,
        }
    });
    walker
}

fn look_at(root: &Path, entry: &DirEntry, rules: &Rules) -> Option<Found> {
    let relative = entry.path().strip_prefix(root).ok()?;
    let kind = entry.file_type()?;
    if relative.as_os_str().is_empty() || kind.is_dir() || !rules.takes(relative) {
        return None;
    }
    let relative = relative.to_owned();
    if kind.is_symlink() && rules.symlinks == Symlinks::Refuse {
        let error = Error::new(ErrorKind::LocalFile, "it is a symbolic link");
        return Some(Found::Failed { relative, error });
    }
    let skipped = if kind.is_symlink() {
        Some(SkipReason::Symlink)
    } else if !kind.is_file() {
        Some(SkipReason::SpecialFile)
    } else {
        is_part(&relative).then_some(SkipReason::UnfinishedDownload)
    };
    if let Some(reason) = skipped {
        return Some(Found::Skipped(SkippedEntry::local(&relative, reason)));
    }
    Some(match entry.metadata() {
        Ok(metadata) => Found::File {
            relative,
            here: LocalIdentity::of(&metadata),
            identity: Identity::of(&metadata),
            executable: is_executable(&metadata),
        },
        Err(error) => unreadable(root, error),
    })
}

/// A file as it is now; `None` if it can't be read.
pub(super) async fn identity(file: &LocalFile) -> Option<LocalIdentity> {
    let file = file.clone();
    let looked = blocking(move || Ok(metadata(&file).ok())).await;
    looked.ok()?.as_ref().map(LocalIdentity::of)
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

fn unreadable(root: &Path, error: ignore::Error) -> Found {
    let relative = path_of(&error).and_then(|path| path.strip_prefix(root).ok());
    Found::Failed {
        relative: relative.unwrap_or(Path::new("")).to_owned(),
        error: Error::new(ErrorKind::LocalFile, error.to_string()).with_source(error),
    }
}
