//! Lists the changes of a plan without making them.

use agbcloud::{SyncDir, SyncPlan};
use futures_util::stream;

use super::{
    plan::{Task, copies, deletions, plan},
    report::{MAX_NAMES, failed_code, note_executable, print_failures, skipped_summary},
};
use crate::{
    commands::session::Session,
    failure::Failure,
    output::{Rows, bytes, counted, records::ChangeRow},
    stderr,
};

/// Maximum number of changes that are sorted by path, with deletions last.
const MAX_SORTED: usize = 10_000;

/// Whether skipped entries are listed with the changes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Skipped {
    Listed,
    /// Counted in the summary only, since they are no difference.
    Counted,
}

/// Prints the changes and a summary. Fails if a file can't be compared.
pub(super) async fn preview(
    session: &Session,
    task: &Task,
    sync: SyncDir,
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
    if session.output.shows_progress() {
        print_summary(&plan);
    }
    match plan.failed() {
        0 => Ok(plan),
        failed => Err(Failure::with_code(
            failed_code(plan.failures(), failed),
            format!("{} can't be compared", counted(failed, "file")),
        )),
    }
}

fn print_summary(plan: &SyncPlan) {
    let skipped = plan.skipped();
    stderr::note(format_args!(
        "{} to copy ({}), {} to delete, {} unchanged{}",
        copies(plan),
        bytes(Some(plan.bytes())),
        deletions(plan),
        plan.unchanged(),
        skipped_summary(skipped, skipped.len() as u64, "to skip")
    ));
    let executable = || plan.changes().filter(|change| change.executable);
    let count = executable().count() as u64;
    let first = executable().take(MAX_NAMES).map(|change| change.path);
    note_executable(&first.collect::<Vec<_>>(), count);
}
