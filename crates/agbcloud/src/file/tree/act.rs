//! Doing what was planned.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::task::{JoinError, JoinSet};

use super::{
    Change, FileFailure, FileOutcome, Listener, PlannedChange, Setup, SkippedEntry, SyncReport,
    folders::Folders,
    gate::{Gate, Pass},
    names,
    plan::Taker,
    ready::{Lots, Read},
};
use crate::{
    Error, ErrorKind, RemotePath, Result, UploadSource,
    file::{
        download::Unpublished,
        local::{Before, Group, LocalFile, are_too_many},
    },
    task::Task,
};

/// How often a file waits for its turn again that the service or the store did not want to have yet.
const THROTTLED: u32 = 10;

/// How long it waits where nobody has said how long.
const BREATH: Duration = Duration::from_secs(1);

/// How often a file waits for others to be closed.
const TOO_MANY_OPEN: u32 = 100;

/// How long that takes each time.
const CLOSING: Duration = Duration::from_millis(250);

/// How often a file is sent that changes while it is.
const SENT_AGAIN: u32 = 3;

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
    tasks: JoinSet<(PlannedChange, Result<u64>)>,
    report: SyncReport,
    /// Whether files may be deleted: decided when the first is to be.
    deletes: Option<bool>,
    /// Deletions are under way, in whose place something may come.
    deleting: bool,
}

/// What every task needs.
struct Work {
    setup: Setup,
    listener: Listener,
    folders: Arc<Folders>,
    group: Arc<Group>,
}

impl Actor {
    pub(super) fn new(setup: &Setup, listener: Listener) -> Self {
        let strain = setup.files.agb.strain().clone();
        Self {
            gate: Gate::new(setup.files_at_once, setup.bytes_at_once, strain),
            work: Arc::new(Work {
                folders: Arc::new(Folders::below(setup.local.clone())),
                group: Group::new(setup.files.agb.time().clone(), setup.durable),
                setup: setup.clone(),
                listener: listener.clone(),
            }),
            listener,
            tasks: JoinSet::new(),
            report: SyncReport::default(),
            deletes: None,
            deleting: false,
        }
    }

    /// Counts failures of which nothing more is known.
    pub(super) fn failed_before(&mut self, files: u64) {
        self.report.failed += files;
    }

    /// Waits for what is under way.
    pub(super) async fn finish(mut self) -> Result<SyncReport> {
        self.drain().await?;
        Ok(self.report)
    }

    /// Whether all that was to be copied before was. A deletion that fails holds back no other.
    async fn may_delete(&mut self) -> Result<bool> {
        if let Some(deletes) = self.deletes {
            return Ok(deletes);
        }
        self.drain().await?;
        Ok(*self.deletes.insert(self.report.failed == 0))
    }

    async fn change(&mut self, planned: PlannedChange, read: Read) -> Result<()> {
        let deletes = matches!(planned.change, Change::DeleteRemote | Change::DeleteLocal);
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
        let (work, gate) = (self.work.clone(), self.gate.clone());
        self.tasks.spawn(async move {
            let result = work.persist(&planned, read, pass, (&gate, bytes)).await;
            (planned, result)
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
    fn record(&mut self, done: Result<(PlannedChange, Result<u64>), JoinError>) -> Result<()> {
        let (planned, result) = match done {
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
            error: result.as_ref().err(),
        });
        match result {
            Ok(bytes) => {
                self.count(planned.change, bytes);
                if planned.executable {
                    self.report.add_executable(planned.path);
                }
            }
            Err(error) if is_for_all(&error) => return Err(error),
            Err(error) => self.report.add_failure(FileFailure {
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
        let mut lots = Lots::of(&self.work.setup, changes);
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

    fn skipped(&mut self, entry: SkippedEntry) {
        self.listener.skip(&entry);
        self.report.add_skipped(entry);
    }

    fn failed(&mut self, failure: FileFailure) {
        self.listener.tell(&FileOutcome {
            path: &failure.path,
            change: failure.change,
            size: None,
            error: Some(&failure.error),
        });
        self.report.add_failure(failure);
    }
}

impl Work {
    /// Does it. What is too much for the other side waits until there is less at a time, which the gate sees to.
    async fn persist(
        &self,
        planned: &PlannedChange,
        mut read: Read,
        mut pass: Pass,
        (gate, bytes): (&Arc<Gate>, u64),
    ) -> Result<u64> {
        let (mut waits, mut closings) = (THROTTLED, TOO_MANY_OPEN);
        loop {
            match self.perform(planned, read.take(), pass).await {
                Err(error) if closings > 0 && are_too_many(&error) => {
                    closings -= 1;
                    // The gate lets fewer in when it sees that.
                    self.setup.files.agb.strain().felt();
                    pass = gate.enter(bytes).await;
                    self.setup.files.agb.time().sleep(CLOSING).await;
                }
                Err(error) if waits > 0 && self.may_wait(&error) => {
                    waits -= 1;
                    let wait = error.retry_after().unwrap_or(BREATH);
                    // It waits in the place of another: else all that is left would come to be refused meanwhile.
                    pass = gate.enter(bytes).await;
                    self.setup.files.agb.time().sleep(wait).await;
                }
                result => return result,
            }
        }
    }

    /// Whether it was too much, and nobody asks for more patience than a call has.
    fn may_wait(&self, error: &Error) -> bool {
        let policy = self.setup.files.agb.retrying().policy;
        error.kind() == ErrorKind::Throttled
            && error.retry_after().is_none_or(|wait| policy.allows(wait))
    }

    /// Gives the bytes that were moved.
    async fn perform(&self, planned: &PlannedChange, read: Read, pass: Pass) -> Result<u64> {
        let Setup { files, remote, .. } = &self.setup;
        let there = || names::remote(remote, &planned.path);
        let here = || names::local(&planned.path);
        match planned.change {
            Change::Upload => {
                let here = self.setup.source(here()?)?;
                self.upload(planned, read, here, there()?).await
            }
            Change::Download => {
                let result = self.download(planned, &here()?, there()?, pass).await;
                match result {
                    Err(error) if error.kind() == ErrorKind::Conflict && !is_for_all(&error) => {
                        Err(self.setup.why_in_conflict(&planned.path, error).await)
                    }
                    result => result,
                }
            }
            Change::DeleteRemote => {
                files.delete(there()?).missing_ok(true).await?;
                self.setup.remember(&there()?, None).await?;
                Ok(0)
            }
            Change::DeleteLocal => {
                self.folders.delete(&here()?, self.setup.looked_at).await?;
                // What has no remote name was never remembered.
                if let Ok(there) = there() {
                    self.setup.remember(&there, None).await?;
                }
                Ok(0)
            }
        }
    }

    async fn upload(
        &self,
        planned: &PlannedChange,
        mut read: Read,
        here: LocalFile,
        there: RemotePath,
    ) -> Result<u64> {
        if planned.keeps_both {
            self.setup.keep_remote(&planned.path).await?;
        }
        let setup = &self.setup;
        let mut looks = planned.facts();
        let mut left = SENT_AGAIN;
        loop {
            left -= 1;
            let source = UploadSource::found(here.clone(), read.take());
            let mut upload = setup.files.upload(there.clone(), source);
            if let Some(listener) = self.listener.of_file(&planned.path) {
                upload = upload.on_progress(listener);
            }
            let error = match upload.await {
                Ok(sent) => {
                    let content = (sent.crc64, sent.etag.as_deref());
                    setup
                        .remember_moved(&there, sent.bytes, content, looks.modified)
                        .await?;
                    return Ok(sent.bytes);
                }
                Err(error) => error,
            };
            let now = super::local::look(&here).await;
            // The store may have taken what the file was before it changed, and would then count as newer than it is.
            let changed = now.is_some_and(|now| now != looks);
            if error.kind() != ErrorKind::LocalFile || !changed {
                return Err(error);
            }
            if left == 0 {
                setup.remember_broken(&there, looks).await?;
                return Err(error);
            }
            looks = now.unwrap_or(looks);
        }
    }

    async fn download(
        &self,
        planned: &PlannedChange,
        here: &Path,
        there: RemotePath,
        pass: Pass,
    ) -> Result<u64> {
        let setup = &self.setup;
        let folder = here.parent().unwrap_or(Path::new(""));
        self.folders.make(folder).await?;
        if setup.delete && !planned.replaces {
            self.folders.make_room(here).await?;
        }
        if planned.keeps_both {
            setup.keep_local(&planned.path).await?;
        }
        let before = match planned.replaces {
            // To keep it has touched it.
            true if planned.keeps_both => Before::Unseen,
            true => Before::Seen(setup.looked_at),
            false => Before::Nothing,
        };
        let mut fetch = setup.files.download(there.clone(), setup.local.join(here));
        if let Some(listener) = self.listener.of_file(&planned.path) {
            fetch = fetch.on_progress(listener);
        }
        let fetch = fetch.planned(setup.local.clone(), before, planned.modified);
        let fetch = fetch.durable(setup.durable).unpublished();
        let Unpublished { done, file } = fetch.await?;
        if let Some(file) = file {
            let room = self.group.room(&file).await;
            // It takes nothing of the network any more.
            drop(pass);
            self.group.publish(file).await?;
            drop(room);
        }
        let content = (done.crc64, done.etag.as_deref());
        setup
            .remember_moved(&there, done.bytes, content, planned.modified)
            .await?;
        Ok(done.bytes)
    }
}

/// Whether every other file would fail in the same way.
fn is_for_all(error: &Error) -> bool {
    let context = || {
        error
            .code()
            .is_some_and(|code| code.starts_with("InvalidContext"))
    };
    match error.kind() {
        ErrorKind::Unauthorized | ErrorKind::Configuration => true,
        ErrorKind::NotFound | ErrorKind::Conflict => context(),
        _ => false,
    }
}
