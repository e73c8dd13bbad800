//! Deleting a folder of a context.

use std::{future::IntoFuture, path::PathBuf};

use futures_core::future::BoxFuture;

use super::{
    options::Direction,
    report::{FileOutcome, SyncReport},
    sync_dir::SyncDir,
    sync_plan::SyncPlan,
};
use crate::{Files, FolderPath, Result, trace};

/// The deletion of a folder of a context. Await it, or inspect the [`plan`](Self::plan) first. From [`Files::delete_dir`].
///
/// The failure of one file does not stop the deletion, but a failure that affects all files does, for example an invalid API
/// key or a missing context. A file that another client has deleted is not a failure. The folder is listed completely before
/// the first deletion, which would move entries to other pages. This takes 24 bytes for each file, and the part of its path
/// that differs from the path before.
#[derive(Debug, Clone)]
#[must_use = "a deletion does nothing until it is awaited or planned"]
pub struct DeleteDir(SyncDir);

impl DeleteDir {
    pub(super) fn new(files: Files, folder: Result<FolderPath>) -> Self {
        let local = PathBuf::new();
        Self(SyncDir::new(files, Direction::DeleteOnly, local, folder))
    }

    /// Deletes only files that match a glob: see [`SyncDir::include`].
    pub fn include(self, glob: impl Into<String>) -> Self {
        Self(self.0.include(glob))
    }

    /// Keeps files that match a glob: see [`SyncDir::exclude`].
    pub fn exclude(self, glob: impl Into<String>) -> Self {
        Self(self.0.exclude(glob))
    }

    /// Maximum number of files that are deleted concurrently: see [`SyncDir::max_concurrent_files`].
    pub fn max_concurrent_files(self, files: usize) -> Self {
        Self(self.0.max_concurrent_files(files))
    }

    /// Calls this for each file that was deleted or that failed, one after the other. It should return quickly.
    pub fn on_file(self, listener: impl Fn(&FileOutcome<'_>) + Send + Sync + 'static) -> Self {
        Self(self.0.on_file(listener))
    }

    /// Lists the folder without deleting files.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for an invalid glob or folder, and those of a listing. A
    /// missing folder is not an error.
    pub async fn plan(self) -> Result<SyncPlan> {
        self.0.plan().await
    }

    /// Deletes the folder, as awaiting it does.
    ///
    /// # Errors
    ///
    /// Those of [`plan`](Self::plan), and a failure that affects all files. The failure of a single file is in the report.
    pub async fn send(self) -> Result<SyncReport> {
        self.await
    }
}

impl IntoFuture for DeleteDir {
    type Output = Result<SyncReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let (direction, target) = (self.0.direction(), self.0.target());
        let delete = async { self.0.create_plan().await?.run_in_task().await };
        trace::folder(direction.name(), direction.operation(), target, delete)
    }
}
