//! Syncing folders.

mod change;
mod conflict_name;
mod delete_dir;
mod execute;
mod filter;
mod options;
mod paths;
mod plan;
mod progress;
mod report;
mod state;
mod sync_dir;
mod sync_plan;
mod two_way;

use std::path::PathBuf;

pub use change::Change;
pub use delete_dir::DeleteDir;
pub use filter::{GlobError, GlobFilter, Symlinks};
pub use options::{
    Compare, ConflictPolicy, DEFAULT_MAX_BYTES_IN_FLIGHT, DEFAULT_MAX_CONCURRENT_FILES,
    TwoWayConflict,
};
pub use plan::PlannedChange;
pub use progress::SyncProgress;
pub use report::{FileFailure, FileOutcome, KeptCopy, SkipReason, SkippedEntry, SyncReport};
pub use sync_dir::SyncDir;
pub use sync_plan::{DeleteLimit, SyncPlan};
pub use two_way::TwoWaySync;

use options::Direction;

use crate::{Error, Files, FolderPath, model::checked};

impl Files {
    /// Mirrors a local folder to a folder of the context. Uploads the files that differ. Await the result, or inspect the
    /// [plan](SyncDir::plan) first.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// let report = files.upload_dir("project", "/data").exclude("*.tmp").await?;
    /// assert_eq!((report.transferred, report.unchanged), (1, 0));
    /// let again = files.upload_dir("project", "/data").await?;
    /// assert_eq!((again.transferred, again.unchanged), (0, 1));
    /// # Ok(()) });
    /// ```
    #[doc(alias = "sync")]
    pub fn upload_dir(
        &self,
        local: impl Into<PathBuf>,
        remote: impl TryInto<FolderPath, Error: Into<Error>>,
    ) -> SyncDir {
        SyncDir::new(self.clone(), Direction::Up, local.into(), checked(remote))
    }

    /// Mirrors a folder of the context to a local folder, which is created if it does not exist. Downloads the files that
    /// differ. Await the result, or inspect the [plan](SyncDir::plan) first.
    ///
    /// Writes nothing outside of the local folder: a remote path that points outside, or that passes through a symbolic
    /// link, is a failure of its file.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// files.upload("/data/deep/a.txt", &b"hello"[..]).await?;
    /// let report = files.download_dir("/data", "copy").await?;
    /// assert!(report.is_complete());
    /// assert_eq!(std::fs::read("copy/deep/a.txt")?, b"hello");
    /// # Ok(()) });
    /// ```
    #[doc(alias = "sync")]
    pub fn download_dir(
        &self,
        remote: impl TryInto<FolderPath, Error: Into<Error>>,
        local: impl Into<PathBuf>,
    ) -> SyncDir {
        SyncDir::new(self.clone(), Direction::Down, local.into(), checked(remote))
    }

    /// Exchanges the changes of a local folder and a folder of the context: additions, edits and deletions travel both ways.
    /// The state file records the versions that both sides had in common. Without it, as in the first sync, files are copied
    /// both ways and none is deleted. Await the result, or inspect the [plan](TwoWaySync::plan) first.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// files.upload("/data/theirs.txt", &b"theirs"[..]).await?;
    /// let sync = || files.sync_dir("project", "/data", "project.state");
    /// assert_eq!(sync().await?.transferred, 2); // a.txt was uploaded, theirs.txt downloaded
    ///
    /// std::fs::remove_file("project/theirs.txt")?;
    /// std::fs::write("project/a.txt", "edited")?;
    /// let report = sync().await?;
    /// assert_eq!((report.transferred, report.deleted), (1, 1));
    /// # Ok(()) });
    /// ```
    #[doc(alias = "bisync")]
    pub fn sync_dir(
        &self,
        local: impl Into<PathBuf>,
        remote: impl TryInto<FolderPath, Error: Into<Error>>,
        state: impl Into<PathBuf>,
    ) -> TwoWaySync {
        TwoWaySync::new(self.clone(), local.into(), checked(remote), state.into())
    }

    /// Deletes a folder of the context with everything in it. Await the result, or inspect the [plan](DeleteDir::plan)
    /// first. [`Contexts::clear`](crate::Contexts::clear) deletes all files of a context in the background.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// files.upload("/data/deep/a.txt", &b"hello"[..]).await?;
    /// let report = files.delete_dir("/data").await?;
    /// assert!(report.is_complete());
    /// assert_eq!(report.deleted, 1);
    /// # Ok(()) });
    /// ```
    pub fn delete_dir(&self, folder: impl TryInto<FolderPath, Error: Into<Error>>) -> DeleteDir {
        DeleteDir::new(self.clone(), checked(folder))
    }
}
