//! Executes the plan of a folder copy.

use std::sync::{Arc, OnceLock};

use agbcloud::{Change, SyncDir, SyncPlan, SyncReport};

use super::{
    folder_sync::FolderSync,
    plan::{RESUME_HINT, Skipped, Task, check_failures, copies, plan, preview},
    report::{MAX_NAMES, add_report, join_names, print_report},
    results::TransferResults,
};
use crate::{
    commands::session::Session,
    failure::{Code, Failure},
    output::counted,
    progress::TransferProgress,
    signals::unless_interrupted,
};

/// Whether existing files may be replaced.
pub(in crate::commands) enum Replace {
    Yes,
    No { hint: String },
}

/// Copies a folder if the plan passes the check, or lists the changes of a dry run.
pub(in crate::commands) async fn copy(
    session: &Session,
    results: &mut TransferResults<'_>,
    task: &Task,
    sync: SyncDir,
    replace: Replace,
    dry_run: bool,
    check: impl FnOnce(&SyncPlan) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let check = |plan: &SyncPlan| {
        check(plan)?;
        check_replaced(plan, replace)
    };
    if !dry_run {
        let report = transfer(session, task, sync, check).await?;
        return add_report(results, session, &report, task.conflict_hint);
    }
    results.preview();
    let plan = preview(session, task, sync, Skipped::Listed).await?;
    check_failures(&plan)?;
    check(&plan)
}

/// Compares the folders, checks the plan, executes it and reports the result.
pub(super) async fn execute(
    session: &Session,
    task: &Task,
    sync: impl Into<FolderSync>,
    check: impl FnOnce(&SyncPlan) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let report = transfer(session, task, sync, check).await?;
    print_report(session, &report, task.conflict_hint)
}

/// Compares the folders, checks the plan and executes it. The caller prints the report.
pub(in crate::commands) async fn transfer(
    session: &Session,
    task: &Task,
    sync: impl Into<FolderSync>,
    check: impl FnOnce(&SyncPlan) -> Result<(), Failure>,
) -> Result<SyncReport, Failure> {
    // Set when the totals are known.
    let progress = Arc::new(OnceLock::<TransferProgress>::new());
    let listener = progress.clone();
    let sync = sync.into().on_file(move |outcome| {
        if let Some(progress) = listener.get() {
            let is_copy = matches!(outcome.change, Some(Change::Upload | Change::Download));
            let bytes = outcome.size.filter(|_| is_copy).unwrap_or(0);
            progress.finish_file(outcome.path, bytes, outcome.error.is_some());
        }
    });
    let listener = progress.clone();
    let sync = sync.on_progress(move |sync| {
        if let Some(progress) = listener.get() {
            progress.update_file(sync.path, sync.file.bytes);
        }
    });
    let plan = plan(session, task, sync).await?;
    check(&plan)?;
    let files = plan.changes().len() as u64;
    let started = match copies(&plan) {
        0 => TransferProgress::count(&session.output, task.verb, files),
        _ => TransferProgress::start(&session.output, task.verb, files, plan.bytes()),
    };
    let progress = progress.get_or_init(|| started);
    let run = async { plan.run().await.map_err(|error| task.failure(&error)) };
    let report = unless_interrupted(run, RESUME_HINT).await;
    progress.finish();
    report
}

/// Fails if the plan replaces files that must not be replaced.
fn check_replaced(plan: &SyncPlan, replace: Replace) -> Result<(), Failure> {
    let Replace::No { hint } = replace else {
        return Ok(());
    };
    let replaced = || {
        plan.changes()
            .filter(|change| change.replaces && !change.keeps_both)
    };
    let count = replaced().count();
    if count == 0 {
        return Ok(());
    }
    let first: Vec<_> = replaced()
        .take(MAX_NAMES)
        .map(|change| change.path)
        .collect();
    Err(would_replace(&first, count).with_hint(hint))
}

/// The failure of a copy that would replace files, of which it names the first.
pub(in crate::commands) fn would_replace(first: &[String], count: usize) -> Failure {
    let message = format!(
        "nothing was copied, since {} would be replaced: {}",
        counted(count as u64, "file"),
        join_names(first, count)
    );
    Failure::with_code(Code::Conflict, message)
}
