//! Snapshots in local folders.

use std::{fs, path::Path};

use agbcloud::{
    Compare, ConflictPolicy, FileFailure, SkipReason, SkippedEntry, SyncDir, SyncPlan, SyncReport,
};

use super::outcome::Outcome;
use crate::{
    blocking_io::blocking,
    commands::{
        folders::{Task, transfer, would_replace},
        lookup,
        operands::Operand,
        session::Session,
        transfer::Existing,
    },
    failure::Failure,
};

/// Downloads the files of a context that the folder does not have with the same content. Nothing is written if a file differs,
/// unless `force` replaces it.
pub(super) async fn save(
    session: &Session,
    from: &Operand,
    to: &Path,
    force: bool,
) -> Result<Outcome, Failure> {
    let cannot_write =
        |error| Failure::with_cause(format!("can't write to {}", to.display()), error);
    let existing = {
        let to = to.to_owned();
        blocking(move || count_files(&to)).await
    };
    let existing = existing.map_err(cannot_write)?;
    let sync = from.files.download_dir("/", to).durable(true);
    let task = Task::new("save", &from.address, to.display());
    let mut shared = 0;
    let report = transfer(session, &task, exact(sync), |plan| {
        shared = count_shared(plan);
        let (from, to) = (from.address.to_string(), to.display().to_string());
        check_replaced(plan, force, &from, &to)
    });
    let report = report.await?;
    // A context without files is an empty folder.
    fs::create_dir_all(to).map_err(cannot_write)?;
    Ok(Outcome {
        others: existing.saturating_sub(shared),
        ..outcome(report)
    })
}

/// Uploads the files of a folder that the context does not have with the same content, like [`save`].
pub(super) async fn restore(
    session: &Session,
    from: &Path,
    to: &Operand,
    force: bool,
) -> Result<Outcome, Failure> {
    let existing = Existing::list(to).await?;
    let sync = to.files.upload_dir(from, "/");
    let task = Task::new("restore", from.display(), &to.address);
    let mut shared = 0;
    let report = transfer(session, &task, exact(sync), |plan| {
        shared = count_shared(plan);
        existing.check_plan(plan, &to.address)?;
        let (from, to) = (from.display().to_string(), to.address.to_string());
        check_replaced(plan, force, &from, &to)
    });
    let report = report.await?;
    Ok(Outcome {
        others: (existing.files.len() as u64).saturating_sub(shared),
        ..outcome(report)
    })
}

/// Compares by checksum, and replaces every file that differs.
fn exact(sync: SyncDir) -> SyncDir {
    sync.compare(Compare::Checksum)
        .on_conflict(ConflictPolicy::Overwrite)
}

/// Number of files that both sides have.
fn count_shared(plan: &SyncPlan) -> u64 {
    let replaced = plan.changes().filter(|change| change.replaces);
    plan.unchanged() + replaced.count() as u64
}

fn check_replaced(plan: &SyncPlan, force: bool, from: &str, to: &str) -> Result<(), Failure> {
    let replaced = plan.changes().filter(|change| change.replaces);
    let paths: Vec<String> = replaced.map(|change| format!("/{}", change.path)).collect();
    match force || paths.is_empty() {
        true => Ok(()),
        false => {
            let failure = would_replace(&paths, paths.len());
            Err(failure.with_hint(format!(
                "pass --force to replace them; list all with: agb diff --checksum '{from}' '{to}'"
            )))
        }
    }
}

fn outcome(report: SyncReport) -> Outcome {
    let mut outcome = Outcome {
        files: report.transferred,
        bytes: report.bytes,
        unchanged: report.unchanged,
        unverified: report.unverified,
        ..Outcome::default()
    };
    for SkippedEntry { path, reason, .. } in report.skipped_entries {
        match reason {
            SkipReason::EmptyFolder => outcome.empty_folders.push(path),
            SkipReason::Symlink | SkipReason::SpecialFile => outcome.not_files.push(path),
            // Of a download to this folder that was interrupted.
            SkipReason::UnfinishedDownload => {}
            reason => outcome
                .failures
                .push((path, Failure::new(reason.to_string()))),
        }
    }
    let listed = report.failures.len() as u64;
    for FileFailure { path, error, .. } in report.failures {
        match lookup::is_missing_file(&error) {
            true => outcome.deleted.push(format!("/{path}")),
            false => outcome.failures.push((path, Failure::from(error))),
        }
    }
    outcome.unlisted_failures = report.failed.saturating_sub(listed);
    outcome
}

/// Number of files in a folder and its subfolders. 0 if it does not exist.
fn count_files(folder: &Path) -> std::io::Result<u64> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut files = 0;
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            files += count_files(&entry.path())?;
        } else if kind.is_file() {
            files += 1;
        }
    }
    Ok(files)
}
