//! The rounds of a watching sync.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
    time::Duration,
};

use agbcloud::{DeleteLimit, FileFailure, SyncPlan};

use super::{
    super::{plan::confirm_deletions, report::print_failures, sync_folders::SyncFolders},
    view::View,
};
use crate::{commands::session::Session, connection::ServiceClient, failure::Failure};

/// What to sync, and how often.
pub(in super::super) struct WatchOptions<'a> {
    pub(in super::super) session: &'a Session,
    pub(in super::super) client: ServiceClient,
    pub(in super::super) folders: &'a SyncFolders,
    pub(in super::super) limit: DeleteLimit,
    pub(in super::super) yes: bool,
    pub(in super::super) interval: Duration,
}

impl WatchOptions<'_> {
    pub(super) fn title(&self) -> String {
        format!("watching {}", self.folders.task("sync").folders())
    }

    /// The local folder, if its changes are copied.
    pub(super) fn local_folder(&self) -> Option<&Path> {
        self.folders.watched_folder()
    }
}

pub(super) struct Rounds<'a> {
    options: WatchOptions<'a>,
    view: &'a View,
    has_succeeded: bool,
    /// A hash of the failures that were printed last.
    printed: u64,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(options: WatchOptions<'a>, view: &'a View) -> Self {
        Self {
            options,
            view,
            has_succeeded: false,
            printed: hash(&[]),
        }
    }

    /// Whether a round has ended without a failure that affects all files.
    pub(super) fn has_succeeded(&self) -> bool {
        self.has_succeeded
    }

    /// Compares the folders and makes the changes. Returns whether there were any.
    pub(super) async fn run(&mut self) -> Result<bool, Failure> {
        let options = &self.options;
        let task = options.folders.task("sync");
        let changes = self.view.changes();
        let sync = options.folders.sync(&options.client).await?;
        let sync = sync.delete_limit(options.limit);
        let sync = sync.on_file(move |outcome| changes.print(outcome));
        let plan: SyncPlan = sync.plan().await.map_err(|error| task.failure(&error))?;
        if !self.has_succeeded {
            confirm_deletions(&plan, options.yes)?;
        }
        let report = plan.run().await.map_err(|error| task.failure(&error))?;
        self.has_succeeded = true;
        self.view.check_output()?;
        // A failure that stays, such as a conflict, is printed once.
        let failures = hash(&report.failures);
        if std::mem::replace(&mut self.printed, failures) != failures {
            self.view
                .suspended(|| print_failures(&report.failures, report.failed));
        }
        self.view.set_failed(report.failed);
        Ok(report.transferred + report.deleted > 0)
    }
}

fn hash(failures: &[FileFailure]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for failure in failures {
        failure.path.hash(&mut hasher);
        failure.error.kind().as_str().hash(&mut hasher);
    }
    hasher.finish()
}
