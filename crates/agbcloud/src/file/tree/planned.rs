//! A plan that can be looked at before it is run.

use super::{
    Change, FileFailure, Listener, PlannedChange, Setup, SkippedEntry, SyncReport,
    act::{self, Actor},
    changes::Changes,
    plan::Taker,
    report::KEPT,
};
use crate::Result;

/// Changes that are taken out of a plan at a time.
const AT_A_TIME: usize = 256;

/// What a synchronisation would do: from [`SyncDir::plan`](crate::SyncDir::plan). Nothing is done until it is
/// [run](Self::run), and then just this.
#[derive(Debug)]
#[must_use = "a plan does nothing until it is run"]
pub struct SyncPlan {
    setup: Setup,
    listener: Listener,
    changes: Changes,
    unchanged: u64,
    unverified: u64,
    skipped: Vec<SkippedEntry>,
    failed: u64,
    failures: Vec<FileFailure>,
}

impl SyncPlan {
    pub(super) fn new(setup: Setup, listener: Listener) -> Self {
        Self {
            setup,
            listener,
            changes: Changes::default(),
            unchanged: 0,
            unverified: 0,
            skipped: Vec::new(),
            failed: 0,
            failures: Vec::new(),
        }
    }

    /// What would be done: deletions last, and behind them only what takes the place of something that is deleted.
    pub fn changes(&self) -> impl ExactSizeIterator<Item = PlannedChange> + '_ {
        self.changes.iter()
    }

    /// Bytes that would be moved, as far as their number is known.
    pub fn bytes(&self) -> u64 {
        let moved = self
            .changes
            .sizes()
            .filter(|(change, _)| matches!(change, Change::Upload | Change::Download));
        moved.filter_map(|(_, size)| size).sum()
    }

    /// How many files this would be done with.
    pub fn count(&self, change: Change) -> usize {
        let sizes = self.changes.sizes();
        sizes.filter(|(planned, _)| *planned == change).count()
    }

    /// Files that are the same on both sides.
    pub fn unchanged(&self) -> u64 {
        self.unchanged
    }

    /// Files among the [unchanged](Self::unchanged) that are the same by size and time alone, since the store has no checksum
    /// of them.
    pub fn unverified(&self) -> u64 {
        self.unverified
    }

    /// Whether a synchronization of these folders with this [state](crate::SyncDir::state) came to its end before. Without such
    /// a baseline nothing shows that what is deleted was there when the two sides were last the same.
    pub fn has_baseline(&self) -> bool {
        self.setup.has_baseline()
    }

    /// What is skipped, with the reason: symbolic links, empty folders and the like.
    pub fn skipped(&self) -> &[SkippedEntry] {
        &self.skipped
    }

    /// How many files can't be dealt with.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// The first thousand of the files that can't be dealt with.
    pub fn failures(&self) -> &[FileFailure] {
        &self.failures
    }

    /// Does it.
    ///
    /// # Errors
    ///
    /// A failure that all files would meet. What fails for one file is in the report.
    pub async fn run(self) -> Result<SyncReport> {
        // In a box: it is large.
        act::in_a_task(Box::pin(self.act())).await
    }

    async fn act(self) -> Result<SyncReport> {
        self.setup.begin().await?;
        let mut actor = Actor::new(&self.setup, self.listener);
        for _ in self.unverified..self.unchanged {
            actor.unchanged();
        }
        for _ in 0..self.unverified {
            actor.unverified();
        }
        for entry in self.skipped {
            actor.skipped(entry);
        }
        actor.failed_before(self.failed - self.failures.len() as u64);
        for failure in self.failures {
            actor.failed(failure);
        }
        let deletes = |change: Change| matches!(change, Change::DeleteRemote | Change::DeleteLocal);
        let behind = self
            .changes
            .iter()
            .skip_while(|change| !deletes(change.change));
        let blocked = behind.filter(|change| !deletes(change.change));
        actor.stage(blocked.collect()).await?;
        let mut changes = self.changes.iter();
        loop {
            let some: Vec<_> = changes.by_ref().take(AT_A_TIME).collect();
            if some.is_empty() {
                return actor.finish().await;
            }
            actor.changes(some).await?;
        }
    }
}

impl Taker for SyncPlan {
    async fn changes(&mut self, changes: Vec<PlannedChange>) -> Result<()> {
        for change in &changes {
            self.changes.push(change);
        }
        Ok(())
    }

    fn unchanged(&mut self) {
        self.unchanged += 1;
    }

    fn unverified(&mut self) {
        self.unchanged += 1;
        self.unverified += 1;
    }

    fn skipped(&mut self, entry: SkippedEntry) {
        self.skipped.push(entry);
    }

    fn failed(&mut self, failure: FileFailure) {
        self.failed += 1;
        if self.failures.len() < KEPT {
            self.failures.push(failure);
        }
    }
}
