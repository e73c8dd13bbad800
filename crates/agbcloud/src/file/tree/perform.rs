//! Performing one change of a plan.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{
    Change, ConflictPolicy, Listener, PlannedChange, Setup,
    compare::is_other_content,
    conflict::Kept,
    folders::Folders,
    gate::{Gate, Pass},
    names,
    ready::Read,
    record::Recorder,
    staged::Staged,
    state::{Known, There, etag_number},
};
use crate::{
    Error, ErrorDetail, ErrorKind, RemotePath, Result, UploadSource, Uploaded,
    file::{
        checksum::Sums,
        download::Unpublished,
        local::{Before, Group, LocalFile, LocalIdentity, are_too_many, sums_of},
        upload::Condition,
    },
};

/// How often a file waits for its turn again that the service or the store throttles.
const THROTTLED: u32 = 10;

/// How long it waits where the answer does not say how long.
const BREATH: Duration = Duration::from_secs(1);

/// How often a file waits for others to be closed.
const TOO_MANY_OPEN: u32 = 100;

/// How long that takes each time.
const CLOSING: Duration = Duration::from_millis(250);

/// How often a file is sent that changes while it is, or whose remote version does.
const SENT_AGAIN: u32 = 3;

/// What every change needs.
pub(super) struct Work {
    setup: Setup,
    listener: Listener,
    folders: Arc<Folders>,
    pub(super) group: Arc<Group>,
    pub(super) recorder: Recorder,
    staged: Staged,
    /// The store refuses requests with conditions.
    refuses_conditions: AtomicBool,
}

/// How a change ended.
pub(super) struct Outcome {
    /// The bytes that were copied or deleted.
    pub(super) result: Result<u64>,
    /// The name under which the replaced version is kept.
    pub(super) kept: Option<String>,
}

impl Work {
    pub(super) fn new(setup: &Setup, listener: Listener) -> Self {
        Self {
            folders: Arc::new(Folders::below(setup.local.clone())),
            group: Group::new(setup.files.client.time().clone(), setup.durable),
            recorder: Recorder::new(setup.clone()),
            staged: Staged::default(),
            setup: setup.clone(),
            listener,
            refuses_conditions: AtomicBool::new(false),
        }
    }

    pub(super) fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Fetches a file whose place is not free yet.
    pub(super) async fn stage(&self, planned: &PlannedChange) -> Result<()> {
        let mut waits = THROTTLED;
        loop {
            match self.staged.fetch(&self.setup, planned).await {
                Err(error) if waits > 0 && self.may_wait(&error) => {
                    waits -= 1;
                    let wait = error.retry_after().unwrap_or(BREATH);
                    self.setup.files.client.time().sleep(wait).await;
                }
                result => return result,
            }
        }
    }

    /// Performs it. What is too much for the other side waits until there is less at a time, which the gate sees to.
    pub(super) async fn persist(
        &self,
        planned: &PlannedChange,
        mut read: Read,
        mut pass: Pass,
        (gate, bytes): (&Arc<Gate>, u64),
    ) -> Outcome {
        let (mut waits, mut closings) = (THROTTLED, TOO_MANY_OPEN);
        let mut kept = None;
        loop {
            match self.perform(planned, read.take(), pass, &mut kept).await {
                Err(error) if closings > 0 && are_too_many(&error) => {
                    closings -= 1;
                    // The gate lets fewer in when it sees that.
                    self.setup.files.client.overload().record();
                    pass = gate.enter(bytes).await;
                    self.setup.files.client.time().sleep(CLOSING).await;
                }
                Err(error) if waits > 0 && self.may_wait(&error) => {
                    waits -= 1;
                    let wait = error.retry_after().unwrap_or(BREATH);
                    // It waits in the place of another: else all that is left would come to be refused meanwhile.
                    pass = gate.enter(bytes).await;
                    self.setup.files.client.time().sleep(wait).await;
                }
                result => {
                    return Outcome {
                        result,
                        kept: kept.map(|kept| kept.name),
                    };
                }
            }
        }
    }

    /// Whether it was too much, and nobody asks for more patience than a call has.
    fn may_wait(&self, error: &Error) -> bool {
        let policy = self.setup.files.client.retry_context().policy;
        error.kind() == ErrorKind::Throttled
            && error.retry_after().is_none_or(|wait| policy.allows(wait))
    }

    /// Gives the bytes that were copied or deleted.
    async fn perform(
        &self,
        planned: &PlannedChange,
        read: Read,
        pass: Pass,
        kept: &mut Option<Kept>,
    ) -> Result<u64> {
        let remote = &self.setup.remote;
        let there = || names::remote(remote, &planned.path);
        let here = || names::local(&planned.path);
        match planned.change {
            Change::Upload => {
                let here = self.setup.source(here()?)?;
                self.upload(planned, read, here, there()?, kept).await
            }
            Change::Download => {
                let result = self.download(planned, &here()?, there()?, pass, kept).await;
                match result {
                    Err(error) if error.kind() == ErrorKind::Conflict && !is_for_all(&error) => {
                        Err(self.setup.why_in_conflict(&planned.path, error).await)
                    }
                    result => result,
                }
            }
            Change::DeleteRemote => {
                self.delete_remote(planned, there()?).await?;
                Ok(0)
            }
            Change::DeleteLocal => {
                let here = here()?;
                self.folders.delete(&here, planned.compared.here).await?;
                // What has no remote name was never remembered.
                if let Ok(there) = there() {
                    self.setup.remember(&there, None).await?;
                }
                Ok(0)
            }
        }
    }

    /// Deletes a remote file if it still has the content that was compared, as far as the store has checksums.
    async fn delete_remote(&self, planned: &PlannedChange, there: RemotePath) -> Result<()> {
        let setup = &self.setup;
        let known = setup.known(&there);
        let compared = planned.compared.there.as_ref();
        let is_checked = setup.on_conflict != ConflictPolicy::Overwrite
            && (known.is_some() || compared.is_some_and(|sums| !sums.is_nothing()));
        if is_checked && let Some(now) = setup.files.told(&there).await? {
            let was_compared = compared.is_some_and(|compared| now.differs_from(compared));
            let is_known = known.is_some_and(|known| is_other_content(&now, &known));
            if was_compared || is_known {
                let message = "the remote file changed since it was compared: run it again";
                return Err(
                    Error::new(ErrorKind::Conflict, message).with_detail(ErrorDetail::Changed)
                );
            }
        }
        setup.files.delete(there.clone()).missing_ok(true).await?;
        setup.remember(&there, None).await
    }

    async fn upload(
        &self,
        planned: &PlannedChange,
        mut read: Read,
        here: LocalFile,
        there: RemotePath,
        kept: &mut Option<Kept>,
    ) -> Result<u64> {
        let setup = &self.setup;
        let mut condition = self.condition(planned);
        if planned.keeps_both {
            // An attempt that was throttled may have kept it already.
            let kept = match kept {
                Some(kept) => kept,
                None => kept.insert(setup.keep_remote(&planned.path).await?),
            };
            condition = kept.etag.clone().map_or(condition, Condition::Matches);
        }
        let mut compared = (planned.size, planned.modified);
        let mut left = SENT_AGAIN;
        loop {
            if self.refuses_conditions.load(Ordering::Relaxed) {
                condition = Condition::None;
            }
            let source = UploadSource::found(here.clone(), read.take());
            let mut upload = setup.files.upload(there.clone(), source);
            upload = upload.only_if(condition.clone()).tolerates_change();
            if let Some(listener) = self.listener.of_file(&planned.path) {
                upload = upload.on_progress(listener);
            }
            left -= 1;
            let error = match upload.await {
                Ok(sent) => {
                    self.remember_sent(&there, &sent).await?;
                    if !sent.source_changed {
                        return Ok(sent.bytes);
                    }
                    condition = sent.etag.map_or(Condition::None, Condition::Matches);
                    changed_while_sent(here.path())
                }
                Err(error) if condition != Condition::None && refuses_conditions(&error) => {
                    self.refuses_conditions.store(true, Ordering::Relaxed);
                    left += 1;
                    continue;
                }
                Err(error) if error.status() == Some(412) => {
                    return match self.is_there_already(&here, &there).await? {
                        Some(bytes) => Ok(bytes),
                        None => Err(another_version(error)),
                    };
                }
                Err(error) => {
                    let now = super::local::identity(&here).await;
                    let now = now.map(|now| (Some(now.size), now.modified()));
                    if error.kind() != ErrorKind::LocalFile || now.is_none_or(|now| now == compared)
                    {
                        return Err(error);
                    }
                    compared = now.unwrap_or(compared);
                    error
                }
            };
            if left == 0 {
                return Err(error);
            }
        }
    }

    /// What the remote file has to be to be replaced.
    fn condition(&self, planned: &PlannedChange) -> Condition {
        let etag = planned.compared.there.as_ref().and_then(|sums| sums.etag());
        match etag {
            Some(etag) => Condition::Matches(etag.to_owned()),
            // A store that has told no ETag may not know conditions.
            None if planned.replaces => Condition::None,
            None => Condition::Absent,
        }
    }

    /// Where the remote file is not the one that was compared, the bytes of the local one if that is there: an earlier attempt
    /// whose answer was lost may have sent it.
    async fn is_there_already(&self, here: &LocalFile, there: &RemotePath) -> Result<Option<u64>> {
        let Some(now) = self.setup.files.told(there).await? else {
            return Ok(None);
        };
        let before = super::local::identity(here).await;
        let Some(before) = before.filter(|_| !now.is_nothing()) else {
            return Ok(None);
        };
        let sums = sums_of(here.path(), Sums::all()).await?;
        if !now.agrees(&sums) {
            return Ok(None);
        }
        let etag = etag_number(now.etag());
        self.remember(there, (sums.crc64(), etag), before).await?;
        Ok(Some(before.size))
    }

    async fn remember_sent(&self, there: &RemotePath, sent: &Uploaded) -> Result<()> {
        let etag = etag_number(sent.etag.as_deref());
        match sent.source {
            Some(here) => self.remember(there, (sent.crc64, etag), here).await,
            None => Ok(()),
        }
    }

    /// Remembers a file that is on both sides now, and whose remote time no listing has shown yet.
    async fn remember(
        &self,
        there: &RemotePath,
        (crc64, etag): (u64, u64),
        here: LocalIdentity,
    ) -> Result<()> {
        let client = &self.setup.files.client;
        let now = client.service_clock().latest(client.time().system_time());
        let known = Known {
            crc64,
            etag,
            here,
            recent: here.is_recent(self.setup.file_time),
            there: There::Acknowledged(now),
        };
        self.setup.remember(there, Some(known)).await
    }

    async fn download(
        &self,
        planned: &PlannedChange,
        here: &Path,
        there: RemotePath,
        pass: Pass,
        kept: &mut Option<Kept>,
    ) -> Result<u64> {
        let setup = &self.setup;
        let folder = here.parent().unwrap_or(Path::new(""));
        self.folders.make(folder).await?;
        if setup.delete && !planned.replaces {
            self.folders.make_room(here).await?;
        }
        if self.staged.has(&planned.path) {
            let done = self.staged.place(setup, &planned.path).await?;
            let recorder = &self.recorder;
            recorder
                .fetched(there, here, &done, planned.modified)
                .await?;
            return Ok(done.bytes);
        }
        let mut before = match (planned.replaces, planned.compared.here) {
            (true, Some(seen)) => Before::Seen(seen),
            (true, None) => Before::Unseen,
            (false, _) => Before::Nothing,
        };
        let mut fetch = setup.files.download(there.clone(), setup.local.join(here));
        if let Some(listener) = self.listener.of_file(&planned.path) {
            fetch = fetch.on_progress(listener);
        }
        if planned.keeps_both {
            let (name, seen) = setup.keep_local(planned).await?;
            *kept = Some(Kept { name, etag: None });
            before = Before::Seen(seen);
        }
        let fetch = fetch.planned(setup.local.clone(), before, planned.modified);
        let fetch = fetch.durable(setup.durable).unpublished();
        let fetched = async {
            let Unpublished { done, file } = fetch.await?;
            if let Some(file) = file {
                let room = self.group.room(&file).await;
                // It takes nothing of the network any more.
                drop(pass);
                self.group.publish(file).await?;
                drop(room);
            }
            Ok(done)
        };
        let done = match fetched.await {
            Ok(done) => done,
            Err(error) => {
                if let Some(copy) = kept.take() {
                    *kept = setup.unkeep_local(&planned.path, copy).await;
                }
                return Err(error);
            }
        };
        self.recorder
            .fetched(there, here, &done, planned.modified)
            .await?;
        Ok(done.bytes)
    }
}

fn changed_while_sent(here: &Path) -> Error {
    let message = format!("{} changed while it was sent: run it again", here.display());
    Error::new(ErrorKind::LocalFile, message)
        .with_detail(ErrorDetail::Changed)
        .with_local_path(here)
}

fn another_version(error: Error) -> Error {
    let message = "the remote file changed or was added since it was compared: run it again";
    Error::new(ErrorKind::Conflict, message)
        .with_detail(ErrorDetail::Changed)
        .with_source(error)
}

/// Whether a store does not know the condition that it was sent.
fn refuses_conditions(error: &Error) -> bool {
    matches!(error.status(), Some(400 | 501))
}

/// Whether every other file would fail in the same way.
pub(super) fn is_for_all(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Unauthorized | ErrorKind::Configuration
    ) || matches!(
        error.detail(),
        Some(ErrorDetail::ContextNotFound | ErrorDetail::ContextClearing)
    )
}
