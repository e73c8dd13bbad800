//! The local folders that files are fetched into.

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use super::local::Rules;
use crate::{
    Error, ErrorKind, Result,
    file::local::{
        LocalIdentity, Owner, blocking, cannot, changed_meanwhile, in_the_way, is_part, no_link_to,
        owner_of, touched,
    },
};

/// A temporary file without a lock that has not been touched for so long belongs to a process that is no more.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Folders below one, each made and looked at once.
pub(super) struct Folders {
    root: PathBuf,
    known: Mutex<HashSet<PathBuf>>,
}

impl Folders {
    pub(super) fn below(root: PathBuf) -> Self {
        Self {
            root,
            known: Mutex::default(),
        }
    }

    /// Makes a folder with those above it. A link in the way is refused: it leads who knows where.
    pub(super) async fn make(self: &Arc<Self>, relative: &Path) -> Result<()> {
        if self.knows(relative) {
            return Ok(());
        }
        let (folders, wanted) = (self.clone(), relative.to_owned());
        blocking(move || folders.make_all(&wanted)).await
    }

    fn make_all(&self, wanted: &Path) -> Result<()> {
        let root = &self.root;
        if !self.knows(Path::new("")) {
            std::fs::create_dir_all(root).map_err(|error| cannot("make", root, error))?;
            sweep(root);
            self.learn(Path::new(""));
        }
        let mut relative = PathBuf::new();
        for segment in wanted.components() {
            relative.push(segment);
            if !self.knows(&relative) {
                let folder = root.join(&relative);
                if !make_one(&folder)? {
                    sweep(&folder);
                }
                self.learn(&relative);
            }
        }
        Ok(())
    }

    fn learn(&self, relative: &Path) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(relative.to_owned());
    }

    fn knows(&self, relative: &Path) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(relative)
    }

    /// Removes a folder from the place of a file, if there is nothing in it but folders.
    pub(super) async fn make_room(&self, relative: &Path) -> Result<()> {
        let place = self.root.join(relative);
        blocking(move || match place.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => remove_empty(&place),
            _ => Ok(()),
        })
        .await
    }

    /// Deletes a file, if no link leads to it and it is still the one that was compared.
    pub(super) async fn delete(
        &self,
        relative: &Path,
        compared: Option<LocalIdentity>,
    ) -> Result<()> {
        let (root, relative) = (self.root.clone(), relative.to_owned());
        blocking(move || {
            let file = root.join(relative);
            no_link_to(&file, &root)?;
            let now = file.symlink_metadata().ok();
            if now.is_some_and(|now| Some(LocalIdentity::of(&now)) != compared) {
                return Err(changed_meanwhile(&file));
            }
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(cannot("delete", &file, error))
                }
                _ => Ok(()),
            }
        })
        .await
    }
}

/// Removes a folder with those in it. One that is not empty is an error.
fn remove_empty(folder: &Path) -> Result<()> {
    let failed = |error| cannot("remove", folder, error);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_type().map_err(failed)?.is_dir() {
            let message = format!("{} is a folder: it is in the way", folder.display());
            return Err(Error::new(ErrorKind::LocalFile, message));
        }
        remove_empty(&entry.path())?;
    }
    std::fs::remove_dir(folder).map_err(failed)
}

/// Whether all that is at a place may be deleted if it is extraneous. Blocks.
pub(super) fn can_go(root: &Path, place: &Path, rules: &Rules) -> bool {
    let Ok(metadata) = place.symlink_metadata() else {
        return false;
    };
    if metadata.is_dir() {
        let Ok(mut within) = std::fs::read_dir(place) else {
            return false;
        };
        return within.all(|entry| entry.is_ok_and(|entry| can_go(root, &entry.path(), rules)));
    }
    let relative = place.strip_prefix(root);
    let taken = |relative: &Path| rules.takes(relative) && !rules.ignores(relative);
    metadata.is_file() && !is_part(place) && relative.is_ok_and(taken)
}

/// Whether the folder is a new one.
fn make_one(folder: &Path) -> Result<bool> {
    match std::fs::create_dir(folder) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let metadata = folder.symlink_metadata();
            let metadata = metadata.map_err(|error| cannot("look at", folder, error))?;
            if metadata.is_dir() {
                Ok(false)
            } else {
                Err(in_the_way(folder))
            }
        }
        Err(error) => Err(cannot("make", folder, error)),
    }
}

/// Deletes what processes have left in a folder. Blocks.
#[allow(clippy::disallowed_methods)] // Held against the times of files, which are the machine's.
pub(super) fn sweep(folder: &Path) {
    sweep_at(folder, SystemTime::now());
}

/// Deletes what processes have left that ended in the middle of writing it. What can't be deleted does no harm.
fn sweep_at(folder: &Path, now: SystemTime) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let age = |touched: SystemTime| now.duration_since(touched).unwrap_or_default();
        let abandoned = || {
            let metadata = entry.metadata().ok();
            let touched = metadata.as_ref().and_then(touched);
            touched.is_some_and(|touched| age(touched) > ABANDONED)
        };
        if !is_part(&entry.path()) {
            continue;
        }
        let (owner, held) = owner_of(&entry.path());
        let is_abandoned = match owner {
            Owner::Alive => false,
            Owner::Gone => true,
            Owner::Unknown => abandoned(),
        };
        if is_abandoned {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let _ = match is_folder {
                true => std::fs::remove_dir_all(entry.path()),
                false => std::fs::remove_file(entry.path()),
            };
        }
        drop(held);
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // As above.
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_has_touched_for_long_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let [part, other] = [".agb-1.part", "other"].map(|name| folder.path().join(name));
        for path in [&part, &other] {
            let file = std::fs::File::create(path).unwrap();
            // As one that was fetched and waits for its name.
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }
        let now = SystemTime::now();
        sweep_at(folder.path(), now + ABANDONED / 2);
        assert!(part.exists());
        sweep_at(folder.path(), now + ABANDONED * 2);
        assert!(!part.exists() && other.exists());

        // One with a lock is known at once.
        let dead = folder.path().join(".agb-0123456789abcdef.part");
        std::fs::File::create(&dead).unwrap();
        sweep_at(folder.path(), now);
        assert_eq!(dead.exists(), !cfg!(unix));
    }
}
