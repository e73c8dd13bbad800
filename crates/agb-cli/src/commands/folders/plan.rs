//! Compares two folders and lists the changes.

use std::fmt::Display;

use agbcloud::{Change, ErrorKind, SyncPlan};
use futures_util::stream;

use super::{
    folder_sync::FolderSync,
    report::{MAX_NAMES, failed_code, note_executable, print_failures, skipped_summary},
};
use crate::{
    commands::{confirm::confirm, session::Session},
    failure::Failure,
    output::{Rows, bytes, counted, records::ChangeRow},
    progress::Spinner,
    signals::unless_interrupted,
    stderr,
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
    /// How to resolve conflicts.
    pub(super) conflict_hint: &'static str,
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
            conflict_hint: "pass --conflict overwrite, skip or keep-both",
        }
    }

    /// A task in both directions.
    pub(super) fn both(verb: &'static str, one: impl Display, other: impl Display) -> Self {
        Self {
            verb,
            folders: format!("{one} and {other}"),
            conflict_hint: "pass --conflict newer, local, context, skip or keep-both",
        }
    }

    pub(super) fn folders(&self) -> &str {
        &self.folders
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
    sync: impl Into<FolderSync>,
) -> Result<SyncPlan, Failure> {
    let spinner = Spinner::start(&session.output, "comparing".to_owned());
    let sync = sync.into();
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

/// Asks before a first sync deletes files, which may never have been in the source.
pub(super) fn confirm_deletions(plan: &SyncPlan, yes: bool) -> Result<(), Failure> {
    let deleted = deletions(plan);
    // The first sync in both directions deletes nothing.
    if deleted == 0 || plan.has_baseline() {
        return Ok(());
    }
    let action = format!(
        "first sync of the folders deletes {}",
        counted(deleted as u64, "file")
    );
    confirm(&action, None, yes)
}

/// Maximum number of changes that are sorted by path, with deletions last.
const MAX_SORTED: usize = 10_000;

/// Whether skipped entries are listed with the changes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Skipped {
    Listed,
    /// Named in the summary, since they are no difference.
    Counted,
}

/// Prints the changes, a summary and the files that would fail.
pub(super) async fn preview(
    session: &Session,
    task: &Task,
    sync: impl Into<FolderSync>,
    skipped: Skipped,
) -> Result<SyncPlan, Failure> {
    let plan = plan(session, task, sync).await?;
    let listed = match skipped {
        Skipped::Listed => plan.skipped(),
        Skipped::Counted => &[],
    };
    let listed = listed.iter().map(ChangeRow::from);
    let changes = plan.changes().map(ChangeRow::from).chain(listed);
    let rows = Rows::new(&session.output);
    if plan.changes().len() <= MAX_SORTED {
        let mut changes: Vec<ChangeRow> = changes.collect();
        changes.sort_by(|a, b| (a.deletes(), &a.path).cmp(&(b.deletes(), &b.path)));
        rows.print_all(stream::iter(changes.into_iter().map(Ok)))
            .await?;
    } else {
        rows.print_all(stream::iter(changes.map(Ok))).await?;
    }
    print_failures(plan.failures(), plan.failed());
    if !session.output.is_quiet() {
        print_summary(&plan, skipped);
    }
    Ok(plan)
}

/// Fails if a file would fail.
pub(super) fn check_failures(plan: &SyncPlan) -> Result<(), Failure> {
    match plan.failed() {
        0 => Ok(()),
        failed => Err(Failure::with_code(
            failed_code(plan.failures(), failed),
            format!("{} would fail", counted(failed, "file")),
        )),
    }
}

fn print_summary(plan: &SyncPlan, listed: Skipped) {
    let skipped = plan.skipped();
    let kept = plan.changes().filter(|change| change.keeps_both).count();
    let kept = match kept {
        0 => String::new(),
        kept => format!(", {} to keep", counted(kept as u64, "replaced version")),
    };
    let skipped = match listed {
        Skipped::Listed if skipped.is_empty() => String::new(),
        Skipped::Listed => format!(", {} to skip", skipped.len()),
        Skipped::Counted => {
            let entries = skipped
                .iter()
                .map(|entry| (entry.reason, entry.path.as_str()));
            skipped_summary(entries, skipped.len() as u64, "to skip")
        }
    };
    stderr::note(format_args!(
        "{} to copy ({}){kept}, {} to delete, {} unchanged{}",
        copies(plan),
        bytes(Some(plan.bytes())),
        deletions(plan),
        plan.unchanged(),
        skipped
    ));
    let executable = || plan.changes().filter(|change| change.executable);
    let count = executable().count() as u64;
    let first = executable().take(MAX_NAMES).map(|change| change.path);
    note_executable(&first.collect::<Vec<_>>(), count);
}
