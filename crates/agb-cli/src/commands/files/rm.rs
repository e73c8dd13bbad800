//! `agb rm`.

use std::sync::{Arc, OnceLock};

use agbcloud::{Files, SyncReport};
use clap::Args;
use clap_complete::ArgValueCompleter;

use crate::{
    address::Remote,
    commands::{
        completion,
        confirm::confirm,
        folders::{self, print_failures},
        lookup,
        partial_failures::PartialFailures,
        session::{Run, Session},
    },
    failure::{Code, ErrorContext, Failure},
    output::{self, OutputOptions, records::ActionResult},
    signals::unless_interrupted,
};

#[derive(Debug, Args)]
pub(crate) struct RmArguments {
    /// Files, or folders with -r, as NAME:/path
    #[arg(value_name = "NAME:/PATH", required = true, add = ArgValueCompleter::new(completion::addresses))]
    addresses: Vec<Remote>,
    /// Delete folders and all their contents
    #[arg(long, short)]
    recursive: bool,
    /// Delete without confirmation
    #[arg(long, short)]
    yes: bool,
    /// Ignore missing files
    #[arg(long, short)]
    force: bool,
}

impl Run for RmArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.connect()?;
        let mut failures = PartialFailures::new(self.addresses.len());
        let mut found = Vec::new();
        for address in &self.addresses {
            match lookup::files(&client, address).await {
                Ok(files) => found.push((files, address)),
                Err(failure) => failures.record(Err(failure))?,
            }
        }
        if self.recursive && !found.is_empty() {
            self.confirm(&found)?;
        }
        for (files, address) in &found {
            let deleted = match self.recursive {
                true => self.delete_folder(session, files, address).await,
                false => self.delete_file(session, files, address).await,
            };
            failures.record(deleted)?;
        }
        failures.finish()
    }
}

impl RmArguments {
    /// Requires the name of a whole context, as 'agb context clear' does.
    fn confirm(&self, found: &[(Files, &Remote)]) -> Result<(), Failure> {
        let addresses: Vec<String> = found.iter().map(|(_, at)| at.to_string()).collect();
        let action = format!("deletes {} and all contents", addresses.join(", "));
        let whole = found.iter().find(|(_, at)| at.without_slash() == "/");
        let word = whole.map(|(_, at)| at.context.as_str());
        confirm(&action, word, self.yes)
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
        files: &Files,
        address: &Remote,
    ) -> Result<(), Failure> {
        let report = delete_contents(session, files, address).await?;
        if address.without_slash() != "/" {
            let is_empty = report.deleted + report.failed == 0;
            match files.delete(address.without_slash()).await {
                Err(error) if lookup::is_missing_file(&error) => {
                    if is_empty && !self.force {
                        return Err(lookup::not_found(address, &error));
                    }
                }
                deleted => {
                    deleted.with_action(|| format!("delete {address}"))?;
                    print_deleted(&session.output, address)?;
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

/// Deletes the contents of a folder and prints each file.
async fn delete_contents(
    session: &Session,
    files: &Files,
    address: &Remote,
) -> Result<SyncReport, Failure> {
    let unwritten = Arc::new(OnceLock::new());
    let (failed, options, folder) = (unwritten.clone(), session.output.clone(), address.clone());
    let deletion = files
        .delete_dir(address.without_slash())
        .on_file(move |outcome| {
            if outcome.error.is_none() && failed.get().is_none() {
                let printed = print_deleted(&options, &folder.join(outcome.path));
                let _ = printed.map_err(|failure| failed.set(failure));
            }
        });
    let deletion = async { deletion.await.with_action(|| format!("delete {address}")) };
    let report = unless_interrupted(deletion, folders::RESUME_HINT).await?;
    print_failures(&report.failures, report.failed);
    // The files are deleted even if stdout is closed.
    match Arc::into_inner(unwritten).and_then(OnceLock::into_inner) {
        Some(failure) if report.failed == 0 => Err(failure),
        _ => Ok(report),
    }
}

fn print_deleted(options: &OutputOptions, address: &Remote) -> Result<(), Failure> {
    let row = ActionResult {
        name: address.to_string(),
        id: None,
        result: "deleted",
    };
    output::print_result(options, &row, &format!("deleted {address}"))
}
