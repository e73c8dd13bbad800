//! [`SyncFolders`]: the folders and options of `agb sync` and `agb diff`.

use std::path::{Path, PathBuf};

use agbcloud::{ConflictPolicy, Context};
use clap::{ArgGroup, Args};
use clap_complete::ArgValueCompleter;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::{folder_sync::FolderSync, options::FolderOptions, plan::Task};
use crate::{
    address::{self, Address, Remote},
    commands::{completion, lookup},
    connection::{self, ServiceClient},
    failure::Failure,
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
                let failure = Failure::usage("one of the folders must be NAME:/path");
                Err(match (context_like(&self.from), context_like(&self.to)) {
                    (_, Some(to)) => {
                        failure.with_hint(format!("for the context {to}, write {to}:/"))
                    }
                    (Some(from), None) => {
                        failure.with_hint(format!("for the context {from}, write {from}:/"))
                    }
                    (None, None) => failure,
                })
            }
            (Address::Remote(_), Address::Remote(_)) => {
                let failure = Failure::usage("one of the folders must be local");
                Err(failure.with_hint("sync to a local folder first, then from there"))
            }
        }
    }

    pub(super) fn task(&self, verb: &'static str) -> Task {
        match self.both {
            true => Task::both(verb, &self.from, &self.to),
            false => Task::new(verb, &self.from, &self.to),
        }
    }

    /// Prepares the sync. Fails if the folder to read does not exist; with --both, if neither folder does.
    pub(super) async fn sync(&self, client: &ServiceClient) -> Result<FolderSync, Failure> {
        self.options.check_conflict(self.both)?;
        match self.both {
            true => self.sync_both(client).await,
            false => self.sync_one_way(client).await,
        }
    }

    /// The local folder, if its changes are copied.
    pub(super) fn watched_folder(&self) -> Option<&Path> {
        match (&self.from, &self.to) {
            (Address::Local(local), _) => Some(local),
            (_, Address::Local(local)) if self.both => Some(local),
            _ => None,
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

/// The local path, if it does not exist and can be the name of a context.
fn context_like(address: &Address) -> Option<String> {
    let Address::Local(path) = address else {
        return None;
    };
    let name = path.to_str().filter(|name| address::is_name(name))?;
    (!path.exists()).then(|| name.to_owned())
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
