//! A folder that is deleted.

use super::SyncPlan;
use crate::{FileOutcome, Result, SyncReport, blocking::Driver};

/// Files of a folder of a context that are to be deleted: [`agbcloud::DeleteDir`](crate::DeleteDir), sent or
/// [planned](Self::plan). From [`Files::delete_dir`](super::Files::delete_dir).
#[derive(Debug)]
#[must_use = "nothing is deleted until it is sent"]
pub struct DeleteDir {
    inner: crate::DeleteDir,
    driver: Driver,
}

impl DeleteDir {
    pub(super) fn new(inner: crate::DeleteDir, driver: Driver) -> Self {
        Self { inner, driver }
    }

    /// Takes just the files that match: see [`DeleteDir::include`](crate::DeleteDir::include).
    pub fn include(self, glob: impl Into<String>) -> Self {
        self.with(|inner| inner.include(glob))
    }

    /// Leaves out what matches: see [`DeleteDir::exclude`](crate::DeleteDir::exclude).
    pub fn exclude(self, glob: impl Into<String>) -> Self {
        self.with(|inner| inner.exclude(glob))
    }

    /// Files that are deleted at the same time: see [`DeleteDir::max_concurrent_files`](crate::DeleteDir::max_concurrent_files).
    pub fn max_concurrent_files(self, files: usize) -> Self {
        self.with(|inner| inner.max_concurrent_files(files))
    }

    /// Calls this for each file that was deleted or failed, on a thread of the runtime.
    pub fn on_file(self, listener: impl Fn(&FileOutcome<'_>) + Send + Sync + 'static) -> Self {
        self.with(|inner| inner.on_file(listener))
    }

    /// Lists the folder and deletes nothing yet.
    ///
    /// # Errors
    ///
    /// Those of [`DeleteDir::plan`](crate::DeleteDir::plan).
    pub fn plan(self) -> Result<SyncPlan> {
        let plan = self.driver.run(self.inner.plan())??;
        Ok(SyncPlan::new(plan, self.driver))
    }

    /// Does it.
    ///
    /// # Errors
    ///
    /// Those of [`DeleteDir::plan`](crate::DeleteDir::plan), and a failure that all files would meet. What fails for
    /// one file is in the report.
    pub fn send(self) -> Result<SyncReport> {
        self.driver.run(self.inner)?
    }

    fn with(self, change: impl FnOnce(crate::DeleteDir) -> crate::DeleteDir) -> Self {
        Self {
            inner: change(self.inner),
            driver: self.driver,
        }
    }
}
