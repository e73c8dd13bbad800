//! `agb stat`.

use clap::Args;
use clap_complete::ArgValueCompleter;

use crate::{
    address::{self, Remote},
    commands::{
        completion, lookup,
        operands::Operands,
        partial_failures::PartialFailures,
        session::{Run, Session},
    },
    failure::Failure,
    output::{self, Rows, records::EntryRow},
};

#[derive(Debug, Args)]
pub(crate) struct StatArguments {
    /// Files and folders, as NAME:/path; globs are expanded
    #[arg(value_name = "NAME:/PATH", required = true, value_parser = address::folder, add = ArgValueCompleter::new(completion::addresses))]
    addresses: Vec<Remote>,
}

impl Run for StatArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.connect()?;
        let mut operands = Operands::new(&client);
        let mut failures = PartialFailures::new(self.addresses.len());
        let mut rows = Rows::new(&session.output);
        for operand in operands.expand_all(&self.addresses, &mut failures).await? {
            let entry = lookup::entry(&operand.files, &operand.address).await;
            let shown = entry.and_then(|entry| match failures.has_several() {
                true => rows.print(&[EntryRow::from(entry).in_context(&operand.address.context)]),
                false => output::print_record(&session.output, &EntryRow::from(entry)),
            });
            failures.record(shown)?;
        }
        failures.finish()
    }
}
