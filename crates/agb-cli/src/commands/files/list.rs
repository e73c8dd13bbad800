//! `agb ls`, `agb tree` and `agb du`.

use std::collections::BTreeMap;

use agbcloud::{FileEntry, FileItems, Files};
use clap::Args;
use clap_complete::ArgValueCompleter;
use futures_util::{Stream, StreamExt, future::Either, stream};

use crate::{
    address::Remote,
    commands::{
        completion, lookup,
        session::{Run, Session},
    },
    failure::{ErrorContext, Failure},
    output::{
        self, OutputMode, Rows, escape,
        records::{EntryRow, NameRow, UsageRow},
    },
};

#[derive(Debug, Args)]
pub(crate) struct LsArguments {
    /// Folder or file, as NAME:/path
    #[arg(value_name = "NAME:/PATH", add = ArgValueCompleter::new(completion::addresses))]
    address: Remote,
    /// List the contents of subfolders
    #[arg(long, short = 'R')]
    recursive: bool,
    /// Show kind, size and modification time
    #[arg(long, short)]
    long: bool,
}

impl Run for LsArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let files = lookup::files(&session.connect()?, &self.address).await?;
        let mut entries = entries(&files, &self.address, self.recursive).peekable();
        // The service lists a missing folder and a file as empty.
        if std::pin::Pin::new(&mut entries).peek().await.is_none()
            && self.address.without_slash() != "/"
        {
            let entry = lookup::entry(&files, &self.address).await?;
            if !entry.is_folder() {
                let file = stream::iter([Ok(EntryRow::from(entry))]);
                return self.print(session, file).await;
            }
        }
        self.print(session, entries).await
    }
}

impl LsArguments {
    async fn print(
        &self,
        session: &Session,
        entries: impl Stream<Item = Result<EntryRow, Failure>>,
    ) -> Result<(), Failure> {
        let rows = Rows::new(&session.output);
        if self.long || session.output.mode() == OutputMode::Json {
            rows.print_all(entries).await?;
        } else {
            rows.print_all(entries.map(|entry| entry.map(NameRow)))
                .await?;
        }
        Ok(())
    }
}

/// Lists a folder, with its subfolders if `recursive` is set.
fn entries(
    files: &Files,
    folder: &Remote,
    recursive: bool,
) -> impl Stream<Item = Result<EntryRow, Failure>> + Unpin + use<> {
    let listing = files.list().folder(folder.without_slash()).prefetch(true);
    let entries = match recursive {
        true => Either::Left(listing.walk()),
        false => Either::Right(listing.by_item()),
    };
    let folder = folder.clone();
    entries.map(move |entry| {
        entry
            .map(EntryRow::from)
            .with_action(|| format!("list {folder}"))
    })
}

#[derive(Debug, Args)]
pub(crate) struct TreeArguments {
    /// Folder, as NAME:/path
    #[arg(value_name = "NAME:/PATH", add = ArgValueCompleter::new(completion::addresses))]
    address: Remote,
    /// Maximum depth, at least 1
    #[arg(long, short = 'L', value_name = "LEVELS", value_parser = depth)]
    depth: Option<usize>,
}

fn depth(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(depth) if depth > 0 => Ok(depth),
        _ => Err("expected a number of levels from 1".to_owned()),
    }
}

impl Run for TreeArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let files = lookup::files(&session.connect()?, &self.address).await?;
        lookup::check_folder(&files, &self.address).await?;
        if matches!(session.output.mode(), OutputMode::Json | OutputMode::Quiet) {
            let entries = entries(&files, &self.address, true);
            Rows::new(&session.output).print_all(entries).await?;
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
    /// Prints the tree while it is listed, and counts folders and files. Memory holds one page of each folder on the path
    /// to the current entry.
    async fn draw(&self, files: &Files) -> Result<(u64, u64), Failure> {
        let mut counts = (0, 0);
        let top = Level::open(
            files,
            &self.address,
            self.address.without_slash(),
            String::new(),
        );
        let mut levels = vec![top.await?];
        while let Some(level) = levels.last_mut() {
            let Some(entry) = level.next.take() else {
                levels.pop();
                continue;
            };
            level.advance(&self.address).await?;
            let (branch, indent) = match level.next {
                None => ("└── ", "    "),
                Some(_) => ("├── ", "│   "),
            };
            let path = entry.path.trim_end_matches('/');
            let name = escape(path.rsplit('/').next().unwrap_or_default());
            let slash = if entry.is_folder() { "/" } else { "" };
            output::write(&format!("{}{branch}{name}{slash}\n", level.indent))?;
            if !entry.is_folder() {
                counts.1 += 1;
                continue;
            }
            counts.0 += 1;
            let indent = format!("{}{indent}", level.indent);
            if self.depth.is_none_or(|depth| levels.len() < depth) {
                levels.push(Level::open(files, &self.address, path, indent).await?);
            }
        }
        Ok(counts)
    }
}

/// A folder that is being printed. Printing an entry requires the next one, which shows whether it is the last.
struct Level {
    listed: FileItems,
    /// Ends with a slash.
    folder: String,
    /// The text before its entries.
    indent: String,
    next: Option<FileEntry>,
}

impl Level {
    async fn open(
        files: &Files,
        address: &Remote,
        folder: &str,
        indent: String,
    ) -> Result<Self, Failure> {
        let mut level = Self {
            listed: files.list().folder(folder).prefetch(true).by_item(),
            folder: format!("{}/", folder.trim_end_matches('/')),
            indent,
            next: None,
        };
        level.advance(address).await?;
        Ok(level)
    }

    async fn advance(&mut self, address: &Remote) -> Result<(), Failure> {
        self.next = None;
        while let Some(entry) = self.listed.next().await {
            let entry =
                entry.with_action(|| format!("list {}", address.with_path(&self.folder)))?;
            let below = entry.path.trim_end_matches('/').strip_prefix(&self.folder);
            // A service may also list entries of subfolders.
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
    /// Folder, as NAME:/path
    #[arg(value_name = "NAME:/PATH", add = ArgValueCompleter::new(completion::addresses))]
    address: Remote,
    /// Show only the total
    #[arg(long, short)]
    summarize: bool,
}

impl Run for DuArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let files = lookup::files(&session.connect()?, &self.address).await?;
        lookup::check_folder(&files, &self.address).await?;
        let top = self
            .address
            .without_slash()
            .trim_end_matches('/')
            .to_owned();
        let mut walk = files
            .list()
            .folder(self.address.without_slash())
            .prefetch(true)
            .walk();
        let mut sums: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        let mut all = (0, 0);
        while let Some(entry) = walk.next().await {
            let entry = entry.with_action(|| format!("list {}", self.address))?;
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
        rows.push(row(self.address.without_slash().to_owned(), all));
        Rows::new(&session.output).print(&rows)
    }
}
