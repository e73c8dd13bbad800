//! `agb cp` and `agb mv`.

use clap::Args;
use clap_complete::ArgValueCompleter;

use super::{copier::Copier, options::CopyOptions};
use crate::{
    address::Address,
    commands::{
        completion,
        folders::{FolderOptions, Selection},
        session::{Run, Session},
    },
    failure::Failure,
};

#[derive(Debug, Args)]
#[command(override_usage = "agb cp [OPTIONS] <SRC>... <DST>")]
pub(crate) struct CpArguments {
    #[command(flatten)]
    paths: CopyPaths,
    #[command(flatten)]
    options: CopyOptions,
    /// Do not flush local files to the disk: faster, but a power failure may leave empty files
    #[arg(long)]
    no_fsync: bool,
    #[command(flatten)]
    folders: FolderOptions,
}

/// The sources and the destination.
#[derive(Debug, Args)]
struct CopyPaths {
    /// Sources, then the destination: local paths, or NAME:/path, of which at least one side. Globs of contexts are
    /// expanded
    #[arg(value_name = "PATH", required = true, num_args = 2.., add = ArgValueCompleter::new(completion::addresses_and_files))]
    paths: Vec<Address>,
}

impl Run for CpArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let copier = Copier::new("cp", session, &self.options, &self.folders, !self.no_fsync);
        let (from, to) = self.paths.split()?;
        copier.run(&from, to).await
    }
}

impl CopyPaths {
    fn split(mut self) -> Result<(Vec<Address>, Address), Failure> {
        match self.paths.pop() {
            Some(to) if !self.paths.is_empty() => Ok((self.paths, to)),
            _ => Err(Failure::usage("the destination is missing")),
        }
    }
}

#[derive(Debug, Args)]
#[command(override_usage = "agb mv [OPTIONS] <SRC>... <DST>")]
pub(crate) struct MvArguments {
    #[command(flatten)]
    paths: CopyPaths,
    #[command(flatten)]
    options: CopyOptions,
    /// Compare by checksum, as a move always does
    #[arg(long, hide = true)]
    checksum: bool,
    #[command(flatten)]
    selection: Selection,
}

impl Run for MvArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let folders = FolderOptions::from(self.selection);
        let mut copier = Copier::new("mv", session, &self.options, &folders, true);
        copier.moves = true;
        let (from, to) = self.paths.split()?;
        copier.run(&from, to).await
    }
}
