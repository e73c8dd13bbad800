//! `agb sync` and `agb diff`.

use std::time::Duration;

use agbcloud::{DeleteLimit, SyncPlan};
use clap::Args;

use super::{
    copy::execute,
    plan::{Skipped, check_failures, confirm_deletions, preview},
    sync_folders::SyncFolders,
    watch::{WatchOptions, watch},
};
use crate::{
    commands::{
        bandwidth::Bandwidth,
        session::{Run, Session},
    },
    failure::{Code, Failure},
    stderr,
};

#[derive(Debug, Args)]
pub(crate) struct SyncArguments {
    /// List the changes and make none
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Maximum number of files to delete, or percentage of the files in DST (N%), with --both on each side. Defaults to 1000 files and 50%
    #[arg(long, value_name = "N", requires = "deleting", value_parser = limit)]
    max_delete: Option<DeleteLimit>,
    /// Delete without confirmation in the first sync of two folders
    #[arg(long, short, requires = "delete")]
    yes: bool,
    /// Sync again whenever a local file changes, and at the interval, until Ctrl-C. Prints a line for each change
    #[arg(long, conflicts_with = "dry_run")]
    watch: bool,
    /// With --watch: time between checks of the context
    #[arg(long, value_name = "SECONDS", requires = "watch", default_value = "30", value_parser = seconds)]
    interval: Duration,
    #[command(flatten)]
    bandwidth: Bandwidth,
    #[command(flatten)]
    folders: SyncFolders,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..) => Ok(Duration::from_secs(seconds)),
        _ => Err("expected a number of seconds from 1".to_owned()),
    }
}

fn limit(text: &str) -> Result<DeleteLimit, String> {
    let wrong = || "expected a number of files, or a percentage from 0% to 100%".to_owned();
    match text.strip_suffix('%') {
        Some(percent) => match percent.parse() {
            Ok(percent @ 0..=100) => Ok(DeleteLimit::percent(percent)),
            _ => Err(wrong()),
        },
        None => text.parse().map(DeleteLimit::files).map_err(|_| wrong()),
    }
}

impl Run for SyncArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = self.bandwidth.connect(session)?;
        let limit = self.max_delete.unwrap_or_default();
        if self.watch {
            let (folders, yes, interval) = (&self.folders, self.yes, self.interval);
            let options = WatchOptions {
                session,
                client,
                folders,
                limit,
                yes,
                interval,
            };
            return Box::pin(watch(options)).await;
        }
        let sync = self.folders.sync(&client).await?;
        if self.dry_run {
            // Lists all deletions before it fails for too many.
            let sync = sync.delete_limit(DeleteLimit::NONE);
            let plan = preview(session, &self.folders.task("sync"), sync, Skipped::Listed).await?;
            plan.check_delete_limit(limit)?;
            return check_failures(&plan);
        }
        let sync = sync.delete_limit(limit);
        let check = |plan: &SyncPlan| confirm_deletions(plan, self.yes);
        execute(session, &self.folders.task("sync"), sync, check).await
    }
}

#[derive(Debug, Args)]
pub(crate) struct DiffArguments {
    #[command(flatten)]
    folders: SyncFolders,
}

impl Run for DiffArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let sync = self.folders.sync(&session.connect()?).await?;
        let sync = sync.delete_limit(DeleteLimit::NONE);
        let plan = match preview(
            session,
            &self.folders.task("compare"),
            sync,
            Skipped::Counted,
        )
        .await
        {
            // The reader closes the pipe after at least one difference.
            Err(failure) if failure.code == Code::BrokenPipe => {
                return Err(Failure::silent(Code::Differs));
            }
            plan => plan?,
        };
        check_failures(&plan)?;
        if let Err(error) = plan.check_delete_limit(DeleteLimit::default()) {
            stderr::note(format_args!(
                "note: agb sync would fail: {}",
                error.message()
            ));
        }
        match plan.changes().len() {
            0 => Ok(()),
            _ => Err(Failure::silent(Code::Differs)),
        }
    }
}
