//! [`Copier`]: copies or moves the sources of a command to its destination.

use std::{
    collections::HashSet,
    fmt::Display,
    path::{Path, PathBuf},
};

use super::{
    copied::Copied,
    local_source::{is_stream, open_stdin},
    options::CopyOptions,
};
use crate::{
    address::Address,
    commands::{
        folders::{FolderOptions, TransferResults},
        operands::{Operand, Operands},
        session::Session,
    },
    failure::Failure,
    output::{
        OutputMode, Rows, bytes, quote,
        records::{ChangeRow, TransferSummary},
    },
    stdio,
};

/// Default number of files of a folder that are copied concurrently within the service, or moved.
pub(in crate::commands) const DEFAULT_JOBS: usize = 8;

/// A command that copies or moves files, and its options.
pub(super) struct Copier<'a> {
    /// The command: `get`, `put`, `cp` or `mv`.
    pub(super) verb: &'static str,
    pub(super) session: &'a Session,
    pub(super) options: &'a CopyOptions,
    pub(super) folders: &'a FolderOptions,
    /// Whether local files are flushed to the disk.
    pub(super) durable: bool,
    /// Whether sources are deleted after their copies are verified.
    pub(super) moves: bool,
    /// Whether the destination must be a folder, since there are several sources or a glob.
    pub(super) several: bool,
    pub(super) results: TransferResults<'a>,
    /// The targets of this command. Two sources must not have the same one.
    targets: HashSet<String>,
}

/// A file or folder on either side.
pub(super) enum Place {
    Local(PathBuf),
    Remote(Operand),
}

impl Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local(path) => path.display().fmt(f),
            Self::Remote(operand) => operand.address.fmt(f),
        }
    }
}

impl<'a> Copier<'a> {
    pub(super) fn new(
        verb: &'static str,
        session: &'a Session,
        options: &'a CopyOptions,
        folders: &'a FolderOptions,
        durable: bool,
    ) -> Self {
        Self {
            verb,
            session,
            options,
            folders,
            durable,
            moves: false,
            several: false,
            results: TransferResults::new(session, 0),
            targets: HashSet::new(),
        }
    }

    /// Number of files of a folder that are copied concurrently within the service, or moved.
    pub(super) fn jobs(&self) -> usize {
        self.folders.jobs().unwrap_or(DEFAULT_JOBS)
    }

    /// Copies or moves all sources. The failure of one does not stop the others.
    pub(super) async fn run(mut self, from: &[Address], to: Address) -> Result<(), Failure> {
        self.folders.check_recursive(self.options.recursive)?;
        let is_local = |address: &Address| matches!(address, Address::Local(_));
        if is_local(&to) && from.iter().any(is_local) {
            let failure = Failure::usage("the source and the destination are both local");
            return Err(failure.with_hint("write NAME:/path for a file of a context"));
        }
        let mut stdin = open_stdin(from, self.session)?;
        if let Address::Local(path) = &to {
            self.check_local_target(path)?;
        }
        let client = self.options.bandwidth.connect(self.session)?;
        let mut operands = Operands::new(&client);
        let to = match to {
            Address::Local(path) => Place::Local(path),
            Address::Remote(address) => Place::Remote(Operand {
                files: operands.files(&address).await?,
                address,
            }),
        };
        let sources = self.sources(&mut operands, from).await?;
        if let Place::Local(path) = &to
            && self.several
            && path.is_file()
        {
            let message = format!("{} is a file, not a folder", path.display());
            return Err(Failure::usage(message));
        }
        for source in &sources {
            let copied = match (source, &to) {
                (Place::Local(from), Place::Remote(to)) => self.put(from, to, stdin.take()).await,
                (Place::Remote(from), Place::Local(to)) => self.get(from, to).await,
                (Place::Remote(from), Place::Remote(to)) => self.copy(from, to).await,
                (Place::Local(_), Place::Local(_)) => Ok(()),
            };
            self.results.record(&source.to_string(), copied)?;
        }
        self.results.finish()
    }

    /// Checks a local destination that is no file or folder.
    fn check_local_target(&mut self, path: &Path) -> Result<(), Failure> {
        if self.moves && (stdio::is_stdout(path) || is_stream(path)) {
            let message = format!("{} can't be the target of a move", path.display());
            let hint = "a stream keeps no copy: print or copy the file with agb cp, then delete it with agb rm";
            return Err(Failure::usage(message).with_hint(hint));
        }
        if !stdio::is_stdout(path) || self.options.dry_run {
            return Ok(());
        }
        if self.session.output.mode() == OutputMode::Json {
            let failure = Failure::usage("--json does not apply to the content of a file");
            return Err(failure.with_hint("omit --json, or get the file into a local file"));
        }
        stdio::check_stdout()?;
        self.results.preview();
        Ok(())
    }

    /// Prints the change that a command for one file would make, and fails if it would fail.
    pub(super) fn preview_file(
        &mut self,
        change: &'static str,
        path: &str,
        size: Option<u64>,
        check: Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.results.preview();
        let change = if self.moves { "move" } else { change };
        let row = ChangeRow::within_service(change, path.to_owned(), size, false);
        Rows::new(&self.session.output).print(&[row])?;
        check
    }

    /// The sources, with globs expanded.
    async fn sources(
        &mut self,
        operands: &mut Operands<'_>,
        from: &[Address],
    ) -> Result<Vec<Place>, Failure> {
        self.several = from.len() > 1;
        self.results.add_sources(from.len());
        let mut sources = Vec::new();
        for address in from {
            let remote = match address {
                Address::Local(path) => {
                    sources.push(Place::Local(path.clone()));
                    continue;
                }
                Address::Remote(remote) => remote,
            };
            match operands.expand(remote).await {
                Ok(found) => {
                    // The number of matches must not decide where they go.
                    self.several |= found.iter().any(|found| found.address != *remote);
                    self.results.add_sources(found.len() - 1);
                    sources.extend(found.into_iter().map(Place::Remote));
                }
                Err(failure) => self.results.record(&address.to_string(), Err(failure))?,
            }
        }
        Ok(sources)
    }

    /// Fails if another source of this command has the same target, which would be lost.
    pub(super) fn claim(&mut self, target: &str) -> Result<(), Failure> {
        match self.targets.insert(target.to_owned()) {
            true => Ok(()),
            false => Err(
                Failure::usage(format!("two sources have the same target {target}"))
                    .with_hint("copy one of them to another name"),
            ),
        }
    }

    /// The failure for a folder without -r, with the command for folders.
    pub(super) fn needs_recursive(&self, from: impl Display, to: impl Display) -> Failure {
        let (verb, from, to) = (self.verb, from.to_string(), quote(to));
        let failure = Failure::usage(format!("{from} is a folder"));
        let folder = quote(&from);
        let contents = quote(format_args!("{}/", from.trim_end_matches('/')));
        failure.with_hint(match from.ends_with('/') {
            true => format!("run: agb {verb} -r {folder} {to}"),
            false => {
                let other = match self.moves {
                    true => "to rename it",
                    false => "for its contents only",
                };
                format!("run: agb {verb} -r {folder} {to}; {other}: agb {verb} -r {contents} {to}")
            }
        })
    }

    /// Prints the result of one file.
    pub(super) fn print_copied(&mut self, copied: Copied, to: &str) -> Result<(), Failure> {
        let summary = TransferSummary {
            copied: 1,
            bytes: copied.bytes,
            deleted: u64::from(self.moves),
            ..TransferSummary::default()
        };
        let done = if self.moves { "moved" } else { "copied" };
        let message = format!("{done} to {to} ({})", bytes(Some(copied.bytes)));
        self.results.print(summary, &message)
    }
}
