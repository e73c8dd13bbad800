//! `agb rm`.

use std::{
    collections::HashSet,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use agbcloud::{Files, SyncPlan, SyncReport};
use clap::Args;
use clap_complete::ArgValueCompleter;

use crate::{
    address::Remote,
    commands::{
        completion,
        confirm::confirm,
        folders::{join_names, print_failures},
        lookup,
        operands::{Operand, Operands},
        partial_failures::PartialFailures,
        session::{Run, Session},
    },
    failure::{Code, ErrorContext, Failure},
    output::{
        self, OutputMode, OutputOptions, Rows,
        records::{ActionResult, ChangeRow},
    },
    progress::{Spinner, TransferProgress},
    signals::unless_interrupted,
    stderr,
};

#[derive(Debug, Args)]
pub(crate) struct RmArguments {
    /// Files, or folders with -r, as NAME:/path; globs are expanded
    #[arg(value_name = "NAME:/PATH", required = true, add = ArgValueCompleter::new(completion::addresses))]
    addresses: Vec<Remote>,
    /// Delete folders and all their contents
    #[arg(long, short, short_alias = 'R')]
    recursive: bool,
    /// Delete without confirmation
    #[arg(long, short)]
    yes: bool,
    /// Delete without confirmation, and ignore missing files
    #[arg(long, short)]
    force: bool,
    /// List the files that would be deleted, and delete none
    #[arg(long, short = 'n')]
    dry_run: bool,
}

impl Run for RmArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.connect()?;
        let mut operands = Operands::new(&client);
        let mut failures = PartialFailures::new(self.addresses.len());
        let found = operands.expand_all(&self.addresses, &mut failures).await?;
        if !self.recursive {
            let found = self.files(found)?;
            if self.dry_run {
                return self.preview_files(session, &found, failures).await;
            }
            for Operand { files, address } in &found {
                failures.record(self.delete_file(session, files, address).await)?;
            }
            return failures.finish();
        }
        let mut deletions = Vec::new();
        for operand in found {
            match FolderDeletion::plan(session, operand).await {
                Ok(deletion) => deletions.push(deletion),
                Err(failure) => failures.record(Err(failure))?,
            }
        }
        if self.dry_run {
            let mut rows = Vec::new();
            for deletion in &deletions {
                failures.record(deletion.preview(&mut rows).await)?;
            }
            Rows::new(&session.output).print(&rows)?;
            return failures.finish();
        }
        if !deletions.is_empty() {
            self.confirm(&deletions)?;
        }
        for deletion in deletions {
            failures.record(self.delete_folder(session, deletion).await)?;
        }
        failures.finish()
    }
}

impl RmArguments {
    /// Requires the name of a whole context, as 'agb context clear' does.
    fn confirm(&self, deletions: &[FolderDeletion]) -> Result<(), Failure> {
        let addresses = deletions.iter().map(|one| one.operand.address.to_string());
        let addresses: Vec<String> = addresses.collect();
        // One without files below it is a file itself, or missing.
        let files = deletions.iter().map(|one| one.plan.changes().len().max(1));
        let action = format!(
            "deletes {} of {}",
            output::counted(files.sum::<usize>() as u64, "file"),
            join_names(&addresses, addresses.len())
        );
        let mut roots = deletions.iter().map(|one| &one.operand.address);
        let whole = roots.find(|address| address.without_slash() == "/");
        let word = whole.map(|address| address.context.as_str());
        confirm(&action, word, self.yes || self.force)
    }

    /// The operands without -r. A glob that matches at all depths asks, as -r does, and deletes no folder whose files it matches.
    fn files(&self, mut found: Vec<Operand>) -> Result<Vec<Operand>, Failure> {
        let mut deep = self.addresses.iter().filter(|address| is_deep(address));
        let Some(first) = deep.next() else {
            return Ok(found);
        };
        let parents: HashSet<String> = found
            .iter()
            .flat_map(|operand| parents(&operand.address))
            .collect();
        found.retain(|operand| !parents.contains(&operand.address.to_string()));
        if !self.dry_run && !found.is_empty() {
            let files = output::counted(found.len() as u64, "file");
            let action = format!("deletes {files} that match {first} and the other operands");
            let action = match self.addresses.len() {
                1 => format!("deletes {files} that match {first}"),
                _ => action,
            };
            confirm(&action, None, self.yes || self.force)?;
        }
        Ok(found)
    }

    /// Lists the files of a dry run without -r.
    async fn preview_files(
        &self,
        session: &Session,
        found: &[Operand],
        mut failures: PartialFailures,
    ) -> Result<(), Failure> {
        let mut rows = Vec::new();
        for Operand { files, address } in found {
            let listed = match lookup::entry(files, address).await {
                Ok(entry) if entry.is_folder() => Err(lookup::is_folder(address, "rm -r")),
                Ok(entry) => {
                    rows.push(deletion_row(address, entry.size));
                    Ok(())
                }
                Err(failure) if self.force && failure.code == Code::NotFound => Ok(()),
                Err(failure) => Err(failure),
            };
            failures.record(listed)?;
        }
        Rows::new(&session.output).print(&rows)?;
        failures.finish()
    }

    async fn delete_file(
        &self,
        session: &Session,
        files: &Files,
        address: &Remote,
    ) -> Result<(), Failure> {
        if address.is_folder() {
            return Err(lookup::is_folder(address, "rm -r"));
        }
        match files.delete(address.path.as_str()).await {
            Err(error) if lookup::is_missing_file(&error) => {
                if lookup::has_entries(files, address).await {
                    return Err(lookup::is_folder(address, "rm -r"));
                }
                match self.force {
                    true => Ok(()),
                    false => Err(lookup::not_found(address, &error)),
                }
            }
            deleted => {
                deleted.with_action(|| format!("delete {address}"))?;
                print_deleted(&session.output, address)
            }
        }
    }

    /// Deletes the contents of a folder, and a file of the same name.
    async fn delete_folder(
        &self,
        session: &Session,
        deletion: FolderDeletion,
    ) -> Result<(), Failure> {
        let Operand { files, address } = deletion.operand.clone();
        let report = deletion.run(session).await?;
        if address.without_slash() != "/" {
            let is_empty = report.deleted + report.failed == 0;
            match files.delete(address.without_slash()).await {
                Err(error) if lookup::is_missing_file(&error) => {
                    if is_empty && !self.force {
                        return Err(lookup::not_found(&address, &error));
                    }
                }
                deleted => {
                    deleted.with_action(|| format!("delete {address}"))?;
                    print_deleted(&session.output, &address)?;
                }
            }
        }
        match report.failed {
            0 => Ok(()),
            failed => Err(Failure::with_code(
                Code::Partial,
                format!("{} not deleted", output::counted(failed, "file")),
            )),
        }
    }
}

/// The deletion of the contents of a folder, whose files are listed.
struct FolderDeletion {
    operand: Operand,
    plan: SyncPlan,
    progress: Arc<OnceLock<TransferProgress>>,
    deleted: Arc<AtomicU64>,
    /// Why a result was not printed.
    unwritten: Arc<OnceLock<Failure>>,
}

impl FolderDeletion {
    async fn plan(session: &Session, operand: Operand) -> Result<Self, Failure> {
        let Operand { files, address } = &operand;
        let (progress, unwritten) = (Arc::default(), Arc::new(OnceLock::new()));
        let deleted = Arc::new(AtomicU64::new(0));
        let counter = deleted.clone();
        let shown: Arc<OnceLock<TransferProgress>> = Arc::clone(&progress);
        let (failed, options, folder) =
            (unwritten.clone(), session.output.clone(), address.clone());
        let deletion = files
            .delete_dir(address.without_slash())
            .on_file(move |outcome| {
                if let Some(progress) = shown.get() {
                    progress.finish_file(outcome.path, 0, outcome.error.is_some());
                }
                if outcome.error.is_none() {
                    counter.fetch_add(1, Ordering::Relaxed);
                }
                // A terminal shows a bar and the number.
                let is_shown = options.mode() != OutputMode::Human;
                if is_shown && outcome.error.is_none() && failed.get().is_none() {
                    let printed = print_deleted(&options, &folder.join(outcome.path));
                    let _ = printed.map_err(|failure| failed.set(failure));
                }
            });
        let plan = async {
            deletion
                .plan()
                .await
                .with_action(|| format!("list {address}"))
        };
        let spinner = Spinner::start(&session.output, format!("listing {address}"));
        let plan = unless_interrupted(plan, "nothing was deleted").await;
        spinner.finish();
        Ok(Self {
            plan: plan?,
            operand,
            progress,
            deleted,
            unwritten,
        })
    }

    /// Lists the files.
    async fn preview(&self, rows: &mut Vec<ChangeRow>) -> Result<(), Failure> {
        let Operand { files, address } = &self.operand;
        let changes = self.plan.changes();
        let listed = rows.len();
        rows.extend(changes.map(|change| deletion_row(&address.join(&change.path), change.size)));
        // One without files below it is a file itself, or missing.
        if rows.len() == listed && address.without_slash() != "/" {
            let entry = lookup::entry(files, address).await?;
            rows.push(deletion_row(address, entry.size));
        }
        Ok(())
    }

    /// Deletes the files and prints each, or on a terminal their number.
    async fn run(self, session: &Session) -> Result<SyncReport, Failure> {
        let address = &self.operand.address;
        let count = self.plan.changes().len() as u64;
        let progress = TransferProgress::count(&session.output, "delete", count);
        let progress = self.progress.get_or_init(|| progress);
        let run = async {
            self.plan
                .run()
                .await
                .with_action(|| format!("delete {address}"))
        };
        let report = unless_interrupted(run, "").await;
        progress.finish();
        let report = report.map_err(|failure| match failure.code {
            Code::Interrupted => {
                let deleted = self.deleted.load(Ordering::Relaxed);
                failure.with_hint(format!(
                    "{deleted} of {} deleted: run the same command to delete the others",
                    output::counted(count, "file")
                ))
            }
            _ => failure,
        })?;
        if session.output.mode() == OutputMode::Human && report.deleted > 0 {
            let files = output::counted(report.deleted, "file");
            stderr::note(format_args!("deleted {files} of {address}"));
        }
        print_failures(&report.failures, report.failed);
        // The files are deleted even if stdout is closed.
        match Arc::into_inner(self.unwritten).and_then(OnceLock::into_inner) {
            Some(failure) if report.failed == 0 => Err(failure),
            _ => Ok(report),
        }
    }
}

/// Whether the glob of an address matches at all depths.
fn is_deep(address: &Remote) -> bool {
    address.path.split('/').any(|segment| segment == "**")
}

/// The addresses of all folders above a file or folder.
fn parents(address: &Remote) -> impl Iterator<Item = String> {
    let path = address.without_slash();
    let ends = path.match_indices('/').map(|(end, _)| end);
    ends.filter(|end| *end > 0)
        .map(|end| address.with_path(&path[..end]).to_string())
}

/// A deletion of a dry run.
fn deletion_row(address: &Remote, size: Option<u64>) -> ChangeRow {
    ChangeRow::within_service("delete-remote", address.to_string(), size, false)
}

fn print_deleted(options: &OutputOptions, address: &Remote) -> Result<(), Failure> {
    let row = ActionResult {
        name: address.to_string(),
        id: None,
        result: "deleted",
    };
    output::print_result(options, &row, &format!("deleted {address}"))
}
