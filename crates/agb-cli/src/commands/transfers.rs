//! `agb transfers`: interrupted downloads of large files, which the same command continues.

use std::path::PathBuf;

use agbcloud::PartialDownload;
use clap::{Args, Subcommand};

use super::session::{Run, Session, WithSession};
use crate::{
    connection,
    failure::{ErrorContext, Failure},
    output::{OutputMode, Rows, TransferRow, bytes},
    stderr,
};

#[derive(Debug, Subcommand)]
pub(crate) enum TransfersCommand {
    /// List interrupted downloads of large files
    #[command(
        visible_alias = "ls",
        after_long_help = "Examples:\n  agb transfers list"
    )]
    List(WithSession<ListTransfers>),
    /// Delete what is kept of interrupted downloads
    #[command(
        after_long_help = "Examples:\n  agb transfers clean\n  agb transfers clean ./data.tar"
    )]
    Clean(WithSession<CleanTransfers>),
}

impl TransfersCommand {
    pub(crate) fn prints(&self) -> bool {
        matches!(self, Self::List(_))
    }

    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::List(command) => command.run().await,
            Self::Clean(command) => command.run().await,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ListTransfers {}

impl Run for ListTransfers {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let rows: Vec<TransferRow> = downloads()?.iter().map(TransferRow::new).collect();
        let mut printed = Rows::new(&session.output);
        printed.print(&rows)?;
        if rows.is_empty() && session.output.mode() == OutputMode::Human {
            stderr::note("no interrupted downloads");
        }
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(crate) struct CleanTransfers {
    /// Local files whose downloads are deleted. Defaults to all that are not running
    #[arg(value_name = "FILE")]
    targets: Vec<PathBuf>,
    /// Accepted, as by other commands that delete: nothing is asked
    #[arg(long, short, hide = true)]
    yes: bool,
}

impl Run for CleanTransfers {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let mut targets = Vec::new();
        for target in &self.targets {
            let absolute = std::path::absolute(target);
            let failed =
                |error| Failure::with_cause(format!("can't resolve {}", target.display()), error);
            targets.push(absolute.map_err(failed)?);
        }
        let mut rows = Vec::new();
        for download in downloads()? {
            let named = targets
                .iter()
                .position(|target| target == download.target());
            if let Some(position) = named {
                targets.remove(position);
            } else if !self.targets.is_empty() || download.is_running() {
                continue;
            }
            let row = TransferRow::new(&download);
            let discarded = download.discard();
            discarded.with_action(|| format!("delete the download to {}", row.target))?;
            rows.push(row);
        }
        if let Some(missing) = targets.first() {
            let message = format!("no interrupted download to {}", missing.display());
            let failure = Failure::with_code(crate::failure::Code::NotFound, message);
            return Err(failure.with_hint("list them with 'agb transfers list'"));
        }
        if session.output.mode() == OutputMode::Json {
            return Rows::new(&session.output).print(&rows);
        }
        for row in rows {
            let kept = bytes(Some(row.received));
            let target = &row.target;
            stderr::note(format_args!(
                "deleted what was kept of the download to {target} ({kept})"
            ));
        }
        Ok(())
    }
}

fn downloads() -> Result<Vec<PartialDownload>, Failure> {
    let listed = PartialDownload::list(connection::transfers_folder()?);
    listed.with_action(|| "list interrupted downloads".to_owned())
}
