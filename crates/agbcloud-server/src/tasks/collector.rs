//! The garbage collector: deletes the files of cleared and deleted contexts, and the blobs of replaced and deleted files.
//!
//! The deletion queue is part of the store, so that the collector continues after a restart.

#![expect(
    clippy::disallowed_methods,
    reason = "delays use tokio's clock; no stored data depends on it"
)]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::{quarantine, shared_store};
use crate::blobs::Blobs;
use crate::crash;
use crate::metadata::{Clear, Metadata, StoreError};
use crate::system::clock::{Clock, Micros};

/// Maximum number of blobs that are deleted in one round.
const BLOBS_PER_ROUND: u32 = 500;
/// Delay before the deletion of a blob is retried.
const BLOB_RETRY: Duration = Duration::from_secs(10);
/// Interval between rounds without a wake-up: the collector ends when the store is closed.
const IDLE: Duration = Duration::from_secs(10);
/// Delay before a round that failed, for example because the disk is full, is retried.
const RETRY: Duration = Duration::from_secs(1);
/// Interval between two purges of the quarantine.
const PURGE: Duration = Duration::from_secs(3600);

/// Wakes the collector.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wake(Arc<Notify>);

impl Wake {
    /// Starts a round: there may be something to collect.
    pub(crate) fn wake(&self) {
        self.0.notify_one();
    }
}

/// The task that deletes what no file needs any more.
pub(crate) struct Collector {
    pub(crate) metadata: Arc<dyn Metadata>,
    pub(crate) blobs: Blobs,
    pub(crate) wake: Wake,
    /// Minimum duration of a clear.
    pub(crate) clear_delay: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    /// How long unreferenced contents stay in quarantine.
    pub(crate) quarantine: Duration,
}

impl Collector {
    /// Runs until the store is closed. Can be aborted at any point.
    pub(crate) async fn run(self) {
        // Where other processes are working, their uploads are in the database, and nothing is found by listing.
        if self.metadata.upload_lease().is_none() {
            let now = Micros::of(self.clock.now());
            quarantine::sweep(&self.blobs, &*self.metadata, now).await;
        }
        // Separate, so that a store of blobs that does not respond delays no clear.
        let blobs_due = Notify::new();
        tokio::join!(
            self.collect_rows(&blobs_due),
            self.collect_blobs(&blobs_due)
        );
    }

    /// Collects rows and ends clears, until the store is closed. A clear ends when its rows are deleted. The deletion of its blobs
    /// may take longer.
    async fn collect_rows(&self, blobs_due: &Notify) {
        let mut finished = HashMap::new();
        loop {
            crash::panic("collect");
            let next = self.next(self.collect_some_rows(&mut finished).await);
            blobs_due.notify_one();
            match next {
                None => return,
                Some(time) if time <= Instant::now() => {}
                Some(time) => drop(tokio::time::timeout_at(time, self.wake.0.notified()).await),
            }
        }
    }

    /// Deletes blobs, until the store is closed.
    async fn collect_blobs(&self, due: &Notify) {
        let mut purge = Instant::now();
        loop {
            if purge <= Instant::now() {
                let before = Micros::of(self.clock.now()).before(self.quarantine);
                quarantine::purge(&self.blobs, &*self.metadata, before).await;
                shared_store::release_quarantine(&*self.metadata, self.quarantine).await;
                shared_store::advance_marker(&self.blobs, &*self.metadata).await;
                purge = Instant::now() + PURGE;
            }
            let Some(next) = self.next(self.delete_some_blobs().await) else {
                return;
            };
            if next > Instant::now() {
                drop(tokio::time::timeout_at(next.min(purge), due.notified()).await);
            }
        }
    }

    /// Returns when the next round is due after this result. `None` if the store is closed.
    fn next(&self, result: Result<Option<Instant>, StoreError>) -> Option<Instant> {
        // In time for what other processes have left.
        let lease = self.metadata.upload_lease();
        let idle = lease.map_or(IDLE, |lease| IDLE.min(lease / 2));
        match result {
            Ok(next) => Some(next.unwrap_or_else(|| Instant::now() + idle)),
            Err(StoreError::Closed) => None,
            // Logged by the store.
            Err(StoreError::Moved(_)) => Some(Instant::now() + RETRY),
            Err(error) => {
                tracing::error!(%error, "failed to collect deleted files; retrying");
                Some(Instant::now() + RETRY)
            }
        }
    }

    /// Collects one batch of rows. Returns when the next round is due; `None` if nothing is left to do.
    async fn collect_some_rows(
        &self,
        finished: &mut HashMap<Clear, Instant>,
    ) -> Result<Option<Instant>, StoreError> {
        let mut next = None;
        let mut due_at =
            |time: Instant| next = Some(next.map_or(time, |next: Instant| next.min(time)));
        if self.metadata.collect_files().await? {
            due_at(Instant::now());
            crash::point("collect-after-rows");
        }
        let clears = self.metadata.finished_clears().await?;
        finished.retain(|clear, _| clears.contains(clear));
        for clear in clears {
            let since = *finished.entry(clear.clone()).or_insert_with(Instant::now);
            if since + self.clear_delay <= Instant::now() {
                crash::point("collect-before-finish");
                self.metadata.finish_clear(&clear).await?;
            } else {
                due_at(since + self.clear_delay);
            }
        }
        Ok(next)
    }

    /// Discards expired uploads, and deletes one batch of blobs. Returns when the next round is due; `None` if nothing is left to do.
    async fn delete_some_blobs(&self) -> Result<Option<Instant>, StoreError> {
        shared_store::discard_expired_uploads(&self.blobs, &*self.metadata).await?;
        let dead = self.metadata.dead_blobs(BLOBS_PER_ROUND).await?;
        if dead.is_empty() {
            return Ok(None);
        }
        let retry = || Ok(Some(Instant::now() + BLOB_RETRY));
        if !shared_store::may_delete(&self.blobs, &*self.metadata).await? {
            return retry();
        }
        // A running backup needs the blobs of its snapshot.
        let permit = self.blobs.permit_deletions().await;
        let permit = permit.map_err(|error| StoreError::Failed(error.to_string()))?;
        let Some(_permit) = permit else {
            return retry();
        };
        // After a power failure no restored row may reference a deleted blob.
        self.metadata.sync_commits().await?;
        let outcome = self.blobs.delete_all(dead).await;
        let deleted = outcome.map_err(|error| StoreError::Failed(error.to_string()))?;
        let next = match deleted.blobs.is_empty() {
            true => BLOB_RETRY,
            false => Duration::ZERO,
        };
        if let Some(error) = deleted.failed {
            tracing::error!(%error, "failed to delete an unreferenced blob; retrying");
        }
        crash::point("collect-before-forgetting");
        self.metadata.remove_dead_blobs(deleted.blobs).await?;
        Ok(Some(Instant::now() + next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::sqlite::Sqlite;
    use crate::signing::Secret;

    #[tokio::test(start_paused = true)]
    async fn an_idle_collector_ends_when_the_store_is_closed() {
        let (store, _) = Sqlite::memory(Secret([1; 32])).await.unwrap();
        let metadata: Arc<dyn Metadata> = Arc::new(store);
        let collector = Collector {
            metadata: metadata.clone(),
            blobs: Blobs::memory().unwrap(),
            wake: Wake::default(),
            clear_delay: Duration::ZERO,
            clock: Arc::new(crate::system::clock::SystemClock),
            quarantine: Duration::from_secs(3600),
        };
        let running = tokio::spawn(collector.run());
        tokio::time::sleep(2 * IDLE).await;
        assert!(!running.is_finished());
        metadata.close();
        running.await.unwrap();
    }
}
