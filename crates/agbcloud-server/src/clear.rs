//! The worker that collects what nobody can see any more: the files of a cleared or deleted context, and the
//! blobs of files that were replaced or deleted. What is left to do stands in the store, so it just goes on
//! after a restart.

#![allow(clippy::disallowed_methods)] // It waits by tokio's clock; nothing that is stored rests on it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::blobs::Blobs;
use crate::clock::{Clock, Micros};
use crate::crash;
use crate::metadata::{Clear, Metadata, StoreError};

/// Blobs that are deleted before rows get their turn again.
const BLOBS: u32 = 500;
/// What could not be deleted is tried again after this.
const STUCK: Duration = Duration::from_secs(10);
/// Without anything to do it checks whether the store is still open: it ends when the threads of the database have.
const CHECK: Duration = Duration::from_secs(10);
/// After a failure, such as a full disk, it is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Between two passes over the quarantine.
const PURGE: Duration = Duration::from_secs(3600);

/// Wakes the worker.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wake(Arc<Notify>);

impl Wake {
    /// There may be something to collect.
    pub(crate) fn wake(&self) {
        self.0.notify_one();
    }
}

pub(crate) struct Worker {
    pub(crate) metadata: Arc<dyn Metadata>,
    pub(crate) blobs: Blobs,
    pub(crate) wake: Wake,
    /// A clear takes at least this long.
    pub(crate) delay: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    /// How long contents that no file names are kept.
    pub(crate) quarantine: Duration,
}

impl Worker {
    /// Works until the store is closed or the task is aborted, at whatever point.
    pub(crate) async fn run(self) {
        self.sweep().await;
        let mut purge = Instant::now();
        let mut seen = HashMap::new();
        loop {
            if purge <= Instant::now() {
                self.purge().await;
                purge = Instant::now() + PURGE;
            }
            crash::panic("collect");
            let pause = match self.round(&mut seen).await {
                Ok(Next::More) => continue,
                Ok(Next::At(time)) => Some(time),
                Ok(Next::Nothing) => None,
                Err(StoreError::Closed) => return,
                // Reported where it is noticed.
                Err(StoreError::Moved(_)) => Some(Instant::now() + RETRY),
                Err(error) => {
                    tracing::error!(%error, "the collection of deleted files failed; it is tried again");
                    Some(Instant::now() + RETRY)
                }
            };
            // Other reasons to wait are a clear that must not end yet, a failure and the quarantine: new work comes along in
            // between.
            let time = pause.unwrap_or_else(|| Instant::now() + CHECK).min(purge);
            drop(tokio::time::timeout_at(time, self.wake.0.notified()).await);
        }
    }

    /// Puts away what earlier processes have left.
    async fn sweep(&self) {
        let now = Micros::of(self.clock.now());
        match self.blobs.sweep(&*self.metadata, now).await {
            Ok(swept) => {
                if swept.removed > 0 {
                    tracing::info!(files = swept.removed, "deleted unfinished uploads");
                }
                if swept.moved.files > 0 {
                    tracing::warn!(
                        files = swept.moved.files,
                        bytes = swept.moved.bytes,
                        "moved contents that no file names to the folder \"quarantine\""
                    );
                }
            }
            Err(error) => {
                tracing::warn!(%error, "can't move contents that no file names to the folder \"quarantine\"")
            }
        }
    }

    /// Deletes what was in quarantine for long enough.
    async fn purge(&self) {
        let before = Micros::of(self.clock.now()).before(self.quarantine);
        match self.blobs.purge(&*self.metadata, before).await {
            Ok(purged) if purged.files > 0 => tracing::info!(
                files = purged.files,
                bytes = purged.bytes,
                "deleted contents from the quarantine"
            ),
            Ok(_) | Err(StoreError::Closed) => {}
            Err(error) => tracing::warn!(%error, "can't delete contents from the quarantine"),
        }
    }

    /// One batch of everything. A clear ends when its rows are gone; blobs may still be on their way out.
    async fn round(&self, seen: &mut HashMap<Clear, Instant>) -> Result<Next, StoreError> {
        let mut more = self.metadata.collect_files().await?;
        if more {
            crash::point("collect-after-rows");
        }
        let finished = self.metadata.finished_clears().await?;
        seen.retain(|clear, _| finished.contains(clear));
        let mut next = None;
        for clear in finished {
            let due = *seen.entry(clear.clone()).or_insert_with(Instant::now) + self.delay;
            if due <= Instant::now() {
                crash::point("collect-before-finish");
                self.metadata.finish_clear(&clear).await?;
            } else {
                next = Some(next.map_or(due, |next: Instant| next.min(due)));
            }
        }
        // After the clears: content that can't be deleted holds up nobody.
        let dead = self.metadata.dead_blobs(BLOBS).await?;
        if !dead.is_empty() {
            // Should the power fail now, no row that comes back may name what is deleted.
            self.metadata.settle().await?;
            let outcome = self.blobs.delete_all(dead).await;
            let deleted = outcome.map_err(|error| StoreError::Failed(error.to_string()))?;
            if let Some(error) = deleted.failed {
                tracing::error!(%error, "content that no file has any more can't be deleted; it is tried again");
                let again = Instant::now() + STUCK;
                next = Some(next.map_or(again, |next: Instant| next.min(again)));
            }
            more |= !deleted.blobs.is_empty();
            crash::point("collect-before-forgetting");
            self.metadata.forget_blobs(deleted.blobs).await?;
        }
        Ok(match next {
            _ if more => Next::More,
            Some(time) => Next::At(time),
            None => Next::Nothing,
        })
    }
}

enum Next {
    /// There may be more to do right now.
    More,
    /// Nothing to do before then.
    At(Instant),
    /// Nothing to do before someone wakes the worker.
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::sqlite::Sqlite;
    use crate::signing::Secret;

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_the_store_is_closed_though_nobody_wakes_it() {
        let (store, _) = Sqlite::memory(Secret([1; 32])).await.unwrap();
        let metadata: Arc<dyn Metadata> = Arc::new(store);
        let worker = Worker {
            metadata: metadata.clone(),
            blobs: Blobs::memory().unwrap(),
            wake: Wake::default(),
            delay: Duration::ZERO,
            clock: Arc::new(crate::clock::SystemClock),
            quarantine: Duration::from_secs(3600),
        };
        let working = tokio::spawn(worker.run());
        // It has nothing to do.
        tokio::time::sleep(2 * CHECK).await;
        assert!(!working.is_finished());
        metadata.close();
        working.await.unwrap();
    }
}
