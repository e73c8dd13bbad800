//! `agb cat` and `agb stat`.

use std::{error::Error, io};

use agbcloud::{DownloadTarget, Files};
use clap::Args;
use clap_complete::ArgValueCompleter;

use crate::{
    address::Remote,
    commands::{
        completion, lookup,
        partial_failures::PartialFailures,
        session::{Run, Session},
    },
    failure::{Code, ErrorContext, Failure},
    output::{self, records::EntryRow},
};

#[derive(Debug, Args)]
pub(crate) struct CatArguments {
    /// Files, as NAME:/path
    #[arg(value_name = "NAME:/PATH", required = true, add = ArgValueCompleter::new(completion::addresses))]
    addresses: Vec<Remote>,
}

impl Run for CatArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.connect()?;
        let mut failures = PartialFailures::new(self.addresses.len());
        for address in &self.addresses {
            let printed = async {
                let files = lookup::files(&client, address).await?;
                print_file(&files, address).await
            };
            failures.record(printed.await)?;
        }
        failures.finish()
    }
}

/// Writes a file to stdout. A closed pipe ends the command without a message.
pub(in crate::commands) async fn print_file(
    files: &Files,
    address: &Remote,
) -> Result<(), Failure> {
    let target = DownloadTarget::writer(tokio::io::stdout());
    let written = files.download(address.path.as_str(), target).await;
    match written {
        Err(error) if is_broken_pipe(&error) => Err(Failure::silent(Code::BrokenPipe)),
        Err(error) if lookup::is_missing_file(&error) => {
            match lookup::has_entries(files, address).await {
                true => Err(lookup::is_folder(address, "ls")),
                false => Err(lookup::not_found(address, &error)),
            }
        }
        written => written
            .map(|_| ())
            .with_action(|| format!("read {address}")),
    }
}

fn is_broken_pipe(error: &agbcloud::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[derive(Debug, Args)]
pub(crate) struct StatArguments {
    /// File or folder, as NAME:/path
    #[arg(value_name = "NAME:/PATH", add = ArgValueCompleter::new(completion::addresses))]
    address: Remote,
}

impl Run for StatArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let files = lookup::files(&session.connect()?, &self.address).await?;
        let entry = lookup::entry(&files, &self.address).await?;
        output::print_record(&session.output, &EntryRow::from(entry))
    }
}
