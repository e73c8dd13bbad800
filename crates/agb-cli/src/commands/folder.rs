//! Doing what a plan says, with progress, and telling what came of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use agbcloud::{Change, FileFailure, Files, SyncDir, SyncPlan, SyncReport};

use super::{Session, file};
use crate::{
    address::Remote,
    exit::{self, Code, Doing, Failure},
    output::{self, Reader, bytes, counted, schema::MovedRow},
    progress::{Moving, Waiting},
    say,
    stop::Stop,
};

/// Files that are named of those that failed for the same reason.
const NAMED: usize = 3;

/// Whether files may be replaced.
pub(super) enum Replace {
    Yes,
    No { hint: &'static str },
}

/// Looks at both sides.
pub(super) async fn planned(session: &Session, sync: SyncDir) -> Result<SyncPlan, Failure> {
    let waiting = Waiting::begin(&session.look, "comparing".to_owned());
    let plan = until_stopped(async { Ok(sync.plan().await?) }).await;
    waiting.end();
    plan
}

/// Does it, and tells what came of it. Where nothing may be replaced, that is found out before anything is done.
pub(super) async fn run(
    session: &Session,
    what: &'static str,
    sync: SyncDir,
    replace: Replace,
) -> Result<(), Failure> {
    // Counted first, so that it can be told how far it has come.
    let told = Arc::new(OnceLock::<Moving>::new());
    let listener = told.clone();
    let sync = sync.on_file(move |outcome| {
        if let Some(moving) = listener.get() {
            moving.file(outcome.size.unwrap_or(0));
        }
    });
    let plan = planned(session, sync).await?;
    if let Replace::No { hint } = replace {
        let replaced = plan.changes().filter(|change| change.replaces).count();
        if replaced > 0 {
            let message = format!(
                "{} would be replaced, and nothing was done",
                counted(replaced as u64, "file")
            );
            return Err(Failure::of(Code::Conflict, message).hint(hint));
        }
    }
    let files = plan.changes().len() as u64;
    let moving = Moving::begin(&session.look, what, files, plan.bytes());
    let moving = told.get_or_init(|| moving);
    let report = until_stopped(async { Ok(plan.run().await?) }).await;
    moving.end();
    ended(session, &report?)
}

/// Deletes all that is in a folder, and tells each.
pub(super) async fn delete(
    session: &Session,
    files: &Files,
    address: &Remote,
) -> Result<SyncReport, Failure> {
    let unwritten = Arc::new(OnceLock::new());
    let (failed, look, folder) = (unwritten.clone(), session.look.clone(), address.clone());
    let deletion = files.delete_dir(address.bare()).on_file(move |outcome| {
        if outcome.error.is_none() && failed.get().is_none() {
            let told = file::told(&look, &folder.join(outcome.path));
            let _ = told.map_err(|failure| failed.set(failure));
        }
    });
    let deletion = async { deletion.await.doing(|| format!("delete {address}")) };
    let report = until_stopped(deletion).await?;
    tell_failures(&report);
    // What was asked for is done all the same.
    match Arc::into_inner(unwritten).and_then(OnceLock::into_inner) {
        Some(failure) if report.failed == 0 => Err(failure),
        _ => Ok(report),
    }
}

fn ended(session: &Session, report: &SyncReport) -> Result<(), Failure> {
    match session.look.reader() {
        Reader::Program => output::done(&session.look, &MovedRow::from(report), "")?,
        Reader::Terse => {}
        Reader::Person | Reader::Script => say::note(summary(report)),
    }
    tell_failures(report);
    if report.failed > 0 {
        let only_conflicts = report.failures.len() as u64 == report.failed
            && report
                .failures
                .iter()
                .all(|failure| Code::of(&failure.error) == Code::Conflict);
        let held = if report.deletions_held_back {
            "; nothing was deleted"
        } else {
            ""
        };
        let code = if only_conflicts {
            Code::Conflict
        } else {
            Code::Partial
        };
        let failure = Failure::of(
            code,
            format!("{} failed{held}", counted(report.failed, "file")),
        );
        return Err(match only_conflicts {
            true => failure.hint("--conflict overwrite, skip or keep-both decides"),
            false => failure.hint("run it again: what is done is not done twice"),
        });
    }
    Ok(())
}

fn summary(report: &SyncReport) -> String {
    let mut parts = vec![format!(
        "{} moved ({})",
        report.transferred,
        bytes(Some(report.bytes))
    )];
    for (count, what) in [
        (report.unchanged, "the same"),
        (report.deleted, "deleted"),
        (report.skipped, "left out"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    parts.join(", ")
}

/// One cause is told once, with the first of the files that it has hit.
fn tell_failures(report: &SyncReport) {
    let mut causes: BTreeMap<String, Vec<&FileFailure>> = BTreeMap::new();
    for failure in &report.failures {
        let hit = causes.entry(cause(&failure.error)).or_default();
        hit.push(failure);
    }
    for (cause, hit) in &causes {
        match hit[..] {
            [one] => say::error(format_args!("{}: {}", one.path, one.error.message())),
            _ => say::error(format_args!("{cause}: {}", named(hit))),
        }
        exit::more(&hit[0].error);
    }
    if report.failed > report.failures.len() as u64 {
        say::note(format_args!(
            "  those are the first {}",
            report.failures.len()
        ));
    }
}

/// What one error has in common with another: neither the file nor the call.
fn cause(error: &agbcloud::Error) -> String {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return io.to_string();
        }
        source = cause.source();
    }
    error.message().to_owned()
}

fn named(hit: &[&FileFailure]) -> String {
    let names: Vec<&str> = hit.iter().map(|failure| failure.path.as_str()).collect();
    let (named, more) = names.split_at(names.len().min(NAMED));
    match more.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// Works until Ctrl-C. What is in the middle of something then leaves nothing half-done; a second one does not wait for that.
pub(super) async fn until_stopped<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let stop = Stop::new()?;
    let mut work = Box::pin(work);
    tokio::select! {
        result = &mut work => result,
        () = stop.wait() => {
            Stop::at_once();
            drop(work);
            Err(Failure::interrupted().hint("the same command goes on with the rest"))
        }
    }
}

/// How many of the changes are of this kind.
pub(super) fn count(plan: &SyncPlan, changes: [Change; 2]) -> usize {
    changes.map(|change| plan.count(change)).iter().sum()
}
