//! How much one tenant has under way at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::signing::Tenant;

/// Counts the requests of each tenant. One that has none takes no memory.
pub(crate) struct Load {
    max: usize,
    under_way: Mutex<HashMap<Tenant, usize>>,
}

/// A request that counts until this is dropped.
pub(super) struct Place {
    load: Arc<Load>,
    tenant: Tenant,
}

impl Load {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            under_way: Mutex::default(),
        })
    }

    /// A place for one more request; none if the tenant has as many under way as it may.
    pub(super) fn enter(self: &Arc<Self>, tenant: &Tenant) -> Option<Place> {
        let mut under_way = self.lock();
        let count = under_way.entry(tenant.clone()).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(Place {
            load: self.clone(),
            tenant: tenant.clone(),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Tenant, usize>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut under_way = self.load.lock();
        if let Some(count) = under_way.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_so_many_places_and_others_have_theirs() {
        let load = Load::new(2);
        let (one, two) = (Tenant::from("one"), Tenant::from("two"));
        let first = load.enter(&one).unwrap();
        let _second = load.enter(&one).unwrap();
        assert!(load.enter(&one).is_none());
        assert!(load.enter(&two).is_some());
        drop(first);
        assert!(load.enter(&one).is_some());
    }

    #[test]
    fn who_has_left_takes_no_memory() {
        let load = Load::new(2);
        drop(load.enter(&Tenant::from("one")));
        assert!(load.lock().is_empty());
    }
}
