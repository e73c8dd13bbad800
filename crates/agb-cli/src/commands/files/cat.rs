//! `agb cat`.

use std::{error::Error, io};

use agbcloud::{DownloadTarget, Files};
use clap::Args;
use clap_complete::ArgValueCompleter;

use crate::{
    address::Remote,
    commands::{
        bandwidth::Bandwidth,
        completion, lookup,
        operands::Operands,
        partial_failures::PartialFailures,
        session::{Run, Session},
    },
    failure::{Code, ErrorContext, Failure},
    output::{OutputMode, quote},
};

#[derive(Debug, Args)]
pub(crate) struct CatArguments {
    /// Files, as NAME:/path; globs are expanded
    #[arg(value_name = "NAME:/PATH", required = true, add = ArgValueCompleter::new(completion::addresses))]
    addresses: Vec<Remote>,
    #[command(flatten)]
    bandwidth: Bandwidth,
}

impl Run for CatArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        if session.output.mode() == OutputMode::Json {
            let failure = Failure::usage("cat prints the content of files, which has no JSON form");
            let first = self.addresses.first().map(Remote::to_string);
            let first = first.unwrap_or_default();
            return Err(failure.with_hint(format!("run: agb stat --json {}", quote(first))));
        }
        let client = self.bandwidth.connect(session)?;
        let mut operands = Operands::new(&client);
        let mut failures = PartialFailures::new(self.addresses.len());
        for address in &self.addresses {
            // Each is printed before the next one is looked up.
            let one = std::slice::from_ref(address);
            for operand in operands.expand_all(one, &mut failures).await? {
                let printed = print_file(&operand.files, &operand.address).await;
                failures.record(printed)?;
            }
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
