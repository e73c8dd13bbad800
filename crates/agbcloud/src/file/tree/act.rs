//! Doing what was planned.

use std::{collections::HashSet, sync::Arc};

use tokio::task::{JoinError, JoinSet};

use super::{
    Change, FileFailure, FileOutcome, Listener, PlannedChange, Setup, SkippedEntry, SyncReport,
    gate::{Gate, Pass},
    perform::{Outcome, Work, is_for_all},
    plan::Taker,
    ready::{Lots, Read},
};
use crate::{Error, ErrorKind, Result, task::Task};

/// In a task of the runtime, as those that move files are: where the one who waits is not, another thread would have to be
/// woken for each file.
pub(super) async fn in_a_task(
    act: impl Future<Output = Result<SyncReport>> + Send + 'static,
) -> Result<SyncReport> {
    let ended = || {
        let message = "the runtime that was moving the files has shut down";
        Err(Error::new(ErrorKind::Connection, message))
    };
    Task::start(act).end().await.unwrap_or_else(ended)
}

/// Does what it is given, several at a time.
pub(super) struct Actor {
    work: Arc<Work>,
    gate: Arc<Gate>,
    listener: Listener,
    tasks: JoinSet<(PlannedChange, Outcome)>,
    report: SyncReport,
    /// Whether files may be deleted: decided when the first is to be.
    deletes: Option<bool>,
    /// Deletions are under way, in whose place something may come.
    deleting: bool,
    /// Failures of anything but deletions.
    uncopied: u64,
    /// Files whose places were not free and that could not be fetched.
    unstaged: HashSet<String>,
}

impl Actor {
    pub(super) fn new(setup: &Setup, listener: Listener) -> Self {
        let strain = setup.files.client.overload().clone();
        Self {
            gate: Gate::new(
                setup.max_concurrent_files,
                setup.max_bytes_in_flight,
                strain,
            ),
            work: Arc::new(Work::new(setup, listener.clone())),
            listener,
            tasks: JoinSet::new(),
            report: SyncReport::default(),
            deletes: None,
            deleting: false,
            uncopied: 0,
            unstaged: HashSet::new(),
        }
    }

    /// Counts failures of which nothing more is known.
    pub(super) fn failed_before(&mut self, files: u64) {
        self.uncopied += files;
        self.report.failed += files;
    }

    fn add_failure(&mut self, failure: FileFailure) {
        let deletes = |change| matches!(change, Change::DeleteRemote | Change::DeleteLocal);
        self.uncopied += u64::from(!failure.change.is_some_and(deletes));
        self.report.add_failure(failure);
    }

    /// Waits for what is under way.
    pub(super) async fn finish(mut self) -> Result<SyncReport> {
        self.drain().await?;
        self.work.recorder.record_all().await?;
        self.work.setup().complete().await?;
        Ok(self.report)
    }

    /// Fetches files in whose places something is that is to be deleted, before any of that is.
    pub(super) async fn stage(&mut self, changes: Vec<PlannedChange>) -> Result<()> {
        let mut staging = JoinSet::new();
        for planned in changes {
            let pass = self.gate.enter(planned.size.unwrap_or(0)).await;
            let work = self.work.clone();
            staging.spawn(async move {
                let result = work.stage(&planned).await;
                drop(pass);
                (planned, result)
            });
        }
        while let Some(staged) = staging.join_next().await {
            match staged {
                Ok((_, Ok(()))) => {}
                Ok((_, Err(error))) if is_for_all(&error) => return Err(error),
                Ok((planned, Err(error))) => {
                    self.unstaged.insert(planned.path.clone());
                    self.failed(FileFailure {
                        path: planned.path,
                        change: Some(planned.change),
                        error,
                    });
                }
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Whether all that was to be copied before was. A deletion that fails holds back no other.
    async fn may_delete(&mut self) -> Result<bool> {
        if let Some(deletes) = self.deletes {
            return Ok(deletes);
        }
        self.drain().await?;
        Ok(*self.deletes.insert(self.uncopied == 0))
    }

    async fn change(&mut self, planned: PlannedChange, read: Read) -> Result<()> {
        let deletes = matches!(planned.change, Change::DeleteRemote | Change::DeleteLocal);
        if self.unstaged.contains(&planned.path) {
            return Ok(());
        }
        if deletes && !self.may_delete().await? {
            self.report.deletions_held_back = true;
            return Ok(());
        }
        if self.deleting && !deletes {
            self.drain().await?;
        }
        self.deleting = deletes;
        let bytes = match planned.moves() {
            true => planned.size.unwrap_or(0),
            false => 0,
        };
        let pass = self.room(bytes).await?;
        self.record_due().await?;
        let (work, gate) = (self.work.clone(), self.gate.clone());
        self.tasks.spawn(async move {
            let outcome = work.persist(&planned, read, pass, (&gate, bytes)).await;
            (planned, outcome)
        });
        Ok(())
    }

    async fn drain(&mut self) -> Result<()> {
        self.work.group.close();
        while let Some(done) = self.tasks.join_next().await {
            self.record(done)?;
        }
        Ok(())
    }

    /// Remembers the files that were fetched a while ago.
    async fn record_due(&mut self) -> Result<()> {
        match self.work.recorder.is_due() {
            true => self.work.recorder.record_due().await,
            false => Ok(()),
        }
    }

    /// Waits for room, and hears meanwhile of what is done.
    async fn room(&mut self, bytes: u64) -> Result<Pass> {
        let gate = self.gate.clone();
        loop {
            tokio::select! {
                biased;
                Some(done) = self.tasks.join_next() => self.record(done)?,
                pass = gate.enter(bytes) => return Ok(pass),
            }
        }
    }

    /// Counts what is done.
    ///
    /// # Errors
    ///
    /// A failure that every other file would meet too.
    fn record(&mut self, done: Result<(PlannedChange, Outcome), JoinError>) -> Result<()> {
        let (planned, Outcome { result, kept }) = match done {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return Ok(()),
        };
        // A deletion moves nothing: its size is what the file had.
        let moved = result.as_ref().ok().copied().filter(|_| planned.moves());
        self.listener.tell(&FileOutcome {
            path: &planned.path,
            change: Some(planned.change),
            size: moved.or(planned.size),
            kept: kept.as_deref(),
            error: result.as_ref().err(),
        });
        if let Some(kept) = kept {
            self.report.add_kept(&planned.path, kept);
        }
        match result {
            Ok(bytes) => {
                self.count(planned.change, bytes);
                if planned.executable {
                    self.report.add_executable(planned.path);
                }
            }
            Err(error) if is_for_all(&error) => return Err(error),
            Err(error) => self.add_failure(FileFailure {
                path: planned.path,
                change: Some(planned.change),
                error,
            }),
        }
        Ok(())
    }

    fn count(&mut self, change: Change, bytes: u64) {
        match change {
            Change::Upload | Change::Download => {
                self.report.transferred += 1;
                self.report.bytes += bytes;
            }
            Change::DeleteRemote | Change::DeleteLocal => self.report.deleted += 1,
        }
    }
}

impl Taker for Actor {
    async fn changes(&mut self, changes: Vec<PlannedChange>) -> Result<()> {
        let mut lots = Lots::of(self.work.setup(), changes);
        while let Some(lot) = lots.next().await {
            for (planned, read) in lot {
                self.change(planned, read).await?;
            }
        }
        Ok(())
    }

    fn unchanged(&mut self) {
        self.report.unchanged += 1;
    }

    fn unverified(&mut self) {
        self.report.unchanged += 1;
        self.report.unverified += 1;
    }

    fn skipped(&mut self, entry: SkippedEntry) {
        self.listener.skip(&entry);
        self.report.add_skipped(entry);
    }

    fn failed(&mut self, failure: FileFailure) {
        self.listener.tell(&FileOutcome {
            path: &failure.path,
            change: failure.change,
            size: None,
            kept: None,
            error: Some(&failure.error),
        });
        self.add_failure(failure);
    }
}
