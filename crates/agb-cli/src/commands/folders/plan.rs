//! Compares two folders.

use std::fmt::Display;

use agbcloud::{Change, ErrorKind, SyncDir, SyncPlan};

use crate::{
    commands::session::Session, failure::Failure, progress::Spinner, signals::unless_interrupted,
};

/// The hint for an interrupted copy of a folder.
pub(in crate::commands) const RESUME_HINT: &str =
    "run the same command to continue: finished files are not copied again";

/// The hint for an interrupted copy of a file.
pub(in crate::commands) const RESTART_HINT: &str =
    "nothing was replaced: run the same command to start again";

/// The command and its folders, for messages.
pub(in crate::commands) struct Task {
    pub(super) verb: &'static str,
    folders: String,
}

impl Task {
    pub(in crate::commands) fn new(
        verb: &'static str,
        from: impl Display,
        to: impl Display,
    ) -> Self {
        Self {
            verb,
            folders: format!("{from} to {to}"),
        }
    }

    /// Adds the command to an error, except to that of a safety limit.
    pub(super) fn failure(&self, error: &agbcloud::Error) -> Failure {
        match error.kind() {
            ErrorKind::SafetyLimit => Failure::from(error),
            _ => Failure::in_action(error, &format!("{} {}", self.verb, self.folders)),
        }
    }
}

/// Compares both folders.
pub(super) async fn plan(
    session: &Session,
    task: &Task,
    sync: SyncDir,
) -> Result<SyncPlan, Failure> {
    let spinner = Spinner::start(&session.output, "comparing".to_owned());
    let plan = async { sync.plan().await.map_err(|error| task.failure(&error)) };
    let plan = unless_interrupted(plan, RESUME_HINT).await;
    spinner.finish();
    plan
}

/// Number of uploads and downloads.
pub(super) fn copies(plan: &SyncPlan) -> usize {
    plan.count(Change::Upload) + plan.count(Change::Download)
}

/// Number of deletions.
pub(super) fn deletions(plan: &SyncPlan) -> usize {
    plan.count(Change::DeleteRemote) + plan.count(Change::DeleteLocal)
}
