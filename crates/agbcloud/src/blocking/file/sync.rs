//! Whole folders.

use std::path::PathBuf;

use crate::{
    Compare, ConflictPolicy, DeleteLimit, FileOutcome, Progress, Result, SkippedEntry, Symlinks,
    SyncReport, blocking::Driver,
};

/// A folder of this machine and one of a context that are to be made alike: [`agbcloud::SyncDir`](crate::SyncDir), sent or
/// [planned](Self::plan). From [`Files::upload_dir`](super::Files::upload_dir) and
/// [`Files::download_dir`](super::Files::download_dir).
#[derive(Debug)]
#[must_use = "nothing is done until it is sent or planned"]
pub struct SyncDir {
    inner: crate::SyncDir,
    driver: Driver,
}

impl SyncDir {
    pub(super) fn new(inner: crate::SyncDir, driver: Driver) -> Self {
        Self { inner, driver }
    }

    /// How two files are told to be the same: see [`SyncDir::compare`](crate::SyncDir::compare).
    pub fn compare(self, how: Compare) -> Self {
        self.with(|inner| inner.compare(how))
    }

    /// Whether extraneous files are deleted: see [`SyncDir::delete`](crate::SyncDir::delete).
    pub fn delete(self, extraneous: bool) -> Self {
        self.with(|inner| inner.delete(extraneous))
    }

    /// How many may be: see [`SyncDir::delete_limit`](crate::SyncDir::delete_limit).
    pub fn delete_limit(self, limit: DeleteLimit) -> Self {
        self.with(|inner| inner.delete_limit(limit))
    }

    /// Where it is remembered what was moved: see [`SyncDir::state`](crate::SyncDir::state).
    pub fn state(self, file: impl Into<PathBuf>) -> Self {
        self.with(|inner| inner.state(file))
    }

    /// What is done with changes on both sides: see [`SyncDir::on_conflict`](crate::SyncDir::on_conflict).
    pub fn on_conflict(self, how: ConflictPolicy) -> Self {
        self.with(|inner| inner.on_conflict(how))
    }

    /// Takes just the files that match: see [`SyncDir::include`](crate::SyncDir::include).
    pub fn include(self, glob: impl Into<String>) -> Self {
        self.with(|inner| inner.include(glob))
    }

    /// Leaves out what matches: see [`SyncDir::exclude`](crate::SyncDir::exclude).
    pub fn exclude(self, glob: impl Into<String>) -> Self {
        self.with(|inner| inner.exclude(glob))
    }

    /// Whether ignore files are heeded: see [`SyncDir::gitignore`](crate::SyncDir::gitignore).
    pub fn gitignore(self, respect: bool) -> Self {
        self.with(|inner| inner.gitignore(respect))
    }

    /// What is done with symbolic links: see [`SyncDir::symlinks`](crate::SyncDir::symlinks).
    pub fn symlinks(self, how: Symlinks) -> Self {
        self.with(|inner| inner.symlinks(how))
    }

    /// Whether fetched files are synced to the disk: see [`Download::durable`](crate::Download::durable).
    pub fn durable(self, durable: bool) -> Self {
        self.with(|inner| inner.durable(durable))
    }

    /// Files that move at the same time: see [`SyncDir::max_concurrent_files`](crate::SyncDir::max_concurrent_files).
    pub fn max_concurrent_files(self, files: usize) -> Self {
        self.with(|inner| inner.max_concurrent_files(files))
    }

    /// Bytes of them: see [`SyncDir::max_bytes_in_flight`](crate::SyncDir::max_bytes_in_flight).
    pub fn max_bytes_in_flight(self, bytes: u64) -> Self {
        self.with(|inner| inner.max_bytes_in_flight(bytes))
    }

    /// Calls this for each file that was moved, deleted, or failed, on a thread of the runtime: see
    /// [`SyncDir::on_file`](crate::SyncDir::on_file).
    pub fn on_file(self, listener: impl Fn(&FileOutcome<'_>) + Send + Sync + 'static) -> Self {
        self.with(|inner| inner.on_file(listener))
    }

    /// Calls this for each entry that is skipped, on a thread of the runtime: see
    /// [`SyncDir::on_skipped`](crate::SyncDir::on_skipped).
    pub fn on_skipped(self, listener: impl Fn(&SkippedEntry) + Send + Sync + 'static) -> Self {
        self.with(|inner| inner.on_skipped(listener))
    }

    /// Calls this as the bytes of files move, on threads of the runtime: see
    /// [`SyncDir::on_progress`](crate::SyncDir::on_progress).
    pub fn on_progress(self, listener: impl Fn(&str, Progress) + Send + Sync + 'static) -> Self {
        self.with(|inner| inner.on_progress(listener))
    }

    /// Looks at both sides and does nothing yet.
    ///
    /// # Errors
    ///
    /// Those of [`SyncDir::plan`](crate::SyncDir::plan).
    pub fn plan(self) -> Result<SyncPlan> {
        let plan = self.driver.run(self.inner.plan())??;
        Ok(SyncPlan::new(plan, self.driver))
    }

    /// Does it.
    ///
    /// # Errors
    ///
    /// Those of [`SyncDir::plan`](crate::SyncDir::plan), and a failure that all files would meet. What fails for one file
    /// is in the report.
    pub fn send(self) -> Result<SyncReport> {
        self.driver.run(self.inner)?
    }

    fn with(self, change: impl FnOnce(crate::SyncDir) -> crate::SyncDir) -> Self {
        Self {
            inner: change(self.inner),
            driver: self.driver,
        }
    }
}

/// What a synchronisation would do: [`agbcloud::SyncPlan`](crate::SyncPlan), which is what this derefs to.
#[derive(Debug)]
#[must_use = "a plan does nothing until it is run"]
pub struct SyncPlan {
    inner: crate::SyncPlan,
    driver: Driver,
}

impl SyncPlan {
    pub(super) fn new(inner: crate::SyncPlan, driver: Driver) -> Self {
        Self { inner, driver }
    }

    /// Does it.
    ///
    /// # Errors
    ///
    /// Those of [`SyncPlan::run`](crate::SyncPlan::run).
    pub fn run(self) -> Result<SyncReport> {
        self.driver.run(self.inner.run())?
    }
}

impl std::ops::Deref for SyncPlan {
    type Target = crate::SyncPlan;

    fn deref(&self) -> &crate::SyncPlan {
        &self.inner
    }
}
