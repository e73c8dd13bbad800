//! The lease of a backup: while it is valid, no blob is claimed for deletion.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::super::connection::{Access, Failure, Pool, Session, Value};
use super::super::{commit, meta};
use crate::system::random::alphanumeric;

/// How long a lease is valid without a renewal. Also the time for which blobs stay if a backup is killed.
const LEASE: Duration = Duration::from_secs(120);
/// Interval of renewals. Several of them may fail.
const RENEWAL: Duration = Duration::from_secs(15);

/// The condition that no lease is valid.
pub(in crate::metadata::postgres) const NO_BACKUP: &str =
    "NOT EXISTS (SELECT 1 FROM meta WHERE name LIKE 'backup:%' AND value::double precision >
                 extract(epoch FROM clock_timestamp()))";

/// A lease that a task renews, until this is dropped.
pub(super) struct BackupLease {
    pool: Pool,
    name: String,
    /// Whether it may have been invalid for a moment.
    lapsed: Arc<AtomicBool>,
    renewal: AbortHandle,
}

impl BackupLease {
    pub(super) async fn acquire(pool: &Pool) -> Result<Self, Failure> {
        let name = format!("backup:{}", alphanumeric(12)?);
        renew(pool, &name).await?;
        let lapsed = Arc::<AtomicBool>::default();
        let task = tokio::spawn(keep(pool.clone(), name.clone(), lapsed.clone()));
        Ok(Self {
            pool: pool.clone(),
            name,
            lapsed,
            renewal: task.abort_handle(),
        })
    }

    /// Ends the lease. Returns whether it was valid all the time.
    pub(super) async fn release(&self) -> Result<bool, Failure> {
        self.renewal.abort();
        let deadline = Instant::now() + self.pool.settings().operation_timeout;
        let session = Session::begin(&self.pool, Access::Task, "on", deadline).await?;
        let delete = "DELETE FROM meta WHERE name = $1";
        session.execute(delete, &[Value::Text(&self.name)]).await?;
        commit(session).await?;
        Ok(!self.lapsed.load(Ordering::Relaxed))
    }
}

impl Drop for BackupLease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

async fn keep(pool: Pool, name: String, lapsed: Arc<AtomicBool>) {
    let mut valid_until = Instant::now() + LEASE;
    loop {
        sleep(RENEWAL).await;
        let start = Instant::now();
        if start >= valid_until {
            lapsed.store(true, Ordering::Relaxed);
        }
        match renew(&pool, &name).await {
            Ok(()) => valid_until = start + LEASE,
            Err(error) => {
                tracing::warn!(?error, "failed to renew the lease of a backup; retrying");
                pool.discard_idle();
            }
        }
    }
}

/// Sets the expiry, by the clock of the database.
async fn renew(pool: &Pool, name: &str) -> Result<(), Failure> {
    let deadline = Instant::now() + pool.settings().operation_timeout;
    let session = Session::begin(pool, Access::Task, "on", deadline).await?;
    let seconds = i64::try_from(LEASE.as_secs()).unwrap_or(i64::MAX);
    let row = session
        .query_opt(
            "SELECT (extract(epoch FROM clock_timestamp()) + $1)::text",
            &[Value::Int(seconds)],
        )
        .await?;
    if let Some(row) = row {
        meta::set(&session, name, row.try_get(0)?).await?;
    }
    // Leases of killed backups.
    session
        .execute(
            "DELETE FROM meta WHERE name LIKE 'backup:%' AND value::double precision <
                 extract(epoch FROM clock_timestamp()) - $1",
            &[Value::Int(3600)],
        )
        .await?;
    commit(session).await
}
