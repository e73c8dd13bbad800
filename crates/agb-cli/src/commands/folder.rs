//! Doing what a plan says, with progress, and telling what came of it.

use std::{
    collections::BTreeMap,
    fmt::Display,
    io,
    sync::{Arc, OnceLock},
};

use agbcloud::{
    Change, ErrorKind, FileFailure, Files, SkipReason, SkippedEntry, SyncDir, SyncPlan, SyncReport,
};

use super::{Session, file};
use crate::{
    address::Remote,
    exit::{self, Code, Doing, Failure},
    output::{self, Reader, bytes, counted, schema::MovedRow},
    progress::{Moving, Waiting},
    say,
    stop::Stop,
};

/// Files that are named of those that failed or were skipped for the same reason.
pub(super) const NAMED: usize = 3;

/// Whether files may be replaced.
pub(super) enum Replace {
    Yes,
    No { hint: String },
}

/// What a command does, and with which folders.
pub(super) struct Task {
    what: &'static str,
    sides: String,
}

impl Task {
    pub(super) fn new(what: &'static str, from: impl Display, to: impl Display) -> Self {
        let sides = format!("{from} to {to}");
        Self { what, sides }
    }

    /// What ends all of it. A limit says enough by itself.
    fn failed(&self, error: agbcloud::Error) -> Failure {
        match error.kind() {
            ErrorKind::SafetyLimit => Failure::from(error),
            _ => Failure::while_doing(error, &format!("{} {}", self.what, self.sides)),
        }
    }
}

/// Looks at both sides.
pub(super) async fn planned(
    session: &Session,
    task: &Task,
    sync: SyncDir,
) -> Result<SyncPlan, Failure> {
    let waiting = Waiting::begin(&session.look, "comparing".to_owned());
    let plan = async { sync.plan().await.map_err(|error| task.failed(error)) };
    let plan = until_stopped(plan).await;
    waiting.end();
    plan
}

/// Plans it, checks the plan before anything is done, runs it and reports how it ended.
pub(super) async fn run(
    session: &Session,
    task: &Task,
    sync: SyncDir,
    check: impl FnOnce(&SyncPlan) -> Result<(), Failure>,
) -> Result<(), Failure> {
    // Counted first, so that it can be told how far it has come.
    let told = Arc::new(OnceLock::<Moving>::new());
    let listener = told.clone();
    let sync = sync.on_file(move |outcome| {
        if let Some(moving) = listener.get() {
            let (bytes, failed) = (outcome.size.unwrap_or(0), outcome.error.is_some());
            moving.file(outcome.path, bytes, failed);
        }
    });
    let listener = told.clone();
    let sync = sync.on_progress(move |path, progress| {
        if let Some(moving) = listener.get() {
            moving.part(path, progress.bytes);
        }
    });
    let plan = planned(session, task, sync).await?;
    check(&plan)?;
    let files = plan.changes().len() as u64;
    let moving = Moving::begin(&session.look, task.what, files, plan.bytes());
    let moving = told.get_or_init(|| moving);
    let moves = async { plan.run().await.map_err(|error| task.failed(error)) };
    let report = until_stopped(moves).await;
    moving.end();
    ended(session, task.what, &report?)
}

/// That a plan replaces nothing where nothing may be replaced.
pub(super) fn check_replaced(plan: &SyncPlan, replace: Replace) -> Result<(), Failure> {
    let Replace::No { hint } = replace else {
        return Ok(());
    };
    let replaced = || plan.changes().filter(|change| change.replaces);
    let count = replaced().count();
    if count == 0 {
        return Ok(());
    }
    let first: Vec<_> = replaced().take(NAMED).map(|change| change.path).collect();
    let message = format!(
        "{} would be replaced, and nothing was done: {}",
        counted(count as u64, "file"),
        named(&first, count)
    );
    Err(Failure::of(Code::Conflict, message).hint(hint))
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
    tell_failures(&report.failures, report.failed);
    // What was asked for is done all the same.
    match Arc::into_inner(unwritten).and_then(OnceLock::into_inner) {
        Some(failure) if report.failed == 0 => Err(failure),
        _ => Ok(report),
    }
}

fn ended(session: &Session, what: &str, report: &SyncReport) -> Result<(), Failure> {
    match session.look.reader() {
        Reader::Program => output::done(&session.look, &MovedRow::from(report), "")?,
        Reader::Terse => {}
        Reader::Person | Reader::Script => {
            say::note(summary(report));
            note_executable(&report.executable_files, report.executable);
            for copy in &report.kept {
                say::note(format_args!(
                    "kept the replaced {} as {}",
                    copy.path, copy.kept
                ));
            }
        }
    }
    tell_failures(&report.failures, report.failed);
    if report.failed > 0 {
        let code = code_of(&report.failures, report.failed);
        let held = if report.deletions_held_back {
            "; nothing was deleted"
        } else {
            ""
        };
        let failure = Failure::of(
            code,
            format!("{} failed{held}", counted(report.failed, "file")),
        );
        return Err(failure.hint(match (code, what) {
            (Code::Conflict, _) => "pass --conflict overwrite, skip or keep-both",
            _ => "run it again: what is done is not done twice",
        }));
    }
    Ok(())
}

/// How a command ends of which so many files failed.
pub(super) fn code_of(failures: &[FileFailure], failed: u64) -> Code {
    let all = failures.len() as u64 == failed;
    let mut codes = failures.iter().map(|failure| Code::of(&failure.error));
    match all && codes.all(|code| code == Code::Conflict) {
        true => Code::Conflict,
        false => Code::Partial,
    }
}

fn summary(report: &SyncReport) -> String {
    let mut parts = vec![format!(
        "{} copied ({})",
        report.transferred,
        bytes(Some(report.bytes))
    )];
    for (count, what) in [(report.unchanged, "the same"), (report.deleted, "deleted")] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if report.unverified > 0 {
        parts.push(format!("{} of them unverified", report.unverified));
    }
    parts.join(", ") + &skipped(&report.skipped_entries, report.skipped, "skipped")
}

/// The end of a summary: `, 3 skipped (symbolic link: a, b; empty folder: c)`. Empty if there are none.
pub(super) fn skipped(entries: &[SkippedEntry], count: u64, what: &str) -> String {
    if count == 0 {
        return String::new();
    }
    let mut reasons: BTreeMap<SkipReason, Vec<&str>> = BTreeMap::new();
    for entry in entries {
        let paths = reasons.entry(entry.reason).or_default();
        paths.push(&entry.path);
    }
    let reasons = reasons.iter();
    let mut reasons: Vec<_> = reasons
        .map(|(reason, paths)| format!("{reason}: {}", named(paths, paths.len())))
        .collect();
    let others = count.saturating_sub(entries.len() as u64);
    if others > 0 {
        reasons.push(format!("and {others} others"));
    }
    format!(", {count} {what} ({})", reasons.join("; "))
}

/// Says which files come back without the executable bit.
pub(super) fn note_executable(first: &[String], count: u64) {
    if count > 0 {
        let named = named(first, usize::try_from(count).unwrap_or(usize::MAX));
        say::note(format_args!(
            "note: a context does not keep the executable bit of {} ({named})",
            counted(count, "file")
        ));
    }
}

/// Reports failures by cause, with the first few paths of each.
pub(super) fn tell_failures(failures: &[FileFailure], failed: u64) {
    let mut causes: BTreeMap<Cause, Vec<&FileFailure>> = BTreeMap::new();
    for failure in failures {
        let hit = causes.entry(Cause::of(&failure.error)).or_default();
        hit.push(failure);
    }
    for hit in causes.values() {
        for line in lines(hit) {
            match line {
                Line::Error(text) => say::error(text),
                Line::Note(text) => say::note(text),
            }
        }
        exit::more(&hit[0].error);
    }
    if failed > failures.len() as u64 {
        say::note(format_args!("  those are the first {}", failures.len()));
    }
}

/// What errors of one kind have in common: never the text, in which the path may be.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    kind: &'static str,
    code: Option<String>,
    io: Option<(io::ErrorKind, Option<i32>)>,
}

impl Cause {
    fn of(error: &agbcloud::Error) -> Self {
        let mut io = None;
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            if let Some(error) = cause.downcast_ref::<io::Error>() {
                io = Some((error.kind(), error.raw_os_error()));
            }
            source = cause.source();
        }
        Self {
            kind: error.kind().as_str(),
            code: error.code().map(str::to_owned),
            io,
        }
    }
}

enum Line {
    Error(String),
    Note(String),
}

/// What is said of failures of one cause: at most a few lines. Files that have the same message share a line; of the
/// others one is shown with its message.
fn lines(hit: &[&FileFailure]) -> Vec<Line> {
    let mut messages: Vec<(&str, Vec<&FileFailure>)> = Vec::new();
    let mut places = BTreeMap::new();
    for failure in hit {
        let message = failure.error.message();
        let place = *places.entry(message).or_insert(messages.len());
        match messages.get_mut(place) {
            Some((_, files)) => files.push(failure),
            None => messages.push((message, vec![failure])),
        }
    }
    // The most frequent first.
    messages.sort_by_key(|(_, files)| std::cmp::Reverse(files.len()));
    let mut lines = Vec::new();
    let mut others: Vec<&FileFailure> = Vec::new();
    for (at, (message, files)) in messages.iter().enumerate() {
        match files[..] {
            [one] if at == 0 => {
                let text = format!("{}: {}", one.path, exit::message(&one.error));
                lines.push(Line::Error(text));
            }
            [_] => others.extend(files.iter().copied()),
            _ if at < NAMED => {
                let names: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
                lines.push(Line::Error(format!(
                    "{message}: {}",
                    named(&names, names.len())
                )));
            }
            _ => others.extend(files.iter().copied()),
        }
    }
    if !others.is_empty() {
        let names: Vec<_> = others.iter().map(|file| file.path.as_str()).collect();
        let text = format!("  likewise: {}", named(&names, names.len()));
        lines.push(Line::Note(text));
    }
    lines
}

/// The first few names of so many.
fn named(names: &[impl AsRef<str>], count: usize) -> String {
    let first: Vec<&str> = names.iter().take(NAMED).map(AsRef::as_ref).collect();
    match count.saturating_sub(first.len()) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// Works on many files until Ctrl-C. What is in the middle of something then leaves nothing half-done; a second one does
/// not wait for that.
pub(super) async fn until_stopped<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    unless_stopped(work, "the same command goes on with the rest").await
}

/// The same for one file.
pub(super) async fn one_until_stopped<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    unless_stopped(work, "nothing was replaced; the same command starts anew").await
}

async fn unless_stopped<T>(
    work: impl Future<Output = Result<T, Failure>>,
    hint: &str,
) -> Result<T, Failure> {
    let stop = Stop::new()?;
    let mut work = Box::pin(work);
    tokio::select! {
        result = &mut work => result,
        () = stop.wait() => {
            // From here on the next one ends the process.
            drop(stop);
            drop(work);
            Err(Failure::interrupted().hint(hint))
        }
    }
}

/// How many of the changes are of this kind.
pub(super) fn count(plan: &SyncPlan, changes: [Change; 2]) -> usize {
    changes.map(|change| plan.count(change)).iter().sum()
}
