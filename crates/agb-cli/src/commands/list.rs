//! `agb ls`, `agb tree` and `agb du`.

use std::collections::BTreeMap;

use agbcloud::{FileEntry, FileItems, Files};
use clap::Args;
use clap_complete::ArgValueCompleter;
use futures_util::{Stream, StreamExt, future::Either, stream};

use super::{Run, Session, complete, file, find};
use crate::{
    address::Remote,
    exit::{Doing, Failure},
    output::{
        self, Reader, Rows, escape,
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
    let listing = files.list().folder(folder.bare()).prefetch(true);
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
    /// Show folders to this depth, from 1
    #[arg(long, short = 'L', value_name = "LEVELS", value_parser = depth)]
    depth: Option<usize>,
}

fn depth(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(depth) if depth > 0 => Ok(depth),
        _ => Err("a number of levels, from 1".to_owned()),
    }
}

impl Run for TreeArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let files = find::files(&session.connect()?, &self.address).await?;
        file::check_folder(&files, &self.address).await?;
        // Lines between names are for eyes alone.
        if matches!(session.look.reader(), Reader::Program | Reader::Terse) {
            let entries = entries(&files, &self.address, true);
            Rows::new(&session.look).show(entries).await?;
            return Ok(());
        }
        output::write(&format!("{}\n", escape(&self.address.to_string())))?;
        let (folders, files) = self.draw(&files).await?;
        output::write(&format!(
            "{}, {}\n",
            output::counted(folders, "folder"),
            output::counted(files, "file")
        ))
    }
}

impl TreeArguments {
    /// Shows all that is below, as it is listed, and counts folders and files. Of each folder on the way to an entry a page
    /// is in memory.
    async fn draw(&self, files: &Files) -> Result<(u64, u64), Failure> {
        let mut counts = (0, 0);
        let top = Level::open(files, &self.address, self.address.bare(), String::new());
        let mut levels = vec![top.await?];
        while let Some(level) = levels.last_mut() {
            let Some(entry) = level.next.take() else {
                levels.pop();
                continue;
            };
            level.advance(&self.address).await?;
            let (arm, room) = match level.next {
                None => ("└── ", "    "),
                Some(_) => ("├── ", "│   "),
            };
            let path = entry.path.trim_end_matches('/');
            let name = escape(path.rsplit('/').next().unwrap_or_default());
            let slash = if entry.is_folder() { "/" } else { "" };
            output::write(&format!("{}{arm}{name}{slash}\n", level.left))?;
            if !entry.is_folder() {
                counts.1 += 1;
                continue;
            }
            counts.0 += 1;
            let left = format!("{}{room}", level.left);
            if self.depth.is_none_or(|most| levels.len() < most) {
                levels.push(Level::open(files, &self.address, path, left).await?);
            }
        }
        Ok(counts)
    }
}

/// A folder that is being shown: whether an entry is the last is known when the next has come.
struct Level {
    listed: FileItems,
    /// With a slash at the end.
    folder: String,
    /// The lines to the left of its entries.
    left: String,
    next: Option<FileEntry>,
}

impl Level {
    async fn open(
        files: &Files,
        address: &Remote,
        folder: &str,
        left: String,
    ) -> Result<Self, Failure> {
        let mut level = Self {
            listed: files.list().folder(folder).prefetch(true).by_item(),
            folder: format!("{}/", folder.trim_end_matches('/')),
            left,
            next: None,
        };
        level.advance(address).await?;
        Ok(level)
    }

    async fn advance(&mut self, address: &Remote) -> Result<(), Failure> {
        self.next = None;
        while let Some(entry) = self.listed.next().await {
            let entry = entry.doing(|| format!("list {}", address.at(&self.folder)))?;
            let below = entry.path.trim_end_matches('/').strip_prefix(&self.folder);
            // A service may list what is further below too.
            if below.is_some_and(|below| !below.is_empty() && !below.contains('/')) {
                self.next = Some(entry);
                break;
            }
        }
        Ok(())
    }
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
            .folder(self.address.bare())
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
