//! [`NewFolders`]: the local folders above a downloaded file.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The missing parent folders of a file, created for it and removed without it.
pub(super) struct NewFolders(Vec<PathBuf>);

impl NewFolders {
    pub(super) fn create_for(file: &Path) -> Result<Self, Failure> {
        let existing = file.ancestors().skip(1).find(|folder| folder.exists());
        if let Some(other) = existing.filter(|existing| !existing.is_dir()) {
            let (file, other) = (file.display(), other.display());
            let message = format!("can't write to {file}: {other} is not a folder");
            return Err(Failure::new(message));
        }
        let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let missing = file.ancestors().skip(1).take_while(is_missing);
        let missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
        let mut created = Self(Vec::new());
        for folder in missing.into_iter().rev() {
            std::fs::create_dir(&folder).map_err(|error| {
                Failure::with_cause(format!("can't write to {}", file.display()), error)
            })?;
            created.0.push(folder);
        }
        Ok(created)
    }

    pub(super) fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for NewFolders {
    fn drop(&mut self) {
        for folder in self.0.iter().rev() {
            // Fails for a folder that another process uses, which stays.
            let _ = std::fs::remove_dir(folder);
        }
    }
}
