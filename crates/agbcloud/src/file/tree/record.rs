//! Remembering files that were fetched.
//!
//! The times of a file that was just written do not identify it yet: another write within the granularity of the file
//! system's clock would leave them as they are. So a file is remembered a moment later, when it still is what was fetched.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use super::{
    Setup,
    state::{Known, There, etag_number},
};
use crate::{
    Downloaded, RemotePath, Result,
    file::local::{LocalIdentity, blocking, file_time},
};

/// How long a file waits to be remembered: more than a tick of the clock of a file system that keeps fractions of seconds.
const WAIT: Duration = Duration::from_millis(30);

/// Files that are remembered together.
const MANY: usize = 256;

/// Remembers files that were fetched.
pub(super) struct Recorder {
    setup: Setup,
    waiting: Mutex<VecDeque<Fetched>>,
}

/// A file that was fetched and published.
struct Fetched {
    at: Instant,
    remote: RemotePath,
    local: PathBuf,
    known: Known,
}

impl Recorder {
    pub(super) fn new(setup: Setup) -> Self {
        Self {
            setup,
            waiting: Mutex::default(),
        }
    }

    /// Takes a file that was just published at a path below the local folder, with the time that it was given.
    pub(super) async fn fetched(
        &self,
        remote: RemotePath,
        local: &Path,
        done: &Downloaded,
        modified: Option<SystemTime>,
    ) -> Result<()> {
        if self.setup.state.is_none() {
            return Ok(());
        }
        let local = self.setup.local.join(local);
        let path = local.clone();
        let here = blocking(move || Ok(path.symlink_metadata().ok())).await?;
        let Some(here) = here.as_ref().map(LocalIdentity::of) else {
            return Ok(());
        };
        // Somebody else's already: what is remembered of it stays what it was.
        if here.size != done.bytes || modified.is_some_and(|time| !here.was_given(time)) {
            return Ok(());
        }
        let client = &self.setup.files.client;
        let known = Known {
            crc64: done.crc64,
            etag: etag_number(done.etag.as_deref()),
            here,
            recent: true,
            there: match modified {
                Some(modified) => There::Listed {
                    modified,
                    recent: client
                        .service_clock()
                        .is_recent(modified, client.time().system_time()),
                },
                None => There::Unknown,
            },
        };
        self.waiting().push_back(Fetched {
            at: client.time().now(),
            remote,
            local,
            known,
        });
        Ok(())
    }

    /// Whether many files have waited long enough.
    pub(super) fn is_due(&self) -> bool {
        let waiting = self.waiting();
        let long = |fetched: &Fetched| self.setup.files.client.time().since(fetched.at) >= WAIT;
        waiting.get(MANY - 1).is_some_and(long)
    }

    /// Remembers the files that have waited long enough.
    pub(super) async fn record_due(&self) -> Result<()> {
        let due: Vec<_> = self.waiting().drain(..MANY).collect();
        self.record(due).await
    }

    /// Remembers all files, once the last of them has waited long enough.
    pub(super) async fn record_all(&self) -> Result<()> {
        let all = std::mem::take(&mut *self.waiting());
        let Some(last) = all.back() else {
            return Ok(());
        };
        let time = self.setup.files.client.time();
        time.sleep(WAIT.saturating_sub(time.since(last.at))).await;
        self.record(all.into()).await
    }

    async fn record(&self, fetched: Vec<Fetched>) -> Result<()> {
        let folder = self.setup.local.clone();
        let look = move || {
            let now = file_time(&[&folder]);
            let mut fetched = fetched;
            for file in &mut fetched {
                let here = file.local.symlink_metadata().ok();
                let here = here.as_ref().map(LocalIdentity::of);
                let known = &mut file.known;
                known.recent = here != Some(known.here) || known.here.is_recent(now);
            }
            Ok(fetched)
        };
        for file in blocking(look).await? {
            self.setup.remember(&file.remote, Some(file.known)).await?;
        }
        Ok(())
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Fetched>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
