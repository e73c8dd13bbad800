//! Syncing a local folder and a folder of a context in both directions.

use std::{future::IntoFuture, path::PathBuf};

use futures_core::future::BoxFuture;

use super::{
    filter::Symlinks,
    options::{Compare, Direction, TwoWayConflict},
    progress::SyncProgress,
    report::{FileOutcome, SkippedEntry, SyncReport},
    sync_dir::SyncDir,
    sync_plan::{DeleteLimit, SyncPlan},
};
use crate::{Files, FolderPath, Result};

/// A two-way sync of a local folder and a folder of a context. Await it, or inspect the [`plan`](Self::plan) first. From
/// [`Files::sync_dir`].
///
/// | since the last sync | result |
/// | --- | --- |
/// | added or edited on one side | copied to the other side |
/// | deleted on one side, unchanged on the other | deleted on the other side |
/// | edited or added on both sides with the same content | nothing to do |
/// | edited or added on both sides with different contents | [conflict](Self::on_conflict) |
/// | edited on one side, deleted on the other | [restored](SyncReport::restored) on the side that deleted it |
/// | deleted on both sides | nothing to do |
///
/// A file that was renamed on one side is copied under its new name before the old name is deleted.
///
/// Deletions are last, and happen only if no copy failed before. Conflicts do not hold them back. A remote file is deleted
/// only if the local path does not exist, and a local file only if it is in no listing and not in the store. A file that
/// changes after the comparison is neither replaced nor deleted. Local folders are not deleted, unless a file replaces one.
///
/// An interrupted sync continues when it runs again: the state contains only versions that were verified on both sides.
///
/// Several clients can sync the same folder of a context, each with its own state. The context is listed a second time if one
/// side has files that the other side does not have. The use of memory is that of [`SyncDir`] with deletions.
#[derive(Debug, Clone)]
#[must_use = "a sync does nothing until it is awaited or planned"]
pub struct TwoWaySync(SyncDir);

impl TwoWaySync {
    pub(super) fn new(
        files: Files,
        local: PathBuf,
        remote: Result<FolderPath>,
        state: PathBuf,
    ) -> Self {
        let direction = Direction::Both(TwoWayConflict::default());
        let sync = SyncDir::new(files, direction, local, remote);
        Self(sync.delete(true).state(state))
    }

    /// What happens to a file that was changed on both sides. Defaults to [`TwoWayConflict::Fail`].
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// use agbcloud::TwoWayConflict;
    ///
    /// let sync = || files.sync_dir("project", "/data", "project.state");
    /// sync().await?;
    /// files.upload("/data/a.txt", &b"theirs"[..]).await?;
    /// std::fs::write("project/a.txt", "mine")?;
    /// assert_eq!(sync().await?.failed, 1); // nothing is replaced by default
    ///
    /// let report = sync().on_conflict(TwoWayConflict::KeepBoth).await?;
    /// assert_eq!(std::fs::read("project/a.txt")?, b"theirs");
    /// assert_eq!(std::fs::read(format!("project/{}", report.kept[0].kept))?, b"mine");
    /// # Ok(()) });
    /// ```
    pub fn on_conflict(mut self, how: TwoWayConflict) -> Self {
        self.0.set_direction(Direction::Both(how));
        self
    }

    /// How files are compared. Defaults to [`Compare::SizeAndTime`].
    pub fn compare(self, how: Compare) -> Self {
        Self(self.0.compare(how))
    }

    /// The maximum number of files to delete on each side. Defaults to 1000 files and half of the files of the side.
    ///
    /// The sync is planned completely, and fails without a change if it would delete more on one side, or if it would delete
    /// files of one side and the other side has none: its folder may not be mounted, or the context was cleared.
    pub fn delete_limit(self, limit: DeleteLimit) -> Self {
        Self(self.0.delete_limit(limit))
    }

    /// Syncs only files that match this glob: see [`SyncDir::include`].
    pub fn include(self, glob: impl Into<String>) -> Self {
        Self(self.0.include(glob))
    }

    /// Excludes files that match this glob: see [`SyncDir::exclude`].
    pub fn exclude(self, glob: impl Into<String>) -> Self {
        Self(self.0.exclude(glob))
    }

    /// Whether files that git ignores are excluded: see [`SyncDir::gitignore`]. Defaults to `false`.
    pub fn gitignore(self, respect: bool) -> Self {
        Self(self.0.gitignore(respect))
    }

    /// How symbolic links in the local folder are treated. Defaults to [`Symlinks::Skip`].
    pub fn symlinks(self, how: Symlinks) -> Self {
        Self(self.0.symlinks(how))
    }

    /// Whether downloaded files are synced to the disk before they appear: see [`SyncDir::durable`]. Defaults to `true`.
    pub fn durable(self, durable: bool) -> Self {
        Self(self.0.durable(durable))
    }

    /// Maximum number of files that are copied concurrently: see [`SyncDir::max_concurrent_files`].
    pub fn max_concurrent_files(self, files: usize) -> Self {
        Self(self.0.max_concurrent_files(files))
    }

    /// Maximum total size of the files that are copied concurrently: see [`SyncDir::max_bytes_in_flight`].
    pub fn max_bytes_in_flight(self, bytes: u64) -> Self {
        Self(self.0.max_bytes_in_flight(bytes))
    }

    /// Calls this for each file that was copied or deleted or that failed: see [`SyncDir::on_file`].
    pub fn on_file(self, listener: impl Fn(&FileOutcome<'_>) + Send + Sync + 'static) -> Self {
        Self(self.0.on_file(listener))
    }

    /// Calls this for each skipped entry, with the reason: see [`SyncDir::on_skipped`].
    pub fn on_skipped(self, listener: impl Fn(&SkippedEntry) + Send + Sync + 'static) -> Self {
        Self(self.0.on_skipped(listener))
    }

    /// Calls this with the progress of the whole sync: see [`SyncDir::on_progress`].
    pub fn on_progress(self, listener: impl Fn(&SyncProgress<'_>) + Send + Sync + 'static) -> Self {
        Self(self.0.on_progress(listener))
    }

    /// Compares both sides without making changes.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// let plan = files.sync_dir("project", "/data", "project.state").plan().await?;
    /// for planned in plan.changes() {
    ///     println!("{} {}", planned.change, planned.path);
    /// }
    /// assert_eq!(plan.run().await?.transferred, 1);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for an invalid glob or remote folder,
    /// [`LocalFile`](crate::ErrorKind::LocalFile) if the local folder or the state can't be read, or if the folder is missing
    /// although it was synced before, [`SafetyLimit`](crate::ErrorKind::SafetyLimit) if more files would be deleted than
    /// allowed, and those of a listing.
    pub async fn plan(self) -> Result<SyncPlan> {
        self.0.plan().await
    }

    /// Syncs the folders, as awaiting it does.
    ///
    /// # Errors
    ///
    /// Those of [`plan`](Self::plan), and a failure that affects all files. The failure of a single file is in the report.
    pub async fn send(self) -> Result<SyncReport> {
        self.await
    }
}

impl IntoFuture for TwoWaySync {
    type Output = Result<SyncReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.0.into_future()
    }
}
