//! The state that all running changes share, and the execution of one change.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use super::{
    concurrency_limit::{ConcurrencyLimit, Permit},
    conflict_copy::ConflictCopy,
    download_recorder::DownloadRecorder,
    local_folders::LocalFolders,
    read_ahead::Prepared,
    staging::StagingArea,
};
use crate::{
    Error, ErrorDetail, ErrorKind, RemotePath, Result,
    file::{group_sync::GroupSync, local::is_too_many_open_files},
    sync::{
        change::Change,
        options::{ConflictPolicy, Direction, SyncOptions},
        paths,
        plan::{PlannedChange, is_other_content},
        progress::SyncMeter,
    },
    transfer::StoreChecksums,
};

/// Maximum number of retries of a file while too many files are open.
const MAX_OPEN_FILE_RETRIES: u32 = 100;

/// Delay of such a retry.
const OPEN_FILE_DELAY: Duration = Duration::from_millis(250);

pub(super) struct SharedState {
    pub(super) options: SyncOptions,
    pub(super) meter: SyncMeter,
    pub(super) folders: Arc<LocalFolders>,
    pub(super) group_sync: Arc<GroupSync>,
    pub(super) recorder: DownloadRecorder,
    pub(super) staging: StagingArea,
    /// The store rejects conditional requests.
    pub(super) rejects_conditions: AtomicBool,
}

/// The result of a change.
pub(super) struct ChangeResult {
    /// The number of copied bytes.
    pub(super) result: Result<u64>,
    /// Relative path of the copy of the replaced version.
    pub(super) kept: Option<String>,
}

impl SharedState {
    pub(super) fn new(options: &SyncOptions, meter: SyncMeter) -> Self {
        Self {
            folders: Arc::new(LocalFolders::new(options.local.clone())),
            group_sync: GroupSync::new(options.files.client.time().clone(), options.durable),
            recorder: DownloadRecorder::new(options.clone()),
            staging: StagingArea::default(),
            options: options.clone(),
            meter,
            rejects_conditions: AtomicBool::new(false),
        }
    }

    /// Downloads a blocked file to the staging folder.
    pub(super) async fn stage(&self, planned: &PlannedChange) -> Result<()> {
        self.staging.fetch(&self.options, planned).await
    }

    /// Makes a change. Retries while too many files are open; its calls and transfers retry after throttling.
    pub(super) async fn run(
        &self,
        planned: &PlannedChange,
        mut prepared: Prepared,
        mut permit: Permit,
        (limit, bytes): (&Arc<ConcurrencyLimit>, u64),
    ) -> ChangeResult {
        let mut open_file_retries = MAX_OPEN_FILE_RETRIES;
        let mut kept = None;
        loop {
            let prepared = std::mem::take(&mut prepared);
            let result = self.attempt(planned, prepared, permit, &mut kept);
            match result.await {
                Err(error) if open_file_retries > 0 && is_too_many_open_files(&error) => {
                    open_file_retries -= 1;
                    // Counted like throttling, so that the limit on concurrent files is reduced.
                    self.options.files.client.overload().record();
                }
                result => {
                    return ChangeResult {
                        result,
                        kept: kept.map(|copy| copy.name),
                    };
                }
            }
            // Holds a permit during the delay: otherwise the remaining files would fail too.
            permit = limit.acquire(bytes).await;
            self.options
                .files
                .client
                .time()
                .sleep(OPEN_FILE_DELAY)
                .await;
        }
    }

    /// Makes a change. Returns the number of copied bytes.
    async fn attempt(
        &self,
        planned: &PlannedChange,
        Prepared { content, url }: Prepared,
        permit: Permit,
        kept: &mut Option<ConflictCopy>,
    ) -> Result<u64> {
        let remote = || paths::to_remote(&self.options.remote, &planned.path);
        let local = || paths::to_local(&planned.path);
        match planned.change {
            Change::Upload => {
                let file = self.options.local_file(local()?)?;
                let remote = remote()?;
                self.upload(planned, Prepared { content, url }, file, remote, kept)
                    .await
            }
            Change::Download => {
                let local = local()?;
                let result = self.download(planned, &local, (remote()?, url), permit, kept);
                match result.await {
                    Err(error)
                        if error.kind() == ErrorKind::Conflict && !affects_all_files(&error) =>
                    {
                        Err(self.options.explain_conflict(&planned.path, error).await)
                    }
                    result => result,
                }
            }
            Change::DeleteRemote => {
                self.delete_remote(planned, remote()?).await?;
                Ok(0)
            }
            Change::DeleteLocal => {
                let compared = planned.compared.local;
                self.folders.delete(&local()?, compared).await?;
                // A path without a valid remote name is not in the state.
                if let Ok(remote) = remote() {
                    self.options.record(&remote, None).await?;
                }
                Ok(0)
            }
        }
    }

    /// Deletes a remote file, unless its checksums show that it has changed since the comparison.
    async fn delete_remote(&self, planned: &PlannedChange, remote: RemotePath) -> Result<()> {
        let options = &self.options;
        let synced = options.synced_version(&remote);
        let compared = planned.compared.remote.as_ref();
        let is_checked = options.on_conflict != ConflictPolicy::Overwrite
            && (synced.is_some() || compared.is_some_and(|checksums| !checksums.is_empty()));
        if is_checked && let Some(current) = options.store_checksums(&remote).await? {
            let differs = compared.is_some_and(|compared| current.differs_from(compared));
            // A two-way sync may delete a version that differs from the state, but only the compared one.
            let is_two_way = matches!(options.direction, Direction::Both(_));
            let synced =
                synced.filter(|_| !is_two_way || compared.is_none_or(StoreChecksums::is_empty));
            if differs || synced.is_some_and(|synced| is_other_content(&current, &synced)) {
                let message = "the remote file changed since it was compared";
                let error = Error::new(ErrorKind::Conflict, message);
                return Err(error.with_detail(ErrorDetail::Changed));
            }
        }
        let delete = options.files.delete(remote.clone());
        delete.missing_ok(true).await?;
        options.record(&remote, None).await
    }
}

/// Whether every other file would fail in the same way.
pub(super) fn affects_all_files(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Unauthorized | ErrorKind::Configuration
    ) || matches!(
        error.detail(),
        Some(ErrorDetail::ContextNotFound | ErrorDetail::ContextClearing)
    )
}
