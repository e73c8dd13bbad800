//! Creating and emptying the local folders of a download.

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    Error, ErrorKind, Result,
    file::{
        atomic_file::remove_abandoned_parts,
        local::{
            LocalIdentity, blocking, cannot, changed_since_compared, check_no_symlinks,
            not_a_folder,
        },
    },
};

/// The folders below a root folder. Each is created or checked once.
pub(super) struct LocalFolders {
    root: PathBuf,
    checked: Mutex<HashSet<PathBuf>>,
}

impl LocalFolders {
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            checked: Mutex::default(),
        }
    }

    /// Creates a folder with those above it. Fails if one of them is a symbolic link, which may point outside of the root.
    pub(super) async fn create(self: &Arc<Self>, relative: &Path) -> Result<()> {
        if self.is_checked(relative) {
            return Ok(());
        }
        let (folders, relative) = (self.clone(), relative.to_owned());
        blocking(move || folders.create_all(&relative)).await
    }

    fn create_all(&self, relative: &Path) -> Result<()> {
        let root = &self.root;
        if !self.is_checked(Path::new("")) {
            std::fs::create_dir_all(root).map_err(|error| cannot("create", root, error))?;
            remove_abandoned_parts(root);
            self.set_checked(Path::new(""));
        }
        let mut folder = PathBuf::new();
        for segment in relative.components() {
            folder.push(segment);
            if !self.is_checked(&folder) {
                let path = root.join(&folder);
                if !create_folder(&path)? {
                    remove_abandoned_parts(&path);
                }
                self.set_checked(&folder);
            }
        }
        Ok(())
    }

    fn set_checked(&self, relative: &Path) {
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        checked.insert(relative.to_owned());
    }

    fn is_checked(&self, relative: &Path) -> bool {
        let checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        checked.contains(relative)
    }

    /// Removes a folder that a file replaces, if it contains no files.
    pub(super) async fn remove_empty_folder(&self, relative: &Path) -> Result<()> {
        let path = self.root.join(relative);
        blocking(move || match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => remove_empty(&path),
            _ => Ok(()),
        })
        .await
    }

    /// Deletes a file, unless it has changed since the comparison or is reached through a symbolic link.
    pub(super) async fn delete(
        &self,
        relative: &Path,
        compared: Option<LocalIdentity>,
    ) -> Result<()> {
        let (root, relative) = (self.root.clone(), relative.to_owned());
        blocking(move || {
            let file = root.join(relative);
            check_no_symlinks(&file, &root)?;
            let current = file.symlink_metadata().ok();
            if current.is_some_and(|current| Some(LocalIdentity::of(&current)) != compared) {
                return Err(changed_since_compared(&file));
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

/// Removes a folder with the folders in it. Fails if there is a file.
fn remove_empty(folder: &Path) -> Result<()> {
    let failed = |error| cannot("remove", folder, error);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_type().map_err(failed)?.is_dir() {
            let message = format!("{} is a folder that is not empty", folder.display());
            return Err(Error::new(ErrorKind::LocalFile, message).with_local_path(folder));
        }
        remove_empty(&entry.path())?;
    }
    std::fs::remove_dir(folder).map_err(failed)
}

/// Creates a folder. Returns `false` if it exists.
fn create_folder(folder: &Path) -> Result<bool> {
    match std::fs::create_dir(folder) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let metadata = folder.symlink_metadata();
            let metadata = metadata.map_err(|error| cannot("read", folder, error))?;
            match metadata.is_dir() {
                true => Ok(false),
                false => Err(not_a_folder(folder)),
            }
        }
        Err(error) => Err(cannot("create", folder, error)),
    }
}
