//! `agb ls`, `agb tree` and `agb du`.

use std::collections::BTreeMap;

use agbcloud::{FileEntry, Files};
use clap::Args;
use clap_complete::ArgValueCompleter;
use futures_util::{Stream, StreamExt, future::Either, stream};

use super::{Run, Session, complete, file, find};
use crate::{
    address::Remote,
    exit::{Doing, Failure},
    output::{
        self, Reader, Rows, harmless,
        schema::{EntryRow, NameRow, UsageRow},
    },
};

#[derive(Debug, Args)]
pub(crate) struct LsArguments {
    /// Folder or file: NAME:/path
    #[arg(value_name = "NAME:/PATH", add = ArgValueCompleter::new(complete::addresses))]
    address: Remote,
    /// List what is in folders too
    #[arg(long, short = 'R')]
    recursive: bool,
    /// Show kind, size and time
    #[arg(long, short)]
    long: bool,
}

impl Run for LsArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let files = find::files(&session.connect()?, &self.address).await?;
        let mut entries = entries(&files, &self.address, self.recursive).peekable();
        // A folder that does not exist is listed as empty, and so is a file.
        if std::pin::Pin::new(&mut entries).peek().await.is_none() && self.address.bare() != "/" {
            let entry = file::entry(&files, &self.address).await?;
            if !entry.is_folder() {
                let alone = stream::iter([Ok(EntryRow::from(entry))]);
                return self.show(session, alone).await;
            }
        }
        self.show(session, entries).await
    }
}

impl LsArguments {
    async fn show(
        &self,
        session: &Session,
        entries: impl Stream<Item = Result<EntryRow, Failure>>,
    ) -> Result<(), Failure> {
        let rows = Rows::new(&session.look);
        if self.long || session.look.reader() == Reader::Program {
            rows.show(entries).await?;
        } else {
            rows.show(entries.map(|entry| entry.map(NameRow))).await?;
        }
        Ok(())
    }
}

/// What is in a folder; with all below, if that is asked for.
fn entries(
    files: &Files,
    folder: &Remote,
    recursive: bool,
) -> impl Stream<Item = Result<EntryRow, Failure>> + Unpin + use<> {
    let listing = files.list().under(folder.bare()).prefetch(true);
    let entries = match recursive {
        true => Either::Left(listing.walk()),
        false => Either::Right(listing.by_item()),
    };
    let folder = folder.clone();
    entries.map(move |entry| entry.map(EntryRow::from).doing(|| format!("list {folder}")))
}

#[derive(Debug, Args)]
pub(crate) struct TreeArguments {
    /// Folder: NAME:/path
    #[arg(value_name = "NAME:/PATH", add = ArgValueCompleter::new(complete::addresses))]
    address: Remote,
    /// Show folders to this depth
    #[arg(long, short = 'L', value_name = "LEVELS")]
    depth: Option<usize>,
}

impl Run for TreeArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let files = find::files(&session.connect()?, &self.address).await?;
        file::check_folder(&files, &self.address).await?;
        if session.look.reader() == Reader::Program {
            let entries = entries(&files, &self.address, true);
            Rows::new(&session.look).show(entries).await?;
            return Ok(());
        }
        output::write(&format!("{}\n", harmless(&self.address.to_string())))?;
        let mut counts = (0_u64, 0_u64);
        // What is still to be shown, the next one last: an entry with the lines to its left.
        let mut open = branches(&files, &self.address, self.address.bare(), "").await?;
        while let Some(branch) = open.pop() {
            let name = branch
                .entry
                .path
                .trim_end_matches('/')
                .rsplit('/')
                .next()
                .unwrap_or_default();
            let (arm, room) = if branch.last {
                ("└── ", "    ")
            } else {
                ("├── ", "│   ")
            };
            let slash = if branch.entry.is_folder() { "/" } else { "" };
            let name = harmless(name);
            output::write(&format!("{}{arm}{name}{slash}\n", branch.left))?;
            if !branch.entry.is_folder() {
                counts.1 += 1;
                continue;
            }
            counts.0 += 1;
            let left = format!("{}{room}", branch.left);
            let depth = left.chars().count() / 4;
            if self.depth.is_none_or(|most| depth < most) {
                let path = branch.entry.path.trim_end_matches('/').to_owned();
                open.extend(branches(&files, &self.address, &path, &left).await?);
            }
        }
        let (folders, files) = (
            output::counted(counts.0, "folder"),
            output::counted(counts.1, "file"),
        );
        output::write(&format!("{folders}, {files}\n"))
    }
}

struct Branch {
    entry: FileEntry,
    left: String,
    last: bool,
}

/// What is directly in a folder, in the order of names and backwards.
async fn branches(
    files: &Files,
    address: &Remote,
    folder: &str,
    left: &str,
) -> Result<Vec<Branch>, Failure> {
    let mut listed = files.list().under(folder).prefetch(true).by_item();
    let top = folder.trim_end_matches('/');
    let mut found = BTreeMap::new();
    while let Some(entry) = listed.next().await {
        let entry = entry.doing(|| format!("list {}", address.at(folder)))?;
        let below = entry.path.trim_end_matches('/').strip_prefix(top);
        // A service may list what is further below too.
        if below.is_some_and(|below| below.matches('/').count() == 1) {
            found.insert(entry.path.clone(), entry);
        }
    }
    let mut branches: Vec<Branch> = found
        .into_values()
        .map(|entry| Branch {
            entry,
            left: left.to_owned(),
            last: false,
        })
        .collect();
    if let Some(last) = branches.last_mut() {
        last.last = true;
    }
    branches.reverse();
    Ok(branches)
}

#[derive(Debug, Args)]
pub(crate) struct DuArguments {
    /// Folder: NAME:/path
    #[arg(value_name = "NAME:/PATH", add = ArgValueCompleter::new(complete::addresses))]
    address: Remote,
    /// Show the sum alone
    #[arg(long, short)]
    summarize: bool,
}

impl Run for DuArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let files = find::files(&session.connect()?, &self.address).await?;
        file::check_folder(&files, &self.address).await?;
        let top = self.address.bare().trim_end_matches('/').to_owned();
        let mut walk = files
            .list()
            .under(self.address.bare())
            .prefetch(true)
            .walk();
        let mut sums: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        let mut all = (0, 0);
        while let Some(entry) = walk.next().await {
            let entry = entry.doing(|| format!("list {}", self.address))?;
            let below = entry.path.strip_prefix(&top).unwrap_or(&entry.path);
            let first = below
                .trim_start_matches('/')
                .split('/')
                .next()
                .unwrap_or_default();
            let first = format!("{top}/{first}");
            let bytes = entry.size.filter(|_| !entry.is_folder()).unwrap_or(0);
            let count = u64::from(!entry.is_folder());
            let sum = sums.entry(first).or_default();
            (sum.0, sum.1) = (sum.0 + count, sum.1 + bytes);
            (all.0, all.1) = (all.0 + count, all.1 + bytes);
        }
        let row = |path: String, (files, bytes): (u64, u64)| UsageRow { path, files, bytes };
        let mut rows: Vec<UsageRow> = Vec::new();
        if !self.summarize {
            rows.extend(sums.into_iter().map(|(path, sum)| row(path, sum)));
        }
        rows.push(row(self.address.bare().to_owned(), all));
        Rows::new(&session.look).write(&rows)
    }
}
