//! The local folders that files are fetched into.

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use crate::{
    Error, ErrorKind, Result,
    file::local::{blocking, cannot, is_part},
};

/// A file that was being fetched and has not been written to for so long belongs to a process that is no more.
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
    pub(super) async fn make(&self, relative: &Path) -> Result<()> {
        if self.knows(relative) {
            return Ok(());
        }
        let (root, wanted) = (self.root.clone(), relative.to_owned());
        blocking(move || {
            std::fs::create_dir_all(&root).map_err(|error| cannot("make", &root, error))?;
            let mut folder = root;
            sweep(&folder);
            for segment in wanted.components() {
                folder.push(segment);
                if !make_one(&folder)? {
                    sweep(&folder);
                }
            }
            Ok(())
        })
        .await?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(relative.to_owned());
        Ok(())
    }

    fn knows(&self, relative: &Path) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(relative)
    }

    /// Deletes a file, if no link leads to it.
    pub(super) async fn delete(&self, relative: &Path) -> Result<()> {
        let (root, relative) = (self.root.clone(), relative.to_owned());
        blocking(move || {
            let mut folder = root;
            for segment in relative.parent().unwrap_or(Path::new("")).components() {
                folder.push(segment);
                if is_link(&folder) {
                    return Err(in_the_way(&folder));
                }
            }
            let file = folder.join(relative.file_name().unwrap_or_default());
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

fn is_link(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|metadata| metadata.is_symlink())
}

fn in_the_way(path: &Path) -> Error {
    let message = format!("{} is in the way: it is no folder", path.display());
    Error::new(ErrorKind::LocalFile, message)
}

/// Deletes what processes have left that ended in the middle of a download. What can't be deleted does no harm.
#[allow(clippy::disallowed_methods)] // Held against the times of files, which are the machine's.
fn sweep(folder: &Path) {
    let now = SystemTime::now();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let age = |modified: SystemTime| now.duration_since(modified).unwrap_or_default();
        let abandoned = || {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            modified.is_ok_and(|modified| age(modified) > ABANDONED)
        };
        if is_part(&entry.path()) && abandoned() {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
