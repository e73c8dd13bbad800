//! `agb stat`.

use clap::Args;
use clap_complete::ArgValueCompleter;

use crate::{
    address::{self, Remote},
    commands::{
        completion, lookup,
        operands::{Operand, for_each_operand},
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
        let mut rows = Rows::new(&session.output);
        let print = async |operand: &Operand, several| {
            let entry = lookup::entry(&operand.files, &operand.address).await?;
            match several {
                true => rows.print(&[EntryRow::from(entry).in_context(&operand.address.context)]),
                false => output::print_record(&session.output, &EntryRow::from(entry)),
            }
        };
        for_each_operand(session, &self.addresses, print).await
    }
}
