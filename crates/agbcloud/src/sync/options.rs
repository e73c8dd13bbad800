//! The validated settings of a sync.

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use super::{
    filter::{EntryFilter, Symlinks},
    paths,
    state::{Baseline, SyncState, SyncedVersion},
};
use crate::{
    FileWalk, Files, FolderPath, Operation, RemotePath, Result,
    file::{
        local::{LocalFile, SourceFolder, cannot, not_a_folder},
        store_checksums,
    },
    transfer::StoreChecksums,
};

/// Default of [`SyncDir::max_concurrent_files`](crate::SyncDir::max_concurrent_files).
pub const DEFAULT_MAX_CONCURRENT_FILES: usize = 32;

/// Default of [`SyncDir::max_bytes_in_flight`](crate::SyncDir::max_bytes_in_flight): 256 MiB.
pub const DEFAULT_MAX_BYTES_IN_FLIGHT: u64 = 256 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
    Both(TwoWayConflict),
    /// Deletes remote files. There is no local folder.
    DeleteOnly,
}

impl Direction {
    pub(super) fn operation(self) -> Operation {
        match self {
            Self::Up | Self::Both(_) => Operation::Upload,
            Self::Down => Operation::Download,
            Self::DeleteOnly => Operation::DeleteContextFile,
        }
    }

    /// The name of the operation in traces.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Up => "UploadDir",
            Self::Down => "DownloadDir",
            Self::Both(_) => "SyncDir",
            Self::DeleteOnly => "DeleteDir",
        }
    }

    /// The name of its plan in traces.
    pub(super) fn plan_name(self) -> &'static str {
        match self {
            Self::Up => "PlanUploadDir",
            Self::Down => "PlanDownloadDir",
            Self::Both(_) => "PlanSyncDir",
            Self::DeleteOnly => "PlanDeleteDir",
        }
    }
}

/// How files are compared that exist on both sides with the same size.
///
/// Two files are the same only if a checksum of their content is, or if the [state](crate::SyncDir::state) contains both as
/// they are. Checksums come from the listing if the service reports them there, as `agb serve` does, or else from a request
/// for the first byte of the file. If the store reports no checksums, files are compared by size and time, and counted as
/// [unverified](crate::SyncReport::unverified).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Compare {
    /// Does not read a local file whose size, times and inode number are those in the state. Without a state, reads each
    /// local file that has the size of the remote one.
    #[default]
    SizeAndTime,
    /// Reads each local file that has the size of the remote one and compares its checksum with that of the store, even if
    /// the state contains both.
    Checksum,
}

/// What happens to a file on the target side that may not be an older version of the source.
///
/// With a [state](crate::SyncDir::state), this is a file whose content differs from that in the state, and with
/// [deletion](crate::SyncDir::delete) also a file that was added since the last sync. For a file that is not in the state,
/// the modification times decide: a target that is or may be newer than the source is in conflict. The clocks of both sides
/// are compared by the `Date` header of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ConflictPolicy {
    /// Reports a failure of kind [`Conflict`](crate::ErrorKind::Conflict) and writes nothing.
    #[default]
    Fail,
    /// Replaces or deletes the file, unless it has changed since it was compared.
    Overwrite,
    /// Leaves the file unchanged, and counts it as skipped.
    Skip,
    /// Replaces the file and keeps the replaced version beside it: `notes.txt` as
    /// `notes.conflict-20250529T122000.042Z-host-abcdefgh.txt`, with the time in UTC, the name of the local host and a
    /// random part. These copies are not deleted as extraneous files. A file that would be deleted is left unchanged.
    KeepBoth,
}

/// What happens to a file that was changed on both sides since the last sync, or that differs and was never on both sides: see
/// [`TwoWaySync`](crate::TwoWaySync).
///
/// A file that was changed on one side and deleted on the other is in conflict too. The changed file wins and is
/// [restored](crate::SyncReport::restored) on the other side, except with [`Skip`](Self::Skip), and except if the side that
/// deleted it is the one that wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TwoWayConflict {
    /// Reports a failure of kind [`Conflict`](crate::ErrorKind::Conflict) and leaves both files unchanged.
    #[default]
    Fail,
    /// Leaves both files unchanged, and counts the file as skipped.
    Skip,
    /// The file with the later modification time replaces the other one. If the order of the times is unknown, because they
    /// are too close for the clocks of both sides, the file fails as with [`Fail`](Self::Fail).
    Newer,
    /// The local file replaces the remote one.
    Local,
    /// The remote file replaces the local one.
    Remote,
    /// The remote file keeps the name. The local file is kept on both sides under another name, as with
    /// [`ConflictPolicy::KeepBoth`].
    KeepBoth,
}

/// The settings of a sync, validated, with the state opened. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct SyncOptions {
    pub(super) files: Files,
    pub(super) direction: Direction,
    pub(super) local: PathBuf,
    /// The local folder, if its files are uploaded without following symbolic links.
    pub(super) source: Option<Arc<SourceFolder>>,
    pub(super) remote: FolderPath,
    pub(super) compare: Compare,
    pub(super) delete: bool,
    pub(super) state: Option<Arc<SyncState>>,
    pub(super) on_conflict: ConflictPolicy,
    pub(super) filter: EntryFilter,
    pub(super) durable: bool,
    pub(super) max_concurrent_files: usize,
    pub(super) max_bytes_in_flight: u64,
    /// The start of the sync by the clock of the file system.
    pub(super) started: SystemTime,
}

impl SyncOptions {
    pub(super) fn walk_remote(&self) -> FileWalk {
        let listing = self.files.list().folder(self.remote.clone());
        listing
            .page_size(crate::MAX_PAGE_SIZE)
            .prefetch(true)
            .walk()
    }

    /// Starts to write the state.
    pub(super) async fn begin(&self) -> Result<()> {
        match &self.state {
            Some(state) => state.begin().await,
            None => Ok(()),
        }
    }

    /// Records in the state that the sync has ended.
    pub(super) async fn complete(&self) -> Result<()> {
        match &self.state {
            Some(state) => state.complete(&self.remote, self.baseline()).await,
            None => Ok(()),
        }
    }

    /// Removes the versions of files that neither side has from the state, after both sides were compared completely.
    pub(super) fn forget_unseen(&self) {
        if let Some(state) = &self.state {
            state.forget_unseen();
        }
    }

    /// Whether the state records that a sync of these folders has ended. If it has, another client has added a file that is
    /// not in the state.
    pub(super) fn has_baseline(&self) -> bool {
        let state = self.state.as_ref();
        state.is_some_and(|state| state.has_baseline(&self.remote, self.baseline()))
    }

    fn baseline(&self) -> Baseline {
        match self.direction {
            Direction::Both(_) => Baseline::TwoWay,
            Direction::Up | Direction::Down | Direction::DeleteOnly => Baseline::OneWay,
        }
    }

    /// Returns the version of a file in the state.
    pub(super) fn synced_version(&self, remote: &RemotePath) -> Option<SyncedVersion> {
        self.state.as_ref()?.get(remote)
    }

    /// Writes the version of a file to the state; `None` if the file does not exist.
    pub(super) async fn record(
        &self,
        remote: &RemotePath,
        version: Option<SyncedVersion>,
    ) -> Result<()> {
        match &self.state {
            Some(state) => state.put(remote, version).await,
            None => Ok(()),
        }
    }

    /// Requests the checksums of a remote file. Returns `None` if the file does not exist.
    pub(super) async fn store_checksums(
        &self,
        remote: &RemotePath,
    ) -> Result<Option<StoreChecksums>> {
        // Boxed: it is rare, and large enough to dominate the futures that compare files.
        Box::pin(store_checksums(&self.files, remote)).await
    }

    pub(super) async fn check_local_folder(&self) -> Result<()> {
        let failed = |error| cannot("read", &self.local, error);
        let metadata = tokio::fs::metadata(&self.local).await.map_err(failed)?;
        match metadata.is_dir() {
            true => Ok(()),
            false => Err(not_a_folder(&self.local)),
        }
    }

    /// Whether the local path exists and is not a folder, whether or not the filter includes it.
    pub(super) async fn is_local_file(&self, relative: &str) -> bool {
        match paths::to_local(relative) {
            Ok(path) => tokio::fs::symlink_metadata(self.local.join(path))
                .await
                .is_ok_and(|metadata| !metadata.is_dir()),
            Err(_) => false,
        }
    }

    /// Returns a local file to upload.
    pub(super) fn local_file(&self, relative: PathBuf) -> Result<LocalFile> {
        match &self.source {
            Some(source) => Ok(LocalFile::within(source, relative)),
            None if self.filter.symlinks == Symlinks::Follow => {
                Ok(LocalFile::following_links(self.local.join(relative)))
            }
            None => Err(not_a_folder(&self.local)),
        }
    }
}
