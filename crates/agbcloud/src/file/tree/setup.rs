//! The settings of a synchronization, checked and opened, for all that work on it.

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use super::{Compare, ConflictPolicy, Direction, local::Rules, names, state::State};
use crate::{
    Error, ErrorKind, FileWalk, Files, FolderPath, Result,
    file::local::{Root, blocking, cannot},
};

/// Settings that can be used.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) files: Files,
    pub(super) direction: Direction,
    pub(super) local: PathBuf,
    /// The local folder, if its files are sent and links in it are not followed.
    pub(super) root: Option<Arc<Root>>,
    pub(super) remote: FolderPath,
    pub(super) compare: Compare,
    pub(super) delete: bool,
    pub(super) state: Option<Arc<State>>,
    pub(super) on_conflict: ConflictPolicy,
    pub(super) rules: Rules,
    pub(super) durable: bool,
    pub(super) max_concurrent_files: usize,
    pub(super) max_bytes_in_flight: u64,
    /// When it began, by the clock that dates files.
    pub(super) file_time: SystemTime,
}

impl Setup {
    pub(super) fn walk(&self) -> FileWalk {
        let listing = self.files.list().folder(self.remote.clone());
        listing
            .page_size(crate::MAX_PAGE_SIZE)
            .prefetch(true)
            .walk()
    }

    /// Something is done now: what is learnt is written.
    pub(super) async fn begin(&self) -> Result<()> {
        match &self.state {
            Some(state) => state.begin().await,
            None => Ok(()),
        }
    }

    /// All changes were made or have failed.
    pub(super) async fn complete(&self) -> Result<()> {
        match &self.state {
            Some(state) => state.complete(&self.remote).await,
            None => Ok(()),
        }
    }

    pub(super) async fn check_local_folder(&self) -> Result<()> {
        let failed = |error| cannot("read", &self.local, error);
        let metadata = tokio::fs::metadata(&self.local).await.map_err(failed)?;
        if metadata.is_dir() {
            return Ok(());
        }
        let message = format!("{} is not a folder", self.local.display());
        Err(Error::new(ErrorKind::LocalFile, message))
    }

    /// Whether there is something of this name on this machine that is no folder, taking part or not.
    pub(super) async fn is_local(&self, relative: &str) -> bool {
        match names::local(relative) {
            Ok(path) => tokio::fs::symlink_metadata(self.local.join(path))
                .await
                .is_ok_and(|metadata| !metadata.is_dir()),
            Err(_) => false,
        }
    }

    /// Whether the local folder takes names for the same that differ in case alone. One below it may do so where it does
    /// not, and there are other reasons to take names for the same: that is seen by the [files](super::places::Places).
    pub(super) async fn folds_case(&self) -> bool {
        let root = self.local.clone();
        let looked = blocking(move || Ok(names::folds_case(&root)));
        looked.await.unwrap_or(false)
    }
}
