//! `agb tree`.

use agbcloud::{FileEntry, FileItems, Files};
use clap::Args;
use clap_complete::ArgValueCompleter;

use crate::{
    address::{self, Remote},
    commands::{
        completion, lookup,
        operands::{Operand, for_each_operand},
        session::{Run, Session},
    },
    failure::{ErrorContext, Failure},
    output::{self, OutputMode, Rows, escape, records::EntryRow},
};

#[derive(Debug, Args)]
pub(crate) struct TreeArguments {
    /// Folders, as NAME:/path or NAME
    #[arg(value_name = "NAME:/PATH", required = true, value_parser = address::folder, add = ArgValueCompleter::new(completion::addresses))]
    addresses: Vec<Remote>,
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
        let print = async |operand: &Operand, several| self.print(session, operand, several).await;
        for_each_operand(session, &self.addresses, print).await
    }
}

impl TreeArguments {
    async fn print(
        &self,
        session: &Session,
        operand: &Operand,
        several: bool,
    ) -> Result<(), Failure> {
        let Operand { files, address } = operand;
        lookup::check_folder(files, address).await?;
        if matches!(session.output.mode(), OutputMode::Json | OutputMode::Quiet) {
            let mut rows = Rows::new(&session.output);
            return self
                .visit(operand, |entry, _| {
                    let row = EntryRow::from(entry);
                    rows.print(&[match several {
                        true => row.in_context(&address.context),
                        false => row,
                    }])
                })
                .await;
        }
        output::write(&format!("{}\n", escape(&address.to_string())))?;
        let (mut folders, mut count) = (0, 0);
        self.visit(operand, |entry, branch| {
            let path = entry.path.trim_end_matches('/');
            let name = escape(path.rsplit('/').next().unwrap_or_default());
            let (slash, counter) = match entry.is_folder() {
                true => ("/", &mut folders),
                false => ("", &mut count),
            };
            *counter += 1;
            output::write(&format!("{branch}{name}{slash}\n"))
        })
        .await?;
        output::write(&format!(
            "{}, {}\n",
            output::counted(folders, "folder"),
            output::counted(count, "file")
        ))
    }

    /// Passes on each entry down to the depth, with the branch before its name, while the tree is listed. Memory holds one
    /// page of each folder on the path to the current entry.
    async fn visit(
        &self,
        operand: &Operand,
        mut show: impl FnMut(FileEntry, &str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Operand { files, address } = operand;
        let top = Level::open(files, address, address.without_slash(), String::new());
        let mut levels = vec![top.await?];
        while let Some(level) = levels.last_mut() {
            let Some(entry) = level.next.take() else {
                levels.pop();
                continue;
            };
            level.advance(address).await?;
            let (branch, indent) = match level.next {
                None => ("└── ", "    "),
                Some(_) => ("├── ", "│   "),
            };
            let branch = format!("{}{branch}", level.indent);
            let indent = format!("{}{indent}", level.indent);
            let folder = entry
                .is_folder()
                .then(|| entry.path.trim_end_matches('/').to_owned());
            show(entry, &branch)?;
            if let Some(folder) = folder
                && self.depth.is_none_or(|depth| levels.len() < depth)
            {
                levels.push(Level::open(files, address, &folder, indent).await?);
            }
        }
        Ok(())
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
