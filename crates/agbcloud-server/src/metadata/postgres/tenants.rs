//! The keys of tenants in the database.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::connection::{Access, Failure, Pool, Session, Value};
use crate::metadata::StoreError;
use crate::signing::Tenant;
use crate::system::random;

/// Maximum number of keys in memory. A key is some hundred bytes.
const MAX_CACHED: usize = 100_000;
/// How long a key is used before it is read again.
const MAX_AGE: Duration = Duration::from_secs(10);

/// Returns the key of a new tenant. Random, so that no other tenant ever gets a key that a replica remembers: a failover or a
/// restored backup may have lost the row, and sequences repeat their numbers then.
pub(super) fn new_key() -> Result<i64, Failure> {
    Ok(i64::from_le_bytes(random::bytes()?) & i64::MAX)
}

/// Remembers the keys of tenants, each for [`MAX_AGE`]. They only change if a failover or a restored backup has lost the row of a
/// tenant, and another replica has created it again: then reads with the old key find nothing.
#[derive(Debug, Default)]
pub(super) struct TenantKeys(Mutex<HashMap<Tenant, (i64, Instant)>>);

impl TenantKeys {
    fn cached(&self, tenant: &Tenant) -> Option<i64> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (key, since) = keys.get(tenant)?;
        (since.elapsed() < MAX_AGE).then_some(*key)
    }

    fn remember(&self, tenant: &Tenant, key: i64, since: Instant) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= MAX_CACHED {
            keys.clear();
        }
        keys.insert(tenant.clone(), (key, since));
    }

    /// Forgets a key whose row is missing: the database was replaced.
    pub(super) fn forget(&self, tenant: &Tenant) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.remove(tenant);
    }

    /// Returns the key of a tenant. `None` if it has stored nothing yet.
    pub(super) async fn find(
        &self,
        pool: &Pool,
        tenant: &Tenant,
        deadline: Instant,
    ) -> Result<Option<i64>, Failure> {
        if let Some(key) = self.cached(tenant) {
            return Ok(Some(key));
        }
        let asked = Instant::now();
        let session = Session::begin(pool, Access::Tenant(tenant.as_str()), "on", deadline).await?;
        let found = session
            .query_last(
                "SELECT pk FROM tenants WHERE id = $1",
                &[Value::Text(tenant.as_str())],
            )
            .await?;
        let Some(row) = found.first() else {
            return Ok(None);
        };
        let key = row.try_get(0)?;
        self.remember(tenant, key, asked);
        Ok(Some(key))
    }

    /// Returns the key of a tenant, and creates its row if needed.
    pub(super) async fn find_or_create(
        &self,
        pool: &Pool,
        tenant: &Tenant,
        deadline: Instant,
    ) -> Result<i64, Failure> {
        if let Some(key) = self.find(pool, tenant, deadline).await? {
            return Ok(key);
        }
        let key = new_key()?;
        let session = Session::begin(pool, Access::Tenant(tenant.as_str()), "on", deadline).await?;
        session
            .query_last(
                "INSERT INTO tenants (pk, id) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
                &[Value::Int(key), Value::Text(tenant.as_str())],
            )
            .await?;
        let missing = || StoreError::Failed("the row of the tenant is missing".to_owned());
        let found = self.find(pool, tenant, deadline).await?;
        Ok(found.ok_or_else(missing)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_is_read_again_after_some_time() {
        let (keys, tenant) = (TenantKeys::default(), Tenant::from("a"));
        keys.remember(&tenant, 7, Instant::now());
        tokio::time::advance(MAX_AGE - Duration::from_millis(1)).await;
        assert_eq!(keys.cached(&tenant), Some(7));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(keys.cached(&tenant), None);
        keys.remember(&tenant, 8, Instant::now());
        assert_eq!(keys.cached(&tenant), Some(8));
        keys.forget(&tenant);
        assert_eq!(keys.cached(&tenant), None);
    }
}
