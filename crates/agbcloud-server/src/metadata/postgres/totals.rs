//! What one tenant and all tenants store.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::connection::{Failure, Session, Value};
use super::tenant_row::usage;
use crate::metadata::Usage;

/// How long the sum over all tenants is used. Computing it reads a row for each tenant.
const MAX_AGE: Duration = Duration::from_secs(300);

/// The last sum over all tenants.
#[derive(Debug, Default)]
pub(super) struct Totals(Mutex<Option<(Instant, Usage)>>);

impl Totals {
    /// Returns the last sum, unless it is too old.
    pub(super) fn current(&self) -> Option<Usage> {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.filter(|(since, _)| since.elapsed() < MAX_AGE)
            .map(|(_, usage)| usage)
    }

    pub(super) fn store(&self, usage: Usage) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((Instant::now(), usage));
    }
}

pub(super) async fn of_tenant(session: Session, tenant: i64) -> Result<Usage, Failure> {
    let query = "SELECT files, bytes FROM tenants WHERE pk = $1";
    let rows = session.query_last(query, &[Value::Int(tenant)]).await?;
    match rows.first() {
        Some(row) => Ok(usage(row.try_get(0)?, row.try_get(1)?)),
        None => Ok(Usage::default()),
    }
}

pub(super) async fn of_all(session: Session) -> Result<Usage, Failure> {
    let query =
        "SELECT coalesce(sum(files), 0)::bigint, coalesce(sum(bytes), 0)::bigint FROM tenants";
    let rows = session.query_last(query, &[]).await?;
    match rows.first() {
        Some(row) => Ok(usage(row.try_get(0)?, row.try_get(1)?)),
        None => Ok(Usage::default()),
    }
}
