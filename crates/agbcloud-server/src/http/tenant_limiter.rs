//! The limit of concurrent requests per tenant.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::signing::Tenant;

/// Counts the requests of each tenant. A tenant without requests takes no memory.
pub(crate) struct TenantLimiter {
    max: usize,
    requests: Mutex<HashMap<Tenant, usize>>,
}

/// A request that counts until this is dropped.
pub(super) struct RequestPermit {
    limiter: Arc<TenantLimiter>,
    tenant: Tenant,
}

impl TenantLimiter {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            requests: Mutex::default(),
        })
    }

    /// Returns a permit for a request, or `None` if the tenant has the maximum number of requests in progress.
    pub(super) fn acquire(self: &Arc<Self>, tenant: &Tenant) -> Option<RequestPermit> {
        let mut requests = self.lock();
        let count = requests.entry(tenant.clone()).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(RequestPermit {
            limiter: self.clone(),
            tenant: tenant.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Tenant, usize>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RequestPermit {
    fn drop(&mut self) {
        let mut requests = self.limiter.lock();
        if let Some(count) = requests.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                requests.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tenant_has_its_own_limit() {
        let limiter = TenantLimiter::new(2);
        let (one, two) = (Tenant::from("one"), Tenant::from("two"));
        let first = limiter.acquire(&one).unwrap();
        let _second = limiter.acquire(&one).unwrap();
        assert!(limiter.acquire(&one).is_none());
        assert!(limiter.acquire(&two).is_some());
        drop(first);
        assert!(limiter.acquire(&one).is_some());
    }

    #[test]
    fn completed_requests_leave_no_state() {
        let limiter = TenantLimiter::new(2);
        drop(limiter.acquire(&Tenant::from("one")));
        assert!(limiter.lock().is_empty());
    }
}
