//! Folders: mirror or delete.

use std::{ops::Deref, path::PathBuf};

use crate::{
    Compare, ConflictPolicy, DeleteLimit, FileOutcome, Result, SkippedEntry, Symlinks,
    SyncProgress, SyncReport, TwoWayConflict,
};

/// Defines the comparison before a sync or a deletion.
macro_rules! plan_method {
    ($name:ident, $summary:literal) => {
        impl $name {
            #[doc = $summary]
            #[doc = ""]
            #[doc = concat!(" See [`", stringify!($name), "::plan`](crate::", stringify!($name), "::plan).")]
            pub fn plan(self) -> Result<SyncPlan> {
                let plan = self.driver.run(self.inner.plan())??;
                Ok(SyncPlan::new(plan, self.driver))
            }
        }
    };
}

/// Defines what a sync in one direction and one in both have in common.
macro_rules! common_options {
    ($name:ident, $conflict:ty) => {
        methods! {
            $name;

            set fn compare(how: Compare);
            set fn delete_limit(limit: DeleteLimit);
            set fn on_conflict(how: $conflict);
            set fn include(glob: impl Into<String>);
            set fn exclude(glob: impl Into<String>);
            set fn gitignore(respect: bool);
            set fn symlinks(how: Symlinks);
            set fn durable(durable: bool);
            set fn max_concurrent_files(files: usize);
            set fn max_bytes_in_flight(bytes: u64);
            set fn on_file(listener: impl Fn(&FileOutcome<'_>) + Send + Sync + 'static);
            set fn on_skipped(listener: impl Fn(&SkippedEntry) + Send + Sync + 'static);
            set fn on_progress(listener: impl Fn(&SyncProgress<'_>) + Send + Sync + 'static);
        }

        plan_method!($name, "Compares both folders and changes nothing yet.");
    };
}

blocking_type! {
    /// A sync of a local folder and a folder of a context: [`agbcloud::SyncDir`](crate::SyncDir).
    /// From [`Files::upload_dir`](super::Files::upload_dir) and [`Files::download_dir`](super::Files::download_dir).
    ///
    /// Listeners run on threads of the client.
    #[derive(Debug, Clone)]
    #[must_use = "a sync does nothing until it is sent or planned"]
    pub struct SyncDir => SyncReport;

    set fn delete(extraneous: bool);
    set fn state(file: impl Into<PathBuf>);
}

common_options!(SyncDir, ConflictPolicy);

blocking_type! {
    /// A two-way sync of a local folder and a folder of a context: [`agbcloud::TwoWaySync`](crate::TwoWaySync).
    /// From [`Files::sync_dir`](super::Files::sync_dir).
    ///
    /// Listeners run on threads of the client.
    #[derive(Debug, Clone)]
    #[must_use = "a sync does nothing until it is sent or planned"]
    pub struct TwoWaySync => SyncReport;
}

common_options!(TwoWaySync, TwoWayConflict);

blocking_type! {
    /// What a sync would do. Dereferences to [`agbcloud::SyncPlan`](crate::SyncPlan).
    #[derive(Debug)]
    #[must_use = "a plan does nothing until it is run"]
    pub struct SyncPlan;

    /// Makes the changes of the plan.
    send fn run() -> SyncReport;
}

impl Deref for SyncPlan {
    type Target = crate::SyncPlan;

    fn deref(&self) -> &crate::SyncPlan {
        &self.inner
    }
}

blocking_type! {
    /// A deletion of a folder of a context: [`agbcloud::DeleteDir`](crate::DeleteDir).
    /// From [`Files::delete_dir`](super::Files::delete_dir).
    ///
    /// The listener runs on a thread of the client.
    #[derive(Debug, Clone)]
    #[must_use = "a deletion does nothing until it is sent or planned"]
    pub struct DeleteDir => SyncReport;

    set fn include(glob: impl Into<String>);
    set fn exclude(glob: impl Into<String>);
    set fn max_concurrent_files(files: usize);
    set fn on_file(listener: impl Fn(&FileOutcome<'_>) + Send + Sync + 'static);
}

plan_method!(DeleteDir, "Lists the folder and deletes nothing yet.");
