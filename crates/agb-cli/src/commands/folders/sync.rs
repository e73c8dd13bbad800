//! `agb sync` and `agb diff`.

use std::path::{Path, PathBuf};

use agbcloud::{ConflictPolicy, Context, DeleteLimit, SyncPlan};
use clap::{ArgGroup, Args};
use clap_complete::ArgValueCompleter;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::{
    copy::execute,
    folder_sync::FolderSync,
    options::FolderOptions,
    plan::{Skipped, Task, deletions, preview},
};
use crate::{
    address::{Address, Remote},
    commands::{
        completion,
        confirm::confirm,
        lookup,
        session::{Run, Session},
    },
    connection::{self, ServiceClient},
    failure::{Code, Failure},
    output::counted,
    stderr,
};

/// The folders and options of sync and diff.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("deleting").args(["delete", "both"])))]
pub(crate) struct SyncFolders {
    /// Source folder: a local one, or NAME:/path
    #[arg(value_name = "SRC", add = ArgValueCompleter::new(completion::addresses))]
    from: Address,
    /// Destination folder: a local one, or NAME:/path
    #[arg(value_name = "DST", add = ArgValueCompleter::new(completion::addresses))]
    to: Address,
    /// Delete files that are not in SRC, after all copies succeeded
    #[arg(long)]
    delete: bool,
    /// Copy and delete in both directions what changed since the last sync with --both
    #[arg(long)]
    both: bool,
    /// Neither use nor write the state of the previous sync
    #[arg(long, conflicts_with = "both")]
    no_state: bool,
    #[command(flatten)]
    options: FolderOptions,
}

impl SyncFolders {
    fn direction(&self) -> Result<SyncDirection<'_>, Failure> {
        match (&self.from, &self.to) {
            (Address::Local(local), Address::Remote(remote)) => {
                Ok(SyncDirection::Upload(local, remote))
            }
            (Address::Remote(remote), Address::Local(local)) => {
                Ok(SyncDirection::Download(remote, local))
            }
            (Address::Local(_), Address::Local(_)) => {
                Err(Failure::usage("one of the folders must be NAME:/path"))
            }
            (Address::Remote(_), Address::Remote(_)) => {
                let failure = Failure::usage("one of the folders must be local");
                Err(failure.with_hint("sync to a local folder first, then from there"))
            }
        }
    }

    fn task(&self, verb: &'static str) -> Task {
        match self.both {
            true => Task::both(verb, &self.from, &self.to),
            false => Task::new(verb, &self.from, &self.to),
        }
    }

    /// Prepares the sync. Fails if the folder to read does not exist; with --both, if neither folder does.
    async fn sync(&self, client: &ServiceClient) -> Result<FolderSync, Failure> {
        self.options.check_conflict(self.both)?;
        match self.both {
            true => self.sync_both(client).await,
            false => self.sync_one_way(client).await,
        }
    }

    async fn sync_both(&self, client: &ServiceClient) -> Result<FolderSync, Failure> {
        let (SyncDirection::Upload(local, remote) | SyncDirection::Download(remote, local)) =
            self.direction()?;
        let context = lookup::context(client, &remote.context).await?;
        let files = client.contexts().files(&context.id);
        if !local.exists() {
            lookup::check_folder(&files, remote).await?;
        }
        let folder = remote.without_slash();
        let state = state_file(client, &context, local, Some(folder))?;
        let sync = files.sync_dir(local, folder, state);
        Ok(FolderSync::TwoWay(self.options.apply_both(sync)))
    }

    async fn sync_one_way(&self, client: &ServiceClient) -> Result<FolderSync, Failure> {
        let direction = self.direction()?;
        let (SyncDirection::Upload(local, remote) | SyncDirection::Download(remote, local)) =
            direction;
        if let SyncDirection::Upload(local, _) = direction {
            lookup::check_local_folder(local)?;
        }
        let context = lookup::context(client, &remote.context).await?;
        let files = client.contexts().files(&context.id);
        let mut sync = match direction {
            SyncDirection::Upload(..) => files.upload_dir(local, remote.without_slash()),
            SyncDirection::Download(..) => {
                lookup::check_folder(&files, remote).await?;
                files.download_dir(remote.without_slash(), local)
            }
        };
        sync = self
            .options
            .apply(sync, ConflictPolicy::Fail)
            .delete(self.delete);
        if !self.no_state {
            sync = sync.state(state_file(client, &context, local, None)?);
        }
        Ok(sync.into())
    }
}

#[derive(Clone, Copy)]
enum SyncDirection<'a> {
    Upload(&'a Path, &'a Remote),
    Download(&'a Remote, &'a Path),
}

/// The path of the state file of an endpoint, a context and a local folder; for a sync in both directions also of the remote
/// folder.
fn state_file(
    client: &ServiceClient,
    context: &Context,
    local: &Path,
    both: Option<&str>,
) -> Result<PathBuf, Failure> {
    let local = std::path::absolute(local).map_err(|error| {
        Failure::with_cause(format!("can't resolve {}", local.display()), error)
    })?;
    let mut digest = Sha256::new();
    for part in [
        client.endpoint(),
        context.id.as_str(),
        &local.to_string_lossy(),
    ]
    .into_iter()
    .chain(both)
    {
        digest.update(part);
        digest.update([0]);
    }
    let name = HEXLOWER.encode(&digest.finalize()[..16]);
    Ok(connection::sync_folder()?.join(name))
}

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
    #[command(flatten)]
    folders: SyncFolders,
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
        let sync = self.folders.sync(&session.connect()?).await?;
        let limit = self.max_delete.unwrap_or_default();
        if self.dry_run {
            // Lists all deletions before it fails for too many.
            let sync = sync.delete_limit(DeleteLimit::NONE);
            let plan = preview(session, &self.folders.task("sync"), sync, Skipped::Listed).await?;
            return Ok(plan.check_delete_limit(limit)?);
        }
        let sync = sync.delete_limit(limit);
        let check = |plan: &SyncPlan| confirm_deletions(plan, self.yes);
        execute(session, &self.folders.task("sync"), sync, check).await
    }
}

/// Asks before a first sync deletes files, which may never have been in the source.
fn confirm_deletions(plan: &SyncPlan, yes: bool) -> Result<(), Failure> {
    let deleted = deletions(plan);
    // The first sync in both directions deletes nothing.
    if deleted == 0 || plan.has_baseline() {
        return Ok(());
    }
    let action = format!(
        "first sync of the folders deletes {}",
        counted(deleted as u64, "file")
    );
    confirm(&action, None, yes)
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
