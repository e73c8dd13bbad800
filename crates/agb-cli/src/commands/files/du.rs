//! `agb du`.

use std::collections::BTreeMap;

use clap::{ArgAction, Args};
use clap_complete::ArgValueCompleter;

use crate::{
    address::{self, Remote},
    commands::{
        completion, lookup,
        operands::{Operand, for_each_operand},
        session::{Run, Session},
    },
    failure::{ErrorContext, Failure},
    output::{Rows, records::UsageRow},
};

#[derive(Debug, Args)]
pub(crate) struct DuArguments {
    /// Folders, as NAME:/path or NAME; globs are expanded
    #[arg(value_name = "NAME:/PATH", required = true, value_parser = address::folder, add = ArgValueCompleter::new(completion::addresses))]
    addresses: Vec<Remote>,
    /// Show only the total
    #[arg(long, short)]
    summarize: bool,
    /// Show sizes as 1.5 MiB, also in a pipe
    #[arg(long, short = 'h')]
    human: bool,
    /// Print help
    #[arg(long, action = ArgAction::HelpLong)]
    help: Option<bool>,
}

impl Run for DuArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let print = async |operand: &Operand, several| self.print(session, operand, several).await;
        for_each_operand(session, &self.addresses, print).await
    }
}

impl DuArguments {
    async fn print(
        &self,
        session: &Session,
        operand: &Operand,
        several: bool,
    ) -> Result<(), Failure> {
        let Operand { files, address } = operand;
        if !lookup::is_remote_folder(files, address).await? {
            let size = lookup::entry(files, address).await?.size.unwrap_or(0);
            let row = self.row(
                address,
                several,
                address.without_slash().to_owned(),
                (1, size),
            );
            return Rows::new(&session.output).print(&[row]);
        }
        let top = address.without_slash().trim_end_matches('/').to_owned();
        let listing = files.list().folder(address.without_slash());
        let mut walk = listing.prefetch(true).walk();
        let mut sums: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        let mut all = (0, 0);
        while let Some(entry) = walk.next().await {
            let entry = entry.with_action(|| format!("list {address}"))?;
            let below = entry.path.strip_prefix(&top).unwrap_or(&entry.path);
            let below = below.trim_start_matches('/');
            let first = format!("{top}/{}", below.split('/').next().unwrap_or_default());
            let bytes = entry.size.filter(|_| !entry.is_folder()).unwrap_or(0);
            let count = u64::from(!entry.is_folder());
            let sum = sums.entry(first).or_default();
            (sum.0, sum.1) = (sum.0 + count, sum.1 + bytes);
            (all.0, all.1) = (all.0 + count, all.1 + bytes);
        }
        let row = |path, sum| self.row(address, several, path, sum);
        let mut rows: Vec<UsageRow> = Vec::new();
        if !self.summarize {
            rows.extend(sums.into_iter().map(|(path, sum)| row(path, sum)));
        }
        rows.push(row(address.without_slash().to_owned(), all));
        Rows::new(&session.output).print(&rows)
    }

    fn row(
        &self,
        address: &Remote,
        several: bool,
        path: String,
        (files, bytes): (u64, u64),
    ) -> UsageRow {
        UsageRow {
            context: several.then(|| address.context.clone()),
            path,
            files,
            bytes,
            human: self.human,
        }
    }
}
