//! Files that are fetched before what is in their places is deleted: a folder that became a file, or the reverse.

use std::{
    collections::HashMap,
    fs::File,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tempfile::{TempDir, TempPath};
use tokio::sync::OnceCell;

use super::{PlannedChange, Setup, names};
use crate::{
    Downloaded, Error, ErrorKind, Result,
    file::local::{Before, blocking, cannot, locked_folder, no_link_to},
};

/// Whole files in a folder below the local one, until their places are free.
#[derive(Default)]
pub(super) struct Staged {
    folder: OnceCell<Folder>,
    files: Mutex<HashMap<String, StagedFile>>,
}

/// It is gone when it is dropped. The handle keeps other processes from taking it for abandoned.
struct Folder {
    folder: TempDir,
    _lock: File,
}

struct StagedFile {
    path: PathBuf,
    done: Downloaded,
}

impl Staged {
    /// Fetches a file.
    pub(super) async fn fetch(&self, setup: &Setup, planned: &PlannedChange) -> Result<()> {
        let root = setup.local.clone();
        let make = || {
            blocking(move || {
                let made =
                    locked_folder(&root).map_err(|error| cannot("write in", &root, error))?;
                Ok(Folder {
                    folder: made.0,
                    _lock: made.1,
                })
            })
        };
        let folder = self.folder.get_or_try_init(make).await?.folder.path();
        let there = names::remote(&setup.remote, &planned.path)?;
        // Where it goes to is checked before it is fetched for nothing.
        names::local(&planned.path)?;
        let path = folder.join(format!("{:016x}", fastrand::u64(..)));
        let fetch = setup.files.download(there, path.as_path());
        let fetch = fetch.planned(folder.to_owned(), Before::Nothing, planned.modified);
        let done = fetch.durable(setup.durable).await?;
        let file = StagedFile { path, done };
        self.files().insert(planned.path.clone(), file);
        Ok(())
    }

    /// Whether a file was fetched and is not in its place yet.
    pub(super) fn has(&self, path: &str) -> bool {
        self.files().contains_key(path)
    }

    /// Puts a file in its place, where nothing must be.
    pub(super) async fn place(&self, setup: &Setup, path: &str) -> Result<Downloaded> {
        let Some(StagedFile { path: staged, done }) = self.files().remove(path) else {
            let message = "it was not fetched";
            return Err(Error::new(ErrorKind::LocalFile, message));
        };
        let (root, target) = (setup.local.clone(), setup.local.join(names::local(path)?));
        blocking(move || {
            no_link_to(&target, &root)?;
            put(staged, &target).map_err(|error| cannot("write", &target, error))
        })
        .await?;
        Ok(done)
    }

    fn files(&self) -> MutexGuard<'_, HashMap<String, StagedFile>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn put(staged: PathBuf, target: &Path) -> std::io::Result<()> {
    let staged = TempPath::try_from_path(staged)?;
    staged
        .persist_noclobber(target)
        .map_err(|error| error.error)
}
