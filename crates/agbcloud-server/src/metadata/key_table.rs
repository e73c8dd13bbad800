//! The keys in a database.

use std::fmt;

use async_trait::async_trait;

use super::{Result, Usage};
use crate::key_file::{KeyEntry, KeyFile, KeyLimits};
use crate::signing::{Issuer, Tenant};

/// Changes the limits of a key.
pub(crate) type ChangeLimits<'a> = dyn Fn(&mut KeyLimits) + Send + Sync + 'a;

/// The table of API keys and the table of signing keys.
#[async_trait]
pub(crate) trait KeyTable: Send + Sync + fmt::Debug {
    /// Whether an API key was ever added. Then other keys are not accepted, even after all keys are revoked.
    async fn requires_keys(&self) -> Result<bool>;
    async fn find_by_hash(&self, hash: &[u8; 32]) -> Result<Option<KeyEntry>>;
    async fn find_by_issuer(&self, issuer: &Issuer) -> Result<Option<KeyEntry>>;
    /// Returns API keys in the order of their ids, after the given one.
    async fn list(&self, after: &str, limit: u32) -> Result<Vec<KeyEntry>>;
    /// Stores a key with its limits.
    async fn insert(&self, entry: &KeyEntry, issuer: &Issuer) -> Result<()>;
    /// Changes the limits of a key. `change` may run several times. Returns whether the key exists.
    async fn change_limits(&self, id: &str, change: &ChangeLimits<'_>) -> Result<bool>;
    /// Returns what a tenant stores in the same database.
    async fn usage(&self, tenant: &Tenant) -> Result<Usage>;
    /// Returns whether the key existed.
    async fn delete(&self, id: &str) -> Result<bool>;
    /// Returns the signing keys.
    async fn signing_keys(&self) -> Result<KeyFile>;
    /// Replaces the signing keys, unless they are no longer the expected ones. Returns whether they were replaced.
    async fn replace_signing_keys(&self, expected: &KeyFile, new: &KeyFile) -> Result<bool>;
}
