//! The shares of quotas that uploads in progress reserve.
//!
//! Without them, many uploads that fit one by one would fill the disk before they are rejected at the end. Each process counts
//! its own uploads.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::metadata::{FileKey, PreparedUpload, Quota, Quotas, Usage};
use crate::signing::Tenant;

/// The reserved shares of each tenant and context. One without uploads takes no memory.
#[derive(Default)]
pub(crate) struct UploadReservations(Mutex<Reserved>);

#[derive(Default)]
struct Reserved {
    tenants: HashMap<Tenant, Usage>,
    contexts: HashMap<String, Usage>,
}

/// The share of one upload, until this is dropped.
pub(super) struct Reservation {
    reservations: Arc<UploadReservations>,
    tenant: Tenant,
    context: String,
    growth: Usage,
}

impl UploadReservations {
    /// Reserves the growth by a file of `size` bytes. Returns `None` without quotas.
    ///
    /// # Errors
    ///
    /// The first quota that the file would exceed together with the other uploads in progress. Their shares count as used.
    pub(super) fn reserve(
        self: &Arc<Self>,
        key: &FileKey,
        size: u64,
        prepared: &PreparedUpload,
        quotas: &Quotas,
    ) -> Result<Option<Reservation>, Quota> {
        if !quotas.limit_tenant() && !quotas.limit_context() {
            return Ok(None);
        }
        let replaced = prepared.replaced.as_ref().map(|file| file.size);
        let growth = Usage {
            files: u64::from(replaced.is_none()),
            bytes: size.saturating_sub(replaced.unwrap_or(0)),
        };
        let mut reserved = self.lock();
        let of_tenant = reserved.tenants.get(&key.tenant).copied();
        let of_context = reserved.contexts.get(&key.context).copied();
        quotas.check(
            sum(prepared.tenant, of_tenant.unwrap_or_default()),
            sum(prepared.context, of_context.unwrap_or_default()),
            size,
            replaced,
        )?;
        add(&mut reserved.tenants, &key.tenant, growth);
        add(&mut reserved.contexts, &key.context, growth);
        Ok(Some(Reservation {
            reservations: self.clone(),
            tenant: key.tenant.clone(),
            context: key.context.clone(),
            growth,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Reserved> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut reserved = self.reservations.lock();
        let tenant = self.tenant.clone();
        subtract(reserved.tenants.entry(tenant), self.growth);
        let context = std::mem::take(&mut self.context);
        subtract(reserved.contexts.entry(context), self.growth);
    }
}

fn sum(one: Usage, other: Usage) -> Usage {
    Usage {
        files: one.files.saturating_add(other.files),
        bytes: one.bytes.saturating_add(other.bytes),
    }
}

fn add<K: Eq + Hash + Clone>(shares: &mut HashMap<K, Usage>, key: &K, growth: Usage) {
    let share = shares.entry(key.clone()).or_default();
    *share = sum(*share, growth);
}

fn subtract<K>(share: Entry<'_, K, Usage>, growth: Usage) {
    if let Entry::Occupied(mut share) = share {
        let left = Usage {
            files: share.get().files.saturating_sub(growth.files),
            bytes: share.get().bytes.saturating_sub(growth.bytes),
        };
        match left == Usage::default() {
            true => drop(share.remove()),
            false => *share.get_mut() = left,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{File, QuotaKind};
    use crate::names::FilePath;
    use crate::system::clock::Micros;

    fn key(tenant: &str, context: &str) -> FileKey {
        FileKey {
            tenant: Tenant::from(tenant),
            context: context.to_owned(),
            generation: 1,
            path: FilePath::parse("/f").unwrap(),
        }
    }

    #[test]
    fn uploads_in_progress_count_until_they_end() {
        let reservations = Arc::new(UploadReservations::default());
        let quotas = Quotas {
            tenant_bytes: Some(100),
            context_files: Some(2),
            ..Quotas::default()
        };
        let prepared = PreparedUpload {
            tenant: Usage {
                files: 1,
                bytes: 10,
            },
            ..PreparedUpload::default()
        };
        let reserve = |tenant, context, size| {
            let reserved = reservations.reserve(&key(tenant, context), size, &prepared, &quotas);
            reserved.map_err(|quota| (quota.kind, quota.used))
        };
        let first = reserve("a", "1", 50).unwrap();
        let rejected = reserve("a", "2", 41).err();
        assert_eq!(rejected, Some((QuotaKind::TenantBytes, 60)));
        let second = reserve("a", "1", 40).unwrap();
        let rejected = reserve("a", "1", 0).err();
        assert_eq!(rejected, Some((QuotaKind::ContextFiles, 2)));
        // Others are not affected.
        let other = reserve("b", "3", 90).unwrap();
        drop(first);
        assert!(reserve("a", "2", 50).is_ok());
        drop((second, other));
        let reserved = reservations.lock();
        assert!(reserved.tenants.is_empty() && reserved.contexts.is_empty());
    }

    #[test]
    fn a_replacement_reserves_its_growth() {
        let reservations = Arc::new(UploadReservations::default());
        let quotas = Quotas {
            tenant_bytes: Some(100),
            ..Quotas::default()
        };
        let file = File {
            size: 60,
            etag: String::new(),
            modified: Micros(1),
            crc64: None,
        };
        let prepared = PreparedUpload {
            replaced: Some(file),
            tenant: Usage {
                files: 1,
                bytes: 100,
            },
            ..PreparedUpload::default()
        };
        let reserve = |size| reservations.reserve(&key("a", "1"), size, &prepared, &quotas);
        let same: Vec<_> = (0..5).map(|_| reserve(60).unwrap()).collect();
        assert!(reserve(61).is_err());
        drop(same);
        let none = Quotas::default();
        let unlimited = reservations.reserve(&key("a", "1"), u64::MAX, &prepared, &none);
        assert!(unlimited.unwrap().is_none());
    }
}
