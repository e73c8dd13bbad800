//! `agb ls`.

use std::cmp::Reverse;

use clap::{ArgAction, Args, ValueEnum};
use clap_complete::ArgValueCompleter;
use futures_util::{
    Stream, StreamExt, TryStreamExt,
    future::{Either, ready},
    stream::{self, BoxStream},
};
use globset::GlobMatcher;

use crate::{
    address::{self, Remote},
    commands::{
        completion,
        context::list_contexts,
        lookup,
        operands::{Operand, Operands, glob},
        partial_failures::PartialFailures,
        session::{Run, Session},
    },
    failure::{ErrorContext, Failure},
    output::{
        OutputMode, Rows,
        records::{EntryRow, NameRow},
    },
};

#[derive(Debug, Args)]
pub(crate) struct LsArguments {
    /// Folders and files, as NAME:/path or NAME; globs are expanded. Without any, contexts are listed
    #[arg(value_name = "NAME:/PATH", value_parser = address::folder, add = ArgValueCompleter::new(completion::addresses))]
    addresses: Vec<Remote>,
    /// List the contents of subfolders
    #[arg(long, short = 'R')]
    recursive: bool,
    /// Show kind, size and modification time
    #[arg(long, short)]
    long: bool,
    /// Sort by name, by size with the largest first, or by time with the newest first
    #[arg(long, value_name = "KEY", value_enum)]
    sort: Option<SortKey>,
    /// Sort by size
    #[arg(short = 'S', conflicts_with = "sort")]
    by_size: bool,
    /// Sort by time
    #[arg(short = 't', conflicts_with_all = ["sort", "by_size"])]
    by_time: bool,
    /// Reverse the order
    #[arg(long, short)]
    reverse: bool,
    /// Show sizes as 1.5 MiB, also in a pipe
    #[arg(long, short = 'h')]
    human: bool,
    /// Maximum number of entries
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// List only entries whose name matches the glob
    #[arg(long, value_name = "GLOB", value_parser = glob)]
    filter: Option<GlobMatcher>,
    /// Accepted for ls -a and ls -1: no entry is hidden, and each has its line
    #[arg(short = 'a', short_alias = '1', hide = true, action = ArgAction::Count)]
    all: u8,
    /// Print help
    #[arg(long, action = ArgAction::HelpLong)]
    help: Option<bool>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SortKey {
    Name,
    Size,
    Time,
}

type EntryStream = BoxStream<'static, Result<EntryRow, Failure>>;

impl Run for LsArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.connect()?;
        if self.addresses.is_empty() {
            return list_contexts(session, &client, self.filter.as_ref(), self.limit).await;
        }
        let mut operands = Operands::new(&client);
        let mut failures = PartialFailures::new(self.addresses.len());
        let mut listings: Vec<EntryStream> = Vec::new();
        for operand in operands.expand_all(&self.addresses, &mut failures).await? {
            match self.listing(&operand).await {
                Ok(listing) if failures.has_several() => {
                    let context = operand.address.context;
                    let listing = listing.map_ok(move |row| row.in_context(&context));
                    listings.push(listing.boxed());
                }
                Ok(listing) => listings.push(listing),
                Err(failure) => failures.record(Err(failure))?,
            }
        }
        self.print(session, stream::iter(listings).flatten())
            .await?;
        failures.finish()
    }
}

impl LsArguments {
    /// The entries of a folder, or a file.
    async fn listing(&self, operand: &Operand) -> Result<EntryStream, Failure> {
        let Operand { files, address } = operand;
        let mut entries = Box::pin(entries(operand, self.recursive).peekable());
        // The service lists a missing folder and a file as empty.
        if entries.as_mut().peek().await.is_none() && address.without_slash() != "/" {
            let entry = lookup::entry(files, address).await?;
            if !entry.is_folder() {
                return Ok(stream::iter([Ok(EntryRow::from(entry))]).boxed());
            }
        }
        Ok(entries)
    }

    async fn print(
        &self,
        session: &Session,
        entries: impl Stream<Item = Result<EntryRow, Failure>> + Send,
    ) -> Result<(), Failure> {
        let entries = entries.try_filter(|row| {
            let filter = self.filter.as_ref();
            ready(filter.is_none_or(|filter| filter.is_match(&row.name)))
        });
        let entries = entries.map_ok(|row| match self.human {
            true => row.with_human_size(),
            false => row,
        });
        let limit = self.limit.unwrap_or(usize::MAX);
        let entries = match self.key() {
            None => Either::Left(entries.take(limit)),
            Some(key) => {
                let mut rows: Vec<_> = entries.try_collect().await?;
                sort(&mut rows, key);
                if self.reverse {
                    rows.reverse();
                }
                Either::Right(stream::iter(rows.into_iter().map(Ok)).take(limit))
            }
        };
        let rows = Rows::new(&session.output);
        if self.long || session.output.mode() == OutputMode::Json {
            rows.print_all(entries).await?;
        } else {
            rows.print_all(entries.map_ok(NameRow)).await?;
        }
        Ok(())
    }

    fn key(&self) -> Option<SortKey> {
        match (self.by_size, self.by_time) {
            (true, _) => Some(SortKey::Size),
            (_, true) => Some(SortKey::Time),
            _ => self.sort.or(self.reverse.then_some(SortKey::Name)),
        }
    }
}

fn sort(rows: &mut [EntryRow], key: SortKey) {
    rows.sort_by_cached_key(EntryRow::address);
    match key {
        SortKey::Name => {}
        SortKey::Size => rows.sort_by_key(|row| Reverse(row.size)),
        SortKey::Time => rows.sort_by_key(|row| Reverse(row.modified())),
    }
}

/// Lists a folder, with its subfolders if `recursive` is set.
pub(super) fn entries(
    operand: &Operand,
    recursive: bool,
) -> impl Stream<Item = Result<EntryRow, Failure>> + Send + Unpin + use<> {
    let Operand { files, address } = operand.clone();
    let listing = files.list().folder(address.without_slash()).prefetch(true);
    let entries = match recursive {
        true => Either::Left(listing.walk()),
        false => Either::Right(listing.by_item()),
    };
    entries.map(move |entry| {
        entry
            .map(EntryRow::from)
            .with_action(|| format!("list {address}"))
    })
}
