//! The rounds of a watching sync.

use std::{collections::HashSet, path::Path, time::Duration};

use agbcloud::{DeleteLimit, ErrorKind, FileFailure, SkippedEntry, SyncPlan, SyncReport};

use super::{
    super::{
        plan::confirm_deletions,
        report::{print_failures, skipped_summary},
        sync_folders::SyncFolders,
    },
    view::View,
};
use crate::{commands::session::Session, connection::ServiceClient, failure::Failure, stderr};

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
    /// The failures of the last round.
    failed: HashSet<Seen>,
    /// The entries that the last round skipped.
    skipped: Vec<SkippedEntry>,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(options: WatchOptions<'a>, view: &'a View) -> Self {
        Self {
            options,
            view,
            has_succeeded: false,
            failed: HashSet::new(),
            skipped: Vec::new(),
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
        self.print_failures(&report, task.conflict_hint);
        self.print_skipped(&report);
        self.view.set_failed(report.failed);
        Ok(report.transferred + report.deleted > 0)
    }

    /// Prints each failure once, also if it stays, such as a conflict.
    fn print_failures(&mut self, report: &SyncReport, conflict_hint: &str) {
        let failed = report.failures.iter().map(seen).collect();
        let before = std::mem::replace(&mut self.failed, failed);
        let failures = report.failures.iter();
        let new: Vec<FileFailure> = failures
            .filter(|failure| !before.contains(&seen(failure)))
            .cloned()
            .collect();
        if new.is_empty() {
            return;
        }
        let conflicts = new
            .iter()
            .any(|failure| failure.error.kind() == ErrorKind::Conflict);
        self.view.suspended(|| {
            print_failures(&new, new.len() as u64);
            if conflicts {
                stderr::note(format_args!("hint: {conflict_hint}"));
            }
        });
    }

    /// Names skipped entries when there are others than before.
    fn print_skipped(&mut self, report: &SyncReport) {
        let mut skipped = report.skipped_entries.clone();
        skipped.sort_by(|one, other| one.path.cmp(&other.path));
        if self.skipped == skipped {
            return;
        }
        let entries = skipped
            .iter()
            .map(|entry| (entry.reason, entry.path.as_str()));
        let summary = skipped_summary(entries, report.skipped, "skipped");
        self.skipped = skipped;
        let summary = summary.trim_start_matches(", ");
        if !summary.is_empty() {
            self.view
                .suspended(|| stderr::note(format_args!("note: {summary}")));
        }
    }
}

/// Path and kind of a failure.
type Seen = (String, &'static str);

fn seen(failure: &FileFailure) -> Seen {
    (failure.path.clone(), failure.error.kind().as_str())
}
