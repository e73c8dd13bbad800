//! Prints the result of a folder copy: a summary, and failures grouped by cause.

use std::{collections::BTreeMap, error::Error, io};

use agbcloud::{ErrorDetail, ErrorKind, FileFailure, SkipReason, SyncReport};

use super::results::TransferResults;
use crate::{
    commands::session::Session,
    failure::{self, Code, Failure},
    output::{self, OutputMode, bytes, counted, records::TransferSummary},
    stderr,
};

/// Maximum number of paths in a list of files with the same cause.
pub(super) const MAX_NAMES: usize = 3;

/// Prints the report, and fails if a file failed. The hint is for conflicts.
pub(super) fn print_report(
    session: &Session,
    report: &SyncReport,
    conflict_hint: &str,
) -> Result<(), Failure> {
    let json = TransferSummary::from(report);
    output::print_result(&session.output, &json, &summary(report))?;
    check_report(session, report, conflict_hint)
}

/// Prints the report as one of several results, and fails if a file failed.
pub(super) fn add_report(
    results: &mut TransferResults<'_>,
    session: &Session,
    report: &SyncReport,
    conflict_hint: &str,
) -> Result<(), Failure> {
    results.print(TransferSummary::from(report), &summary(report))?;
    check_report(session, report, conflict_hint)
}

/// Prints what the summary does not contain, and fails if a file failed.
fn check_report(
    session: &Session,
    report: &SyncReport,
    conflict_hint: &str,
) -> Result<(), Failure> {
    if matches!(session.output.mode(), OutputMode::Human | OutputMode::Plain) {
        note_executable(&report.executable_files, report.executable);
        for copy in &report.kept {
            stderr::note(format_args!(
                "kept the replaced {} as {}",
                copy.path, copy.kept
            ));
        }
        if report.restored > 0 {
            let first: Vec<_> = report.restored_files.iter().take(MAX_NAMES).collect();
            let count = usize::try_from(report.restored).unwrap_or(usize::MAX);
            stderr::note(format_args!(
                "restored after an edit on one side and a deletion on the other: {}",
                join_names(&first, count)
            ));
        }
    }
    print_failures(&report.failures, report.failed);
    if report.failed == 0 {
        return Ok(());
    }
    let code = failed_code(&report.failures, report.failed);
    let deletions = match report.deletions_held_back {
        true => "; nothing was deleted",
        false => "",
    };
    let message = format!("{} failed{deletions}", counted(report.failed, "file"));
    let failure = Failure::with_code(code, message);
    let is_clash =
        |failure: &FileFailure| failure.error.detail() == Some(ErrorDetail::FileAndFolder);
    if report.failures.iter().all(is_clash) {
        // Each has its own hint.
        return Err(failure);
    }
    Err(failure.with_hint(match code {
        Code::Conflict => conflict_hint,
        _ if report.failures.iter().any(|failure| failure.error.is_transient()) => {
            "run the same command to retry: finished files are not copied again"
        }
        _ => "remove the causes, or skip the files with --exclude: finished files are not copied again",
    }))
}

/// The exit code: conflict if every file failed with one.
pub(super) fn failed_code(failures: &[FileFailure], failed: u64) -> Code {
    let is_complete = failures.len() as u64 == failed;
    let mut codes = failures.iter().map(|failure| Code::from(&failure.error));
    match is_complete && codes.all(|code| code == Code::Conflict) {
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
    for (count, what) in [
        (report.unchanged, "unchanged"),
        (report.unverified, "of them unverified"),
        (report.deleted, "deleted"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    let skipped = report.skipped_entries.iter();
    let skipped = skipped.map(|entry| (entry.reason, entry.path.as_str()));
    parts.join(", ") + &skipped_summary(skipped, report.skipped, "skipped")
}

/// The end of a summary: `, 3 skipped (symbolic link: a, b; empty folder: c)`. Empty if there are none.
pub(in crate::commands) fn skipped_summary<'a>(
    entries: impl Iterator<Item = (SkipReason, &'a str)>,
    count: u64,
    verb: &str,
) -> String {
    if count == 0 {
        return String::new();
    }
    let mut reasons: BTreeMap<SkipReason, Vec<&str>> = BTreeMap::new();
    let mut named = 0;
    for (reason, path) in entries {
        reasons.entry(reason).or_default().push(path);
        named += 1;
    }
    let reasons = reasons.iter();
    let mut reasons: Vec<_> = reasons
        .map(|(reason, paths)| format!("{reason}: {}", join_names(paths, paths.len())))
        .collect();
    let others = count.saturating_sub(named);
    if others > 0 {
        reasons.push(format!("and {others} others"));
    }
    format!(", {count} {verb} ({})", reasons.join("; "))
}

/// Names the files that lose their executable bit.
pub(super) fn note_executable(first: &[String], count: u64) {
    if count > 0 {
        let names = join_names(first, usize::try_from(count).unwrap_or(usize::MAX));
        stderr::note(format_args!(
            "note: a context does not store the executable bit of {} ({names})",
            counted(count, "file")
        ));
    }
}

/// Prints failures by cause, with the first few paths of each.
pub(in crate::commands) fn print_failures(failures: &[FileFailure], failed: u64) {
    let mut causes: BTreeMap<Cause, Vec<&FileFailure>> = BTreeMap::new();
    for failure in failures {
        let same = causes.entry(Cause::from(&failure.error)).or_default();
        same.push(failure);
    }
    for failures in causes.values() {
        print_cause(failures);
        stderr::details(&Failure::from(&failures[0].error));
    }
    if failed > failures.len() as u64 {
        stderr::note(format_args!("only the first {} are shown", failures.len()));
    }
}

/// What failures of one cause have in common. The message does not count, since it may contain the path.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    kind: &'static str,
    code: Option<String>,
    io: Option<(io::ErrorKind, Option<i32>)>,
}

impl From<&agbcloud::Error> for Cause {
    fn from(error: &agbcloud::Error) -> Self {
        let mut io = None;
        let mut source = error.source();
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

/// Prints the failures of one cause in a few lines. Files with the same message share a line. Of the other files, one is
/// shown with its message.
fn print_cause(failures: &[&FileFailure]) {
    let mut messages: BTreeMap<&str, Vec<&FileFailure>> = BTreeMap::new();
    for failure in failures {
        let same = messages.entry(failure.error.message()).or_default();
        same.push(failure);
    }
    let mut messages: Vec<_> = messages.into_values().collect();
    messages.sort_by_key(|same| std::cmp::Reverse(same.len()));
    let mut others: Vec<&str> = Vec::new();
    for (index, same) in messages.iter().enumerate() {
        let message = || failure::message(&same[0].error);
        let paths = same.iter().map(|failure| failure.path.as_str());
        match same[..] {
            // A message about an argument says what is wrong with it.
            [one] if index == 0 || (index < MAX_NAMES && is_about_argument(one)) => {
                stderr::error(format_args!("{}: {}", one.path, message()))
            }
            [_, _, ..] if index < MAX_NAMES => {
                let paths: Vec<_> = paths.collect();
                let names = join_names(&paths, paths.len());
                stderr::error(format_args!("{}: {names}", message()));
            }
            _ => others.extend(paths),
        }
    }
    if !others.is_empty() {
        let names = join_names(&others, others.len());
        stderr::note(format_args!("the same for {names}"));
    }
}

fn is_about_argument(failure: &FileFailure) -> bool {
    failure.error.kind() == ErrorKind::InvalidArgument
}

/// Joins the first few of `count` names.
pub(in crate::commands) fn join_names(names: &[impl AsRef<str>], count: usize) -> String {
    let first: Vec<&str> = names.iter().take(MAX_NAMES).map(AsRef::as_ref).collect();
    match count.saturating_sub(first.len()) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
