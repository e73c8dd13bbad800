//! API keys and signing keys in a database that several processes share.
//!
//! An answer of the database is used for at most [`MAX_AGE`], so a revoked key is rejected everywhere after that time. While
//! the database does not answer, no key is accepted.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::entry_caller;
use crate::key_file::KeyLimits;
use crate::metadata::{KeyTable, Result};
use crate::signing::{Caller, Issuer, KeyRing, Signer, Tenant};

/// How long an answer of the database is used.
const MAX_AGE: Duration = Duration::from_secs(2);
/// Minimum time between two queries for the signing keys because of URLs with unknown keys.
const MIN_AGE: Duration = Duration::from_millis(100);
/// Maximum number of API keys with a known answer.
const MAX_ENTRIES: usize = 10_000;

/// The keys of a [`KeyTable`], with recent answers.
pub(super) struct CachedKeys {
    table: Arc<dyn KeyTable>,
    signer: Arc<Signer>,
    /// Whether the database requires keys, which never changes back.
    required: AtomicBool,
    callers: Recent<[u8; 32], Caller>,
    issuers: Recent<Issuer, (Tenant, KeyLimits)>,
    /// Locked during a query, so that one query serves all waiting requests.
    ring: tokio::sync::Mutex<Option<(Instant, Arc<KeyRing>)>>,
}

impl CachedKeys {
    pub(super) fn new(table: Arc<dyn KeyTable>, signer: Arc<Signer>) -> Self {
        Self {
            table,
            signer,
            required: AtomicBool::new(false),
            callers: Recent::default(),
            issuers: Recent::default(),
            ring: tokio::sync::Mutex::default(),
        }
    }

    pub(super) async fn requires_keys(&self) -> Result<bool> {
        if self.required.load(Ordering::Relaxed) {
            return Ok(true);
        }
        // An earlier answer would accept the first key as that of another tenant.
        let required = self.table.requires_keys().await?;
        self.required.store(required, Ordering::Relaxed);
        Ok(required)
    }

    /// Returns the caller with the API key of this SHA-256.
    pub(super) async fn caller(&self, hash: &[u8; 32]) -> Result<Option<Caller>> {
        let asked = now();
        if let Some(caller) = self.callers.get(hash, asked) {
            return Ok(Some(caller));
        }
        let entry = self.table.find_by_hash(hash).await?;
        let caller = entry.map(|entry| entry_caller(&self.signer, &entry));
        if let Some(caller) = &caller {
            self.callers.insert(*hash, caller.clone(), asked);
        }
        Ok(caller)
    }

    /// Returns the tenant and the limits of the API key that requested a URL, if it is still accepted.
    pub(super) async fn issued(&self, issuer: &Issuer) -> Result<Option<(Tenant, KeyLimits)>> {
        let asked = now();
        if let Some(known) = self.issuers.get(issuer, asked) {
            return Ok(Some(known));
        }
        let entry = self.table.find_by_issuer(issuer).await?;
        let found = entry.map(|entry| {
            let tenant = entry_caller(&self.signer, &entry).tenant;
            (tenant, entry.limits())
        });
        if let Some(found) = &found {
            self.issuers.insert(issuer.clone(), found.clone(), asked);
        }
        Ok(found)
    }

    /// Returns the signing keys of the last [`MAX_AGE`].
    pub(super) async fn ring(&self) -> Result<Arc<KeyRing>> {
        self.ring_since(MAX_AGE).await
    }

    /// Returns the signing keys of this moment, for a URL that may be signed with a new key.
    pub(super) async fn newer_ring(&self) -> Result<Arc<KeyRing>> {
        self.ring_since(MIN_AGE).await
    }

    async fn ring_since(&self, age: Duration) -> Result<Arc<KeyRing>> {
        let mut ring = self.ring.lock().await;
        let asked = now();
        if let Some((since, ring)) = &*ring
            && asked - *since < age
        {
            return Ok(ring.clone());
        }
        let keys = self.table.signing_keys().await?;
        let new = Arc::new(super::ring(&self.signer, &keys));
        *ring = Some((asked, new.clone()));
        Ok(new)
    }
}

/// Answers of the last [`MAX_AGE`]. Only keys that exist are kept, so that requests with random keys replace nothing.
struct Recent<K, V>(Mutex<HashMap<K, (Instant, V)>>);

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    fn get(&self, key: &K, now: Instant) -> Option<V> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, value) = entries.get(key)?;
        (now - *asked < MAX_AGE).then(|| value.clone())
    }

    /// `asked` is the time before the query, so that the age of an answer includes the duration of the query.
    fn insert(&self, key: K, value: V, asked: Instant) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_ENTRIES {
            entries.retain(|_, (other, _)| asked - *other < MAX_AGE);
        }
        if entries.len() < MAX_ENTRIES {
            entries.insert(key, (asked, value));
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the age of an answer is a duration, which a set clock does not measure"
)]
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
