//! The garbage collector: deletes the files of cleared and deleted contexts, and the blobs of replaced and deleted files.
//!
//! The deletion queue is part of the store, so that the collector continues after a restart.

#![allow(clippy::disallowed_methods)] // Delays use tokio's clock; nothing that is stored depends on them.

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
        // In time for what other processes have left.
        let lease = self.metadata.upload_lease();
        let idle = lease.map_or(IDLE, |lease| IDLE.min(lease / 2));
        let mut purge = Instant::now();
        let mut finished = HashMap::new();
        loop {
            if purge <= Instant::now() {
                let before = Micros::of(self.clock.now()).before(self.quarantine);
                quarantine::purge(&self.blobs, &*self.metadata, before).await;
                shared_store::advance_marker(&self.blobs, &*self.metadata).await;
                purge = Instant::now() + PURGE;
            }
            crash::panic("collect");
            let next = match self.round(&mut finished).await {
                Ok(Some(time)) if time <= Instant::now() => continue,
                Ok(next) => next,
                Err(StoreError::Closed) => return,
                // Logged by the store.
                Err(StoreError::Moved(_)) => Some(Instant::now() + RETRY),
                Err(error) => {
                    tracing::error!(%error, "failed to collect deleted files; retrying");
                    Some(Instant::now() + RETRY)
                }
            };
            let next = next.unwrap_or_else(|| Instant::now() + idle).min(purge);
            drop(tokio::time::timeout_at(next, self.wake.0.notified()).await);
        }
    }

    /// Collects one batch of everything. Returns when the next round is due; `None` if nothing is left to do.
    ///
    /// A clear ends when its rows are deleted. The deletion of its blobs may take longer.
    async fn round(
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
        // After the clears, so that a blob that can't be deleted delays none of them.
        shared_store::discard_expired_uploads(&self.blobs, &*self.metadata, self.quarantine)
            .await?;
        let dead = self.metadata.dead_blobs(BLOBS_PER_ROUND).await?;
        if !dead.is_empty() {
            if !shared_store::may_delete(&self.blobs, &*self.metadata).await? {
                due_at(Instant::now() + BLOB_RETRY);
                return Ok(next);
            }
            // A running backup needs the blobs of its snapshot.
            let permit = self.blobs.permit_deletions().await;
            let permit = permit.map_err(|error| StoreError::Failed(error.to_string()))?;
            let Some(_permit) = permit else {
                due_at(Instant::now() + BLOB_RETRY);
                return Ok(next);
            };
            // After a power failure no restored row may reference a deleted blob.
            self.metadata.sync_commits().await?;
            let outcome = self.blobs.delete_all(dead).await;
            let deleted = outcome.map_err(|error| StoreError::Failed(error.to_string()))?;
            if let Some(error) = deleted.failed {
                tracing::error!(%error, "failed to delete an unreferenced blob; retrying");
                due_at(Instant::now() + BLOB_RETRY);
            }
            if !deleted.blobs.is_empty() {
                due_at(Instant::now());
            }
            crash::point("collect-before-forgetting");
            self.metadata.remove_dead_blobs(deleted.blobs).await?;
        }
        Ok(next)
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
