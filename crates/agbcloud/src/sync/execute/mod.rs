//! Making the planned changes.

mod concurrency_limit;
mod conflict_copy;
mod download;
mod download_recorder;
mod local_folders;
mod read_ahead;
mod shared_state;
mod staging;
mod upload;
mod url_prefetch;

use std::{collections::HashSet, sync::Arc};

use tokio::task::{JoinError, JoinSet};
use tracing::Instrument;

use concurrency_limit::{ConcurrencyLimit, Permit};
use read_ahead::{Prepared, ReadAhead};
use shared_state::{ChangeResult, SharedState, affects_all_files};

use super::{
    change::Change,
    options::{Direction, SyncOptions},
    plan::{Decision, PlanSink, PlannedChange},
    progress::SyncMeter,
    report::{FileFailure, FileOutcome, SyncListener, SyncReport},
};
use crate::{Error, ErrorKind, Result, task::Task};

/// Runs a sync in a task of the runtime, where the tasks that copy files wake it without switching threads.
pub(super) async fn run_in_task(
    sync: impl Future<Output = Result<SyncReport>> + Send + 'static,
) -> Result<SyncReport> {
    let shut_down = || {
        let message = "the runtime was shut down during the sync";
        Err(Error::new(ErrorKind::Connection, message))
    };
    Task::start(sync).end().await.unwrap_or_else(shut_down)
}

/// Makes the planned changes, several at a time.
pub(super) struct Executor {
    state: Arc<SharedState>,
    limit: Arc<ConcurrencyLimit>,
    listener: SyncListener,
    meter: SyncMeter,
    tasks: JoinSet<(PlannedChange, ChangeResult)>,
    report: SyncReport,
    /// Whether files may be deleted. Decided before the first deletion.
    may_delete: Option<bool>,
    /// The last change was a deletion.
    deleting: bool,
    /// Number of failures other than those of deletions.
    failed_copies: u64,
    /// Blocked files that could not be downloaded.
    unstaged: HashSet<String>,
    /// Uploads of the conflict copies of a two-way sync.
    kept_copies: Vec<PlannedChange>,
}

impl Executor {
    pub(super) fn new(options: &SyncOptions, listener: SyncListener) -> Self {
        let meter = SyncMeter::new(listener.on_progress.clone());
        Self {
            limit: ConcurrencyLimit::new(
                options.max_concurrent_files,
                options.max_bytes_in_flight,
                options.files.client.overload().clone(),
            ),
            state: Arc::new(SharedState::new(options, meter.clone())),
            listener,
            meter,
            tasks: JoinSet::new(),
            report: SyncReport::default(),
            may_delete: None,
            deleting: false,
            failed_copies: 0,
            unstaged: HashSet::new(),
            kept_copies: Vec::new(),
        }
    }

    /// Adds the results of planning that need no change.
    pub(super) fn add_planned(&mut self, unchanged: u64, unverified: u64, unlisted_failures: u64) {
        self.report.unchanged += unchanged;
        self.report.unverified += unverified;
        self.report.failed += unlisted_failures;
        self.failed_copies += unlisted_failures;
    }

    /// Returns the meter, which gets the totals of planning.
    pub(super) fn meter(&self) -> &SyncMeter {
        &self.meter
    }

    fn failed(&mut self, failure: FileFailure) {
        self.listener.file(&FileOutcome {
            path: &failure.path,
            change: failure.change,
            size: None,
            kept: None,
            error: Some(&failure.error),
        });
        self.add_failure(failure);
    }

    fn add_failure(&mut self, failure: FileFailure) {
        if self.holds_back_deletions(&failure) {
            self.failed_copies += 1;
        }
        self.report.add_failure(failure);
    }

    /// Whether files are not deleted after this failure. In a two-way sync, a file in conflict stays on both sides,
    /// and other files are not affected.
    fn holds_back_deletions(&self, failure: &FileFailure) -> bool {
        let is_two_way = matches!(self.state.options.direction, Direction::Both(_));
        let is_conflict = is_two_way && failure.error.kind() == ErrorKind::Conflict;
        !is_conflict && !failure.change.is_some_and(Change::is_deletion)
    }

    /// Waits for the running changes, copies conflict copies to the other side, and completes the state.
    pub(super) async fn finish(mut self) -> Result<SyncReport> {
        self.drain().await?;
        let kept_copies = std::mem::take(&mut self.kept_copies);
        let sizes = kept_copies.iter().map(|copy| (copy.change, copy.size));
        self.meter.add_planned(sizes);
        self.start_all(kept_copies).await?;
        self.drain().await?;
        self.state.recorder.record_all().await?;
        self.state.options.complete().await?;
        Ok(self.report)
    }

    /// Downloads blocked files to a staging folder, before anything is deleted.
    pub(super) async fn stage(&mut self, blocked: Vec<PlannedChange>) -> Result<()> {
        let mut tasks = JoinSet::new();
        for planned in blocked {
            let permit = self.limit.acquire(planned.size.unwrap_or(0)).await;
            let state = self.state.clone();
            let stage = async move {
                let result = state.stage(&planned).await;
                drop(permit);
                (planned, result)
            };
            tasks.spawn(stage.in_current_span());
        }
        while let Some(staged) = tasks.join_next().await {
            match joined(staged) {
                Some((_, Err(error))) if affects_all_files(&error) => return Err(error),
                Some((planned, Err(error))) => {
                    self.unstaged.insert(planned.path.clone());
                    let change = Some(planned.change);
                    self.failed(FileFailure::new(planned.path, change, error));
                }
                Some((_, Ok(()))) | None => {}
            }
        }
        Ok(())
    }

    /// Whether every copy has succeeded. A failed deletion does not prevent others.
    async fn may_delete(&mut self) -> Result<bool> {
        if let Some(may_delete) = self.may_delete {
            return Ok(may_delete);
        }
        self.drain().await?;
        Ok(*self.may_delete.insert(self.failed_copies == 0))
    }

    async fn start(&mut self, planned: PlannedChange, prepared: Prepared) -> Result<()> {
        let is_deletion = planned.change.is_deletion();
        if self.unstaged.contains(&planned.path) {
            return Ok(());
        }
        if is_deletion && !self.may_delete().await? {
            self.report.deletions_held_back = true;
            return Ok(());
        }
        if self.deleting && !is_deletion {
            self.drain().await?;
        }
        self.deleting = is_deletion;
        let bytes = match is_deletion {
            true => 0,
            false => planned.size.unwrap_or(0),
        };
        let permit = self.acquire(bytes).await?;
        if self.state.recorder.is_due() {
            self.state.recorder.record_due().await?;
        }
        let (state, limit) = (self.state.clone(), self.limit.clone());
        let run = async move {
            let result = state.run(&planned, prepared, permit, (&limit, bytes)).await;
            (planned, result)
        };
        self.tasks.spawn(run.in_current_span());
        Ok(())
    }

    async fn drain(&mut self) -> Result<()> {
        self.state.group_sync.close();
        while let Some(result) = self.tasks.join_next().await {
            self.add_result(result)?;
        }
        Ok(())
    }

    pub(super) async fn start_all(&mut self, changes: Vec<PlannedChange>) -> Result<()> {
        let mut batches = ReadAhead::new(&self.state.options, changes);
        while let Some(batch) = batches.next().await {
            for (planned, prepared) in batch {
                self.start(planned, prepared).await?;
            }
        }
        Ok(())
    }

    /// Waits for a permit, and processes the results of other changes while it waits.
    async fn acquire(&mut self, bytes: u64) -> Result<Permit> {
        let limit = self.limit.clone();
        loop {
            tokio::select! {
                biased;
                Some(result) = self.tasks.join_next() => self.add_result(result)?,
                permit = limit.acquire(bytes) => return Ok(permit),
            }
        }
    }

    /// Adds the result of a change to the report.
    ///
    /// # Errors
    ///
    /// A failure that affects all files.
    fn add_result(
        &mut self,
        result: Result<(PlannedChange, ChangeResult), JoinError>,
    ) -> Result<()> {
        let Some((planned, ChangeResult { result, kept })) = joined(result) else {
            return Ok(());
        };
        // A deletion copies no bytes: its size is that of the deleted file.
        let is_deletion = planned.change.is_deletion();
        let copied = result.as_ref().ok().copied().filter(|_| !is_deletion);
        if !is_deletion {
            self.meter.finish_file(&planned.path, copied);
        }
        self.listener.file(&FileOutcome {
            path: &planned.path,
            change: Some(planned.change),
            size: copied.or(planned.size),
            kept: kept.as_deref(),
            error: result.as_ref().err(),
        });
        if let Some(kept) = kept {
            if matches!(self.state.options.direction, Direction::Both(_)) {
                self.kept_copies.push(PlannedChange::kept_copy(&kept));
            }
            self.report.add_kept(&planned.path, kept);
        }
        match result {
            Ok(_) if is_deletion => self.report.deleted += 1,
            Ok(bytes) => {
                self.report.transferred += 1;
                self.report.bytes += bytes;
                if planned.restores {
                    self.report.add_restored(&planned.path);
                }
                if planned.executable {
                    self.report.add_executable(planned.path);
                }
            }
            Err(error) if affects_all_files(&error) => return Err(error),
            Err(error) => {
                let change = Some(planned.change);
                self.add_failure(FileFailure::new(planned.path, change, error));
            }
        }
        Ok(())
    }
}

/// Returns the result of a task; `None` if the runtime was shut down. Resumes a panic.
fn joined<T>(result: Result<T, JoinError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => None,
    }
}

impl PlanSink for Executor {
    async fn add(&mut self, decisions: Vec<Decision>) -> Result<()> {
        let mut changes = Vec::new();
        for decision in decisions {
            match decision {
                Decision::Change(planned) => changes.push(planned),
                Decision::Unchanged => self.report.unchanged += 1,
                Decision::Unverified => {
                    self.report.unchanged += 1;
                    self.report.unverified += 1;
                }
                Decision::Skipped(entry) => {
                    self.listener.skipped(&entry);
                    self.report.add_skipped(entry);
                }
                Decision::Failed(failure) => self.failed(failure),
                Decision::Totals(_) => {}
            }
        }
        let sizes = changes.iter().map(|planned| (planned.change, planned.size));
        self.meter.add_planned(sizes);
        self.start_all(changes).await
    }
}
