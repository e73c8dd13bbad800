//! API keys and signing keys in a database that several processes share.
//!
//! An answer of the database is used for at most [`MAX_AGE`], so a revoked key is rejected everywhere after that time. While
//! the database does not answer, no key is accepted.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::entry_caller;
use crate::key_file::KeyLimits;
use crate::metadata::{KeyTable, Result, StoreError};
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
    ring: Mutex<KnownRing>,
    /// Locked during a query for the signing keys, so that one query serves all waiting requests.
    ring_query: tokio::sync::Mutex<()>,
}

/// The signing keys, and the last failure to read them, each with its time.
#[derive(Default)]
struct KnownRing {
    current: Option<(Instant, Arc<KeyRing>)>,
    failure: Option<(Instant, StoreError)>,
}

impl CachedKeys {
    pub(super) fn new(table: Arc<dyn KeyTable>, signer: Arc<Signer>) -> Self {
        Self {
            table,
            signer,
            required: AtomicBool::new(false),
            callers: Recent::default(),
            issuers: Recent::default(),
            ring: Mutex::default(),
            ring_query: tokio::sync::Mutex::default(),
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
        let arrived = now();
        // Without waiting for a query that others need.
        if let Some(ring) = self.known_ring().current(age) {
            return Ok(ring);
        }
        let _query = self.ring_query.lock().await;
        let asked = now();
        {
            let known = self.known_ring();
            if let Some(ring) = known.current(age) {
                return Ok(ring);
            }
            // Otherwise each request would wait for the queries of all earlier ones while the database does not respond.
            if let Some((failed, error)) = &known.failure
                && arrived < *failed
            {
                return Err(error.clone());
            }
        }
        match self.table.signing_keys().await {
            Ok(keys) => {
                let new = Arc::new(super::ring(&self.signer, &keys));
                self.known_ring().current = Some((asked, new.clone()));
                Ok(new)
            }
            Err(error) => {
                self.known_ring().failure = Some((now(), error.clone()));
                Err(error)
            }
        }
    }

    fn known_ring(&self) -> MutexGuard<'_, KnownRing> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KnownRing {
    /// Returns the signing keys, unless they are older than `age`.
    fn current(&self, age: Duration) -> Option<Arc<KeyRing>> {
        let (asked, ring) = self.current.as_ref()?;
        (now() - *asked < age).then(|| ring.clone())
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

#[expect(
    clippy::disallowed_methods,
    reason = "the age of an answer is a duration, which a set clock does not measure"
)]
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use futures_util::future::join_all;

    use super::*;
    use crate::key_file::{KeyEntry, KeyFile};
    use crate::metadata::{ChangeLimits, Usage};
    use crate::signing::Secret;

    /// How long a query takes.
    const QUERY: Duration = Duration::from_secs(10);
    const FAILED: StoreError = StoreError::Unavailable("it does not respond in time");

    /// A database that does not respond until `responds` is set.
    #[derive(Debug, Default)]
    struct Slow {
        responds: AtomicBool,
    }

    #[async_trait]
    impl KeyTable for Slow {
        async fn requires_keys(&self) -> Result<bool> {
            Ok(true)
        }
        async fn find_by_hash(&self, _: &[u8; 32]) -> Result<Option<KeyEntry>> {
            Ok(None)
        }
        async fn find_by_issuer(&self, _: &Issuer) -> Result<Option<KeyEntry>> {
            Ok(None)
        }
        async fn list(&self, _: &str, _: u32) -> Result<Vec<KeyEntry>> {
            Ok(Vec::new())
        }
        async fn insert(&self, _: &KeyEntry, _: &Issuer) -> Result<()> {
            Ok(())
        }
        async fn change_limits(&self, _: &str, _: &ChangeLimits<'_>) -> Result<bool> {
            Ok(false)
        }
        async fn usage(&self, _: &Tenant) -> Result<Usage> {
            Ok(Usage::default())
        }
        async fn delete(&self, _: &str) -> Result<bool> {
            Ok(false)
        }
        async fn signing_keys(&self) -> Result<KeyFile> {
            if !self.responds.load(Ordering::Relaxed) {
                tokio::time::sleep(QUERY).await;
                return Err(FAILED);
            }
            Ok(KeyFile::default())
        }
        async fn replace_signing_keys(&self, _: &KeyFile, _: &KeyFile) -> Result<bool> {
            Ok(false)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_wait_for_one_failing_query_and_not_for_each_other() {
        let table = Arc::new(Slow::default());
        let keys = CachedKeys::new(table.clone(), Arc::new(Signer::new(&Secret([1; 32]))));
        let start = tokio::time::Instant::now();
        let results = join_all((0..50_u32).map(|number| {
            let keys = &keys;
            async move {
                tokio::time::sleep(Duration::from_millis(100) * number).await;
                keys.ring().await.err()
            }
        }))
        .await;
        assert!(results.iter().all(|error| *error == Some(FAILED)));
        assert!(start.elapsed() < 2 * QUERY, "{:?}", start.elapsed());
        // A later request asks again.
        table.responds.store(true, Ordering::Relaxed);
        assert!(keys.ring().await.is_ok());
    }
}
