//! Recording downloaded files in the state.
//!
//! The times of a new file do not identify its content yet: another write within the granularity of the file system's clock would
//! not change them. So a file is recorded after a short delay, if its identity is still the same.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use crate::{
    Downloaded, RemotePath, Result,
    file::local::{LocalIdentity, blocking, file_system_time},
    sync::{
        options::SyncOptions,
        state::{RemoteTime, SyncedVersion, etag_number},
    },
};

/// Delay after which a file is recorded: longer than a tick of the clock of a file system with fractions of seconds.
const DELAY: Duration = Duration::from_millis(30);

/// Number of files that are recorded together.
const BATCH: usize = 256;

/// Records downloaded files.
pub(super) struct DownloadRecorder {
    options: SyncOptions,
    waiting: Mutex<VecDeque<RecentDownload>>,
}

/// A published file that has not been recorded.
struct RecentDownload {
    published_at: Instant,
    remote: RemotePath,
    local_path: PathBuf,
    version: SyncedVersion,
}

impl DownloadRecorder {
    pub(super) fn new(options: SyncOptions) -> Self {
        Self {
            options,
            waiting: Mutex::default(),
        }
    }

    /// Adds a file that was just published, with its modification time.
    pub(super) async fn add(
        &self,
        remote: RemotePath,
        path: &Path,
        downloaded: &Downloaded,
        modified: Option<SystemTime>,
    ) -> Result<()> {
        if self.options.state.is_none() {
            return Ok(());
        }
        let local_path = path.to_owned();
        let metadata = blocking(move || Ok(local_path.symlink_metadata().ok())).await?;
        let Some(local) = metadata.as_ref().map(LocalIdentity::of) else {
            return Ok(());
        };
        // Another program has replaced the file.
        let has_time = |time| local.has_modified_time(time);
        if local.size != downloaded.bytes || !modified.is_none_or(has_time) {
            return Ok(());
        }
        let client = &self.options.files.client;
        let version = SyncedVersion {
            crc64: downloaded.crc64,
            etag: etag_number(downloaded.etag.as_deref()),
            local,
            recent: true,
            remote: match modified {
                Some(modified) => RemoteTime::Listed {
                    modified,
                    recent: client
                        .service_clock()
                        .is_recent(modified, client.time().system_time()),
                },
                None => RemoteTime::Unknown,
            },
        };
        self.waiting().push_back(RecentDownload {
            published_at: client.time().now(),
            remote,
            local_path: path.to_owned(),
            version,
        });
        Ok(())
    }

    /// Whether a batch of files can be recorded.
    pub(super) fn is_due(&self) -> bool {
        let waiting = self.waiting();
        let is_due = |download: &RecentDownload| {
            self.options
                .files
                .client
                .time()
                .since(download.published_at)
                >= DELAY
        };
        waiting.get(BATCH - 1).is_some_and(is_due)
    }

    /// Records a batch of files. [`is_due`](Self::is_due) must have returned `true`.
    pub(super) async fn record_due(&self) -> Result<()> {
        let due: Vec<_> = self.waiting().drain(..BATCH).collect();
        self.record(due).await
    }

    /// Records all files, after the delay of the last one.
    pub(super) async fn record_all(&self) -> Result<()> {
        let all = std::mem::take(&mut *self.waiting());
        let Some(last) = all.back() else {
            return Ok(());
        };
        let time = self.options.files.client.time();
        time.sleep(DELAY.saturating_sub(time.since(last.published_at)))
            .await;
        self.record(all.into()).await
    }

    async fn record(&self, mut downloads: Vec<RecentDownload>) -> Result<()> {
        let folder = self.options.local.clone();
        let check = move || {
            let now = file_system_time(&[&folder]);
            for download in &mut downloads {
                let metadata = download.local_path.symlink_metadata().ok();
                let current = metadata.as_ref().map(LocalIdentity::of);
                let version = &mut download.version;
                let is_same = current == Some(version.local);
                version.recent = !is_same || version.local.is_recent(now);
            }
            Ok(downloads)
        };
        for download in blocking(check).await? {
            let version = Some(download.version);
            self.options.record(&download.remote, version).await?;
        }
        Ok(())
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<RecentDownload>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
