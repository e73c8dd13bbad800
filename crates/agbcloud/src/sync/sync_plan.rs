//! A plan that is inspected before it is run.

use std::fmt;

use super::{
    change::Change,
    execute::{Executor, run_in_task},
    options::SyncOptions,
    plan::{ChangeList, Decision, PlanSink, PlannedChange, SideTotals},
    report::{FileFailure, SkipReason, SkippedEntry, SyncListener, SyncReport, push_limited},
};
use crate::{Error, ErrorDetail, ErrorKind, Result, trace};

/// Number of changes that are unpacked at a time.
const BATCH: usize = 256;

/// What a sync would do. From [`SyncDir::plan`](crate::SyncDir::plan). [`run`](Self::run) makes exactly these changes.
#[derive(Debug)]
#[must_use = "a plan does nothing until it is run"]
pub struct SyncPlan {
    options: SyncOptions,
    listener: SyncListener,
    changes: ChangeList,
    unchanged: u64,
    unverified: u64,
    skipped: Vec<SkippedEntry>,
    failed: u64,
    failures: Vec<FileFailure>,
    /// The numbers of files of a two-way sync.
    totals: Option<SideTotals>,
}

impl SyncPlan {
    pub(super) fn new(options: SyncOptions, listener: SyncListener) -> Self {
        Self {
            options,
            listener,
            changes: ChangeList::default(),
            unchanged: 0,
            unverified: 0,
            skipped: Vec::new(),
            failed: 0,
            failures: Vec::new(),
            totals: None,
        }
    }

    /// Returns the planned changes. Deletions are last, followed only by files that take the place of something that is
    /// deleted.
    pub fn changes(&self) -> impl ExactSizeIterator<Item = PlannedChange> + '_ {
        self.changes.iter()
    }

    /// Returns the number of bytes to copy, as far as the sizes are known.
    pub fn bytes(&self) -> u64 {
        let sizes = self.changes.sizes();
        let copied = sizes.filter(|(change, _)| !change.is_deletion());
        copied.filter_map(|(_, size)| size).sum()
    }

    /// Returns the number of changes of a kind.
    pub fn count(&self, change: Change) -> usize {
        let sizes = self.changes.sizes();
        sizes.filter(|(planned, _)| *planned == change).count()
    }

    /// Returns the number of files that are the same on both sides.
    pub fn unchanged(&self) -> u64 {
        self.unchanged
    }

    /// Returns the number of [unchanged](Self::unchanged) files that were compared by size and time only, since the store
    /// reports no checksum.
    pub fn unverified(&self) -> u64 {
        self.unverified
    }

    /// Whether the [state](crate::SyncDir::state) records that a sync of these folders has ended. Without this baseline, a
    /// file that would be deleted may never have been on both sides.
    pub fn has_baseline(&self) -> bool {
        self.options.has_baseline()
    }

    /// Returns the skipped entries, for example symbolic links and empty folders, with the reasons.
    pub fn skipped(&self) -> &[SkippedEntry] {
        &self.skipped
    }

    /// Returns the number of files that can't be processed.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// Returns the first thousand files that can't be processed.
    pub fn failures(&self) -> &[FileFailure] {
        &self.failures
    }

    /// Checks the plan against a limit, as [`SyncDir::delete_limit`](crate::SyncDir::delete_limit) does.
    ///
    /// # Errors
    ///
    /// [`SafetyLimit`](ErrorKind::SafetyLimit) if the plan deletes more files than the limit allows.
    pub fn check_delete_limit(&self, limit: DeleteLimit) -> Result<()> {
        let count = |change| self.count(change) as u64;
        let (local, remote) = (count(Change::DeleteLocal), count(Change::DeleteRemote));
        if let Some(totals) = self.totals {
            limit.check(Deletions {
                deleted: local,
                total: totals.local,
                is_source_empty: totals.remote == 0,
                files: "local files",
                source: "the context folder",
            })?;
            return limit.check(Deletions {
                deleted: remote,
                total: totals.remote,
                is_source_empty: totals.local == 0,
                files: "files of the context",
                source: "the local folder",
            });
        }
        let deleted = local + remote;
        let copied = count(Change::Upload) + count(Change::Download);
        let replaced = self.changes().filter(|change| change.replaces).count() as u64;
        limit.check(Deletions {
            deleted,
            total: self.unchanged() + replaced + deleted + self.conflicts(),
            is_source_empty: self.unchanged() + copied + self.failed() == 0,
            files: "files",
            source: "the source",
        })
    }

    /// Files of the target that are neither replaced nor deleted, since they have changed, too.
    fn conflicts(&self) -> u64 {
        let failures = self.failures.iter();
        let failed = failures.filter(|failure| failure.error.kind() == ErrorKind::Conflict);
        let skipped = self.skipped.iter();
        let skipped = skipped.filter(|entry| entry.reason == SkipReason::Conflict);
        (failed.count() + skipped.count()) as u64
    }

    /// Makes the planned changes.
    ///
    /// # Errors
    ///
    /// A failure that affects all files. The failure of a single file is in the report.
    pub async fn run(self) -> Result<SyncReport> {
        let (direction, context) = (self.options.direction, self.options.files.context.clone());
        let (name, operation) = (direction.name(), direction.operation());
        trace::folder(name, operation, context, self.run_in_task()).await
    }

    pub(super) async fn run_in_task(self) -> Result<SyncReport> {
        // The future is boxed because it is large.
        run_in_task(Box::pin(self.execute())).await
    }

    async fn execute(self) -> Result<SyncReport> {
        self.options.begin().await?;
        let mut executor = Executor::new(&self.options, self.listener);
        let unlisted_failures = self.failed - self.failures.len() as u64;
        executor.add_planned(self.unchanged, self.unverified, unlisted_failures);
        let skipped = self.skipped.into_iter().map(Decision::Skipped);
        let failed = self.failures.into_iter().map(Decision::Failed);
        executor.add(skipped.chain(failed).collect()).await?;
        let meter = executor.meter();
        meter.add_planned(self.changes.sizes());
        let after_copies = self
            .changes
            .iter()
            .skip_while(|planned| !planned.change.is_deletion());
        let blocked = after_copies.filter(|planned| !planned.change.is_deletion());
        executor.stage(blocked.collect()).await?;
        let mut changes = self.changes.iter();
        loop {
            let batch: Vec<_> = changes.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                return executor.finish().await;
            }
            executor.start_all(batch).await?;
        }
    }
}

/// The maximum number of files that a sync deletes: see [`SyncDir::delete_limit`](crate::SyncDir::delete_limit).
///
/// Defaults to 1000 files and half of the files on the target side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeleteLimit {
    files: Option<u64>,
    percent: Option<u8>,
}

impl DeleteLimit {
    /// Any number of files.
    pub const NONE: Self = Self {
        files: None,
        percent: None,
    };

    /// Fails if the deletions exceed the limit.
    fn check(self, deletions: Deletions) -> Result<()> {
        let Deletions { deleted, total, .. } = deletions;
        if deleted == 0 || self == Self::NONE {
            return Ok(());
        }
        let refuse =
            |message, detail| Err(Error::new(ErrorKind::SafetyLimit, message).with_detail(detail));
        if deletions.is_source_empty && self.percent != Some(100) {
            let source = deletions.source;
            let message = format!("{source} has no files, and {deleted} would be deleted");
            return refuse(message, ErrorDetail::EmptySource { deleted });
        }
        let over_files = self.files.is_some_and(|files| deleted > files);
        let over_percent = self.percent.is_some_and(|percent| {
            u128::from(deleted) * 100 > u128::from(total) * u128::from(percent)
        });
        if over_files || over_percent {
            let files = deletions.files;
            let message =
                format!("{deleted} of {total} {files} would be deleted, more than {self}");
            return refuse(message, ErrorDetail::DeleteLimit { deleted, total });
        }
        Ok(())
    }

    /// This number of files.
    pub const fn files(files: u64) -> Self {
        Self {
            files: Some(files),
            percent: None,
        }
    }

    /// This percentage of the files on the target side. 100 allows to delete all files for an empty source.
    pub const fn percent(percent: u8) -> Self {
        Self {
            files: None,
            percent: Some(percent),
        }
    }
}

/// The deletions of one side.
struct Deletions {
    deleted: u64,
    /// Number of files on this side.
    total: u64,
    /// The other side has no files.
    is_source_empty: bool,
    files: &'static str,
    source: &'static str,
}

impl Default for DeleteLimit {
    fn default() -> Self {
        Self {
            files: Some(1000),
            percent: Some(50),
        }
    }
}

impl fmt::Display for DeleteLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.files.map(|files| match files {
            1 => "1 file".to_owned(),
            files => format!("{files} files"),
        });
        match (files, self.percent) {
            (Some(files), Some(percent)) => write!(f, "{files} or {percent} %"),
            (Some(files), None) => f.write_str(&files),
            (None, Some(percent)) => write!(f, "{percent} %"),
            (None, None) => f.write_str("no limit"),
        }
    }
}

impl trace::Traced for SyncPlan {}

impl PlanSink for SyncPlan {
    async fn add(&mut self, decisions: Vec<Decision>) -> Result<()> {
        for decision in decisions {
            match decision {
                Decision::Change(planned) => self.changes.push(&planned),
                Decision::Unchanged => self.unchanged += 1,
                Decision::Unverified => {
                    self.unchanged += 1;
                    self.unverified += 1;
                }
                Decision::Totals(totals) => self.totals = Some(totals),
                Decision::Skipped(entry) => self.skipped.push(entry),
                Decision::Failed(failure) => {
                    self.failed += 1;
                    push_limited(&mut self.failures, failure);
                }
            }
        }
        Ok(())
    }
}
