//! Transactions of reads and background tasks, with repetitions.

use tokio::time::{Instant, sleep};

use super::Postgres;
use super::connection::{Access, CommitError, Failure, Session};
use super::writer::{ATTEMPTS, backoff};
use crate::metadata::{Result, StoreError};
use crate::signing::Tenant;

impl Postgres {
    /// Runs a transaction, and repeats it after conflicts and lost connections until the deadline that it gets.
    pub(super) async fn retry<T, F>(&self, transaction: impl Fn(Instant) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        if self.writer.is_closed() {
            return Err(StoreError::Closed);
        }
        let deadline = Instant::now() + self.pool.settings().operation_timeout;
        let mut attempt = 1;
        loop {
            let failure = match transaction(deadline).await {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            if matches!(failure, Failure::Lost(_)) {
                self.pool.discard_idle();
            }
            if !failure.is_temporary() || attempt >= ATTEMPTS || Instant::now() >= deadline {
                return Err(failure.into_store_error());
            }
            self.pool.metrics().retried();
            sleep(backoff(attempt)).await;
            attempt += 1;
        }
    }

    pub(super) async fn begin(
        &self,
        access: Access<'_>,
        deadline: Instant,
    ) -> Result<Session, Failure> {
        Session::begin(&self.pool, access, self.synchronous_commit, deadline).await
    }

    /// Returns the key of a tenant. `None` if it has stored nothing yet.
    pub(super) async fn key(
        &self,
        tenant: &Tenant,
        deadline: Instant,
    ) -> Result<Option<i64>, Failure> {
        self.keys.find(&self.pool, tenant, deadline).await
    }

    /// Begins to read with one statement. `missing` is the error if the tenant has stored nothing yet.
    pub(super) async fn read(
        &self,
        tenant: &Tenant,
        missing: StoreError,
        deadline: Instant,
    ) -> Result<(Session, i64), Failure> {
        let key = self.key(tenant, deadline).await?.ok_or(missing)?;
        Ok((self.begin(Access::Read(key), deadline).await?, key))
    }
}

/// Commits a transaction of a background task. If the outcome is unknown, the caller may repeat it.
pub(super) async fn commit(session: Session) -> Result<(), Failure> {
    session.commit(None).await.map_err(|error| match error {
        CommitError::NotCommitted(failure) => failure,
        CommitError::Unknown => Failure::Lost("the connection to the database was lost"),
    })
}
