//! `agb transfers`: interrupted downloads of large files, which the same command continues.

use std::path::PathBuf;

use agbcloud::PartialDownload;
use clap::{Args, Subcommand};

use crate::{
    connection,
    failure::{ErrorContext, Failure},
    output::{OutputMode, OutputOptions, Rows, TransferRow, bytes},
    stderr,
};

#[derive(Debug, Subcommand)]
pub(crate) enum TransfersCommand {
    /// List interrupted downloads of large files
    #[command(
        visible_alias = "ls",
        after_long_help = "Examples:\n  agb transfers list"
    )]
    List(ListTransfers),
    /// Delete what is kept of interrupted downloads
    #[command(
        after_long_help = "Examples:\n  agb transfers clean\n  agb transfers clean ./data.tar"
    )]
    Clean(CleanTransfers),
}

impl TransfersCommand {
    pub(crate) fn prints(&self) -> bool {
        matches!(self, Self::List(_))
    }

    pub(crate) fn run(self) -> Result<(), Failure> {
        match self {
            Self::List(command) => command.run(),
            Self::Clean(command) => command.run(),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ListTransfers {
    #[command(flatten)]
    output: OutputOptions,
}

impl ListTransfers {
    fn run(self) -> Result<(), Failure> {
        self.output.set_colors();
        let rows: Vec<TransferRow> = downloads()?.iter().map(TransferRow::new).collect();
        let mut printed = Rows::new(&self.output);
        printed.print(&rows)?;
        if rows.is_empty() && self.output.mode() == OutputMode::Human {
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
    #[command(flatten)]
    output: OutputOptions,
}

impl CleanTransfers {
    fn run(self) -> Result<(), Failure> {
        self.output.set_colors();
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
        if self.output.mode() == OutputMode::Json {
            return Rows::new(&self.output).print(&rows);
        }
        for row in rows {
            let kept = bytes(Some(row.received));
            stderr::note(format_args!("deleted {kept} of {}", row.target));
        }
        Ok(())
    }
}

fn downloads() -> Result<Vec<PartialDownload>, Failure> {
    let listed = PartialDownload::list(connection::transfers_folder()?);
    listed.with_action(|| "list interrupted downloads".to_owned())
}
