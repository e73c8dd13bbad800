//! Writes: the queued changes of one tenant share transactions.
//!
//! A commit waits for the disk, and maybe for a standby, however much it contains. So changes that are queued during a commit share
//! the next one. Each change has its own savepoint, so that a failure undoes this change only. Results are returned after the
//! commit.
//!
//! The first statement of a transaction locks the row of the tenant. So all changes of a tenant are serial, also those of other
//! replicas: checks see what they depend on, counts are exact, and requests never deadlock.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::change::{Change, Outcome};
use super::connection::{Access, CommitError, Failure, Pool, Session, Value};
use super::tenant_row::{TenantRow, WasCommitted};
use super::tenants::TenantKeys;
use crate::crash;
use crate::metadata::{Result, StoreError};
use crate::signing::Tenant;
use crate::system::random;

/// Maximum number of changes in a transaction, so that the first one does not wait for an endless queue.
const MAX_GROUP: usize = 64;
/// Maximum number of attempts of a transaction.
pub(super) const ATTEMPTS: u32 = 5;

struct Job {
    change: Change,
    deadline: Instant,
    reply: oneshot::Sender<Result<Outcome>>,
}

/// Runs changes. Clones share one queue for each tenant.
#[derive(Clone)]
pub(super) struct Writer(Arc<Shared>);

struct Shared {
    pool: Pool,
    keys: Arc<TenantKeys>,
    /// The value of the setting `synchronous_commit`.
    synchronous_commit: &'static str,
    /// The queues of the tenants that have a worker.
    queues: Mutex<HashMap<Tenant, VecDeque<Job>>>,
    closed: AtomicBool,
}

impl Writer {
    pub(super) fn new(pool: Pool, keys: Arc<TenantKeys>, synchronous_commit: &'static str) -> Self {
        Self(Arc::new(Shared {
            pool,
            keys,
            synchronous_commit,
            queues: Mutex::default(),
            closed: AtomicBool::new(false),
        }))
    }

    /// Runs a change. Returns when it is durable.
    pub(super) async fn run(&self, tenant: &Tenant, change: Change) -> Result<Outcome> {
        let (reply, answer) = oneshot::channel();
        let job = Job {
            change,
            deadline: Instant::now() + self.0.pool.settings().operation_timeout,
            reply,
        };
        let is_first = {
            let mut queues = self.0.queues();
            if self.0.closed.load(Ordering::Acquire) {
                return Err(StoreError::Closed);
            }
            match queues.get_mut(tenant) {
                Some(queue) => {
                    queue.push_back(job);
                    false
                }
                None => {
                    queues.insert(tenant.clone(), VecDeque::from([job]));
                    true
                }
            }
        };
        if is_first {
            let worker = Worker {
                shared: self.0.clone(),
                tenant: tenant.clone(),
                ended: false,
            };
            tokio::spawn(worker.run());
        }
        // The worker has panicked, or its runtime has shut down.
        answer.await.unwrap_or(Err(StoreError::OutcomeUnknown))
    }

    /// Rejects later changes. Changes that are queued are run. The last one closes the pool.
    pub(super) fn close(&self) {
        let queues = self.0.queues();
        self.0.closed.store(true, Ordering::Release);
        if queues.is_empty() {
            self.0.pool.close();
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }
}

impl Shared {
    fn queues(&self) -> std::sync::MutexGuard<'_, HashMap<Tenant, VecDeque<Job>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the queued changes of a tenant, until there are none.
struct Worker {
    shared: Arc<Shared>,
    tenant: Tenant,
    /// Whether its queue was empty and is removed. Another worker may have one for the same tenant since then.
    ended: bool,
}

impl Drop for Worker {
    fn drop(&mut self) {
        let mut queues = self.shared.queues();
        if !self.ended {
            // Callers of changes that are left learn that their outcome is unknown.
            queues.remove(&self.tenant);
        }
        if queues.is_empty() && self.shared.closed.load(Ordering::Acquire) {
            self.shared.pool.close();
        }
    }
}

impl Worker {
    async fn run(mut self) {
        loop {
            let jobs: VecDeque<Job> = {
                let mut queues = self.shared.queues();
                match queues.get_mut(&self.tenant) {
                    Some(queue) if !queue.is_empty() => {
                        let count = queue.len().min(MAX_GROUP);
                        queue.drain(..count).collect()
                    }
                    _ => {
                        // Under the lock, so that no change is queued for a worker that ends.
                        queues.remove(&self.tenant);
                        self.ended = true;
                        break;
                    }
                }
            };
            self.run_jobs(jobs).await;
        }
    }

    /// Runs a group of changes, and returns the results to their callers. Over a slow connection, this takes several transactions.
    async fn run_jobs(&self, mut jobs: VecDeque<Job>) {
        while !jobs.is_empty() {
            let results = match self.run_some(jobs.make_contiguous()).await {
                Ok(results) => results,
                Err(error) => jobs.iter().map(|_| Err(error.clone())).collect(),
            };
            self.shared.pool.metrics().shared(results.len());
            for (job, result) in jobs.drain(..results.len()).zip(results) {
                // Fails if the caller no longer waits; the change is done nevertheless.
                let _ = job.reply.send(result);
            }
        }
    }

    /// Runs some of the first changes of a group, with repetitions. Returns their results.
    async fn run_some(&self, jobs: &[Job]) -> Result<Vec<Result<Outcome>>> {
        let last = jobs.iter().map(|job| job.deadline).max();
        let deadline = last.unwrap_or_else(Instant::now);
        let mut attempt = 1;
        loop {
            let failure = match self.attempt(jobs, deadline).await {
                Ok(results) => return Ok(results),
                Err(GroupError::Unknown) => return Err(StoreError::OutcomeUnknown),
                Err(GroupError::NotCommitted(failure)) => failure,
            };
            if matches!(failure, Failure::Lost(_)) {
                self.shared.pool.discard_idle();
            }
            if !failure.is_temporary() || attempt >= ATTEMPTS || Instant::now() >= deadline {
                return Err(failure.into_store_error());
            }
            self.shared.pool.metrics().retried();
            sleep(backoff(attempt)).await;
            attempt += 1;
        }
    }

    /// Runs changes in one transaction: all of the group, or those that fit into a part of the time.
    async fn attempt(
        &self,
        jobs: &[Job],
        deadline: Instant,
    ) -> Result<Vec<Result<Outcome>>, GroupError> {
        let shared = &*self.shared;
        let key = shared
            .keys
            .find_or_create(&shared.pool, &self.tenant, deadline)
            .await?;
        let durable = jobs.iter().any(|job| !job.change.is_touch());
        // The time of the last use need not survive a power failure.
        let synchronous_commit = if durable {
            shared.synchronous_commit
        } else {
            "off"
        };
        let session = Session::begin(
            &shared.pool,
            Access::Write(key),
            synchronous_commit,
            deadline,
        )
        .await?;
        let Some(mut row) = TenantRow::lock(&session, key).await? else {
            shared.keys.forget(&self.tenant);
            // The database was replaced. The next attempt creates the row.
            return Err(Failure::Conflict.into());
        };
        let mut results = Vec::with_capacity(jobs.len());
        let enough = Instant::now() + shared.pool.settings().operation_timeout / 4;
        for job in jobs {
            if !results.is_empty() && Instant::now() >= enough {
                break;
            }
            let before = row.usage;
            session.push("SAVEPOINT change");
            match job.change.apply(&session, key, &mut row.usage).await {
                Ok(outcome) => {
                    session.push("RELEASE change");
                    results.push(Ok(outcome));
                }
                // The whole group is repeated.
                Err(failure) if failure.is_temporary() => return Err(failure.into()),
                Err(failure) => {
                    row.usage = before;
                    session.push("ROLLBACK TO change; RELEASE change");
                    results.push(Err(failure.into_store_error()));
                }
            }
        }
        if results.iter().all(|result| result.is_err()) {
            session.roll_back().await;
            return Ok(results);
        }
        if !durable {
            // Can be repeated in any case.
            return match session.commit(None).await {
                Ok(()) => Ok(results),
                Err(CommitError::NotCommitted(failure)) => Err(failure.into()),
                Err(CommitError::Unknown) => {
                    Err(Failure::Lost("the connection to the database was lost").into())
                }
            };
        }
        let token = i64::from_le_bytes(random::bytes().map_err(Failure::from)?);
        crash::point("commit-before");
        let committed = session.commit(Some(row.update(&token))).await;
        crash::point("commit-after");
        match committed {
            Ok(()) => Ok(results),
            Err(CommitError::NotCommitted(failure)) => Err(failure.into()),
            Err(CommitError::Unknown) => {
                shared.pool.discard_idle();
                match self.was_committed(key, row.version, token).await {
                    Some(true) => Ok(results),
                    Some(false) => {
                        Err(Failure::Lost("the connection to the database was lost").into())
                    }
                    None => Err(GroupError::Unknown),
                }
            }
        }
    }

    /// Finds out whether a transaction was committed whose connection was lost during the commit. Returns `None` if the database
    /// does not respond in time.
    async fn was_committed(&self, key: i64, version: i64, token: i64) -> Option<bool> {
        let shared = &*self.shared;
        let deadline = Instant::now() + shared.pool.settings().operation_timeout;
        let mut attempt = 1;
        while Instant::now() < deadline {
            let found = async {
                // Waits until the server has ended the transaction, and until a standby has what is read.
                let session = Session::begin(
                    &shared.pool,
                    Access::Write(key),
                    shared.synchronous_commit,
                    deadline,
                )
                .await?;
                let row = TenantRow::lock(&session, key).await?;
                let found = row.map_or(WasCommitted::Unknown, |row| {
                    row.was_committed(version, token)
                });
                let touch = "UPDATE tenants SET version = version WHERE pk = $1";
                session
                    .commit(Some((touch, vec![Value::Int(key)])))
                    .await
                    .map_err(|_| Failure::Lost("the connection to the database was lost"))?;
                Ok::<_, Failure>(found)
            };
            match found.await {
                Ok(WasCommitted::Yes) => return Some(true),
                Ok(WasCommitted::No) => return Some(false),
                Ok(WasCommitted::Unknown) => return None,
                Err(error) => {
                    tracing::debug!(?error, "can't determine the outcome of a commit yet");
                    shared.pool.discard_idle();
                }
            }
            sleep(backoff(attempt)).await;
            attempt += 1;
        }
        None
    }
}

/// Why a group of changes failed as a whole.
enum GroupError {
    NotCommitted(Failure),
    Unknown,
}

impl From<Failure> for GroupError {
    fn from(failure: Failure) -> Self {
        Self::NotCommitted(failure)
    }
}

/// The delay before the next attempt: random, up to 50 ms, doubled for each attempt up to 800 ms.
pub(super) fn backoff(attempt: u32) -> Duration {
    let most = Duration::from_millis(50 << (attempt - 1).min(4));
    most.mul_f64(0.5 + f64::from(fastrand::u16(..)) / f64::from(u16::MAX) / 2.0)
}
