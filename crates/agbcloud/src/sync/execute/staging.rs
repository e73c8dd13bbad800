//! Downloading files before the entries that block their paths are deleted: a folder that became a file, or the reverse.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tempfile::TempPath;
use tokio::sync::OnceCell;

use crate::{
    Downloaded, Result,
    file::{
        DownloadRequest,
        atomic_file::{AtomicFile, ExpectedTarget, LockedFolder},
        local::{blocking, cannot, check_no_symlinks},
    },
    sync::{options::SyncOptions, paths, plan::PlannedChange},
};

/// Downloaded files in a temporary folder.
#[derive(Default)]
pub(super) struct StagingArea {
    folder: OnceCell<LockedFolder>,
    files: Mutex<HashMap<String, StagedFile>>,
}

pub(super) struct StagedFile {
    path: PathBuf,
    downloaded: Downloaded,
}

impl StagingArea {
    /// Downloads a file.
    pub(super) async fn fetch(&self, options: &SyncOptions, planned: &PlannedChange) -> Result<()> {
        let root = options.local.clone();
        let create = move || {
            let created = LockedFolder::create_in(&root);
            created.map_err(|error| cannot("write in", &root, error))
        };
        let folder = self
            .folder
            .get_or_try_init(|| blocking(create))
            .await?
            .path();
        let remote = paths::to_remote(&options.remote, &planned.path)?;
        // Rejects an invalid local path before the download.
        paths::to_local(&planned.path)?;
        let path = folder.join(format!("{:016x}", fastrand::u64(..)));
        let file = AtomicFile::within(folder.to_owned(), path.clone(), ExpectedTarget::Absent);
        let file = file.durable(options.durable);
        let request = DownloadRequest::new(options.files.clone(), Ok(remote));
        let fetched = request.fetch_traced(file, planned.modified).await?;
        fetched.file.publish(options.durable).await?;
        let downloaded = fetched.downloaded;
        let staged = StagedFile { path, downloaded };
        self.files().insert(planned.path.clone(), staged);
        Ok(())
    }

    /// Removes and returns a downloaded file.
    pub(super) fn take(&self, path: &str) -> Option<StagedFile> {
        self.files().remove(path)
    }

    fn files(&self) -> MutexGuard<'_, HashMap<String, StagedFile>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StagedFile {
    /// Moves the file to its path, which must not exist.
    pub(super) async fn publish(self, options: &SyncOptions, path: &str) -> Result<Downloaded> {
        let root = options.local.clone();
        let target = root.join(paths::to_local(path)?);
        blocking(move || {
            check_no_symlinks(&target, &root)?;
            let moved = rename_new(self.path, &target);
            moved.map_err(|error| cannot("write", &target, error))
        })
        .await?;
        Ok(self.downloaded)
    }
}

fn rename_new(staged: PathBuf, target: &Path) -> std::io::Result<()> {
    let staged = TempPath::try_from_path(staged)?;
    staged
        .persist_noclobber(target)
        .map_err(|error| error.error)
}
