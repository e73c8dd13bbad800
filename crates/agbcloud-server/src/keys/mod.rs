//! The API keys that callers need and the keys that sign presigned URLs: configured at start, in a key file, or in the
//! database.

mod cached_keys;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use http::Method;
use sha2::{Digest, Sha256};

use self::cached_keys::CachedKeys;
use crate::key_file::{KeyEntry, KeyFile, KeyLimits};
use crate::metadata::{KeyTable, StoreError};
use crate::signing::url::{Grant, UrlError};
use crate::signing::{Caller, Issuer, KeyRing, Signer, Tenant, constant_time_eq};
use crate::system::clock::Micros;
use crate::system::permissions::{Protection, check_permissions};
use crate::system::reloading_file::{LoadError, ReloadingFile};

/// The API keys and signing keys of a server.
pub(crate) struct Keys {
    signer: Arc<Signer>,
    /// The SHA-256 of the keys that were configured at start, and their callers.
    fixed: Vec<([u8; 32], Caller)>,
    source: Source,
}

/// Where keys come from that can change while the server runs.
enum Source {
    /// Nowhere. URLs are signed with this key.
    None(Arc<KeyRing>),
    File(ReloadingFile<KeySet>),
    Database(CachedKeys),
}

/// The content of a key file.
struct KeySet {
    /// Callers by the SHA-256 of their keys.
    callers: HashMap<[u8; 32], Caller>,
    /// The tenants and limits of the keys that may have requested a URL.
    issuers: HashMap<Issuer, (Tenant, KeyLimits)>,
    ring: Arc<KeyRing>,
}

impl Keys {
    /// Uses the key file if there is one, otherwise the database.
    pub(crate) fn new(
        signer: &Arc<Signer>,
        api_keys: &[String],
        file: Option<PathBuf>,
        database: Option<Arc<dyn KeyTable>>,
    ) -> Result<Self, LoadError> {
        let load = |path: PathBuf| {
            let signer = signer.clone();
            ReloadingFile::new(vec![path.clone()], move || {
                // A user who can write to the file can add keys.
                check_permissions(&path, Protection::Write)?;
                Ok(KeySet::new(&signer, &KeyFile::read(&path)?))
            })
        };
        let source = match (file, database) {
            (Some(file), _) => Source::File(load(file)?),
            (None, Some(table)) => Source::Database(CachedKeys::new(table, signer.clone())),
            (None, None) => Source::None(Arc::new(signer.ring())),
        };
        Ok(Self {
            fixed: api_keys
                .iter()
                .map(|key| (hash(key), key_caller(signer, key)))
                .collect(),
            source,
            signer: signer.clone(),
        })
    }

    /// Returns the caller with this key if the key is accepted. Without configured keys, every key is accepted.
    pub(crate) async fn caller(&self, key: &str) -> Result<Option<Caller>, StoreError> {
        if self.accepts_any().await? {
            return Ok(Some(key_caller(&self.signer, key)));
        }
        let hash = hash(key);
        // Compares with all keys in constant time, so that the duration reveals nothing about them.
        let fixed = self.fixed.iter().fold(None, |found, (one, caller)| {
            let is_same = constant_time_eq(one, &hash);
            if is_same { Some(caller) } else { found }
        });
        if let Some(caller) = fixed {
            return Ok(Some(caller.clone()));
        }
        // An attacker cannot choose a key by a prefix of its hash, so the duration of this lookup reveals nothing either.
        match &self.source {
            Source::None(_) => Ok(None),
            Source::File(file) => Ok(file.current().callers.get(&hash).cloned()),
            Source::Database(keys) => keys.caller(&hash).await,
        }
    }

    /// Verifies a presigned URL: its signature, and that the API key which requested it is still accepted. Also returns the limits
    /// of that key.
    pub(crate) async fn verify(
        &self,
        method: &Method,
        target: &str,
        now: Micros,
    ) -> Result<(Grant, KeyLimits), UrlError> {
        let grant = match self.ring().await?.verify(method, target, now) {
            // Another process may have signed it with a new key.
            Err(UrlError::Signature) => match &self.source {
                Source::Database(keys) => keys.newer_ring().await?.verify(method, target, now),
                _ => Err(UrlError::Signature),
            },
            grant => grant,
        }?;
        let is_fixed = |(_, one): &([u8; 32], Caller)| {
            one.issuer == grant.issuer && one.tenant == grant.tenant
        };
        if self.accepts_any().await? || self.fixed.iter().any(is_fixed) {
            return Ok((grant, KeyLimits::default()));
        }
        let issued = match &self.source {
            Source::None(_) => None,
            Source::File(file) => file.current().issuers.get(&grant.issuer).cloned(),
            Source::Database(keys) => keys.issued(&grant.issuer).await?,
        };
        match issued {
            Some((tenant, limits)) if tenant == grant.tenant => Ok((grant, limits)),
            _ => Err(UrlError::Revoked),
        }
    }

    /// Returns the current signing keys of presigned URLs.
    pub(crate) async fn ring(&self) -> Result<Arc<KeyRing>, StoreError> {
        match &self.source {
            Source::None(ring) => Ok(ring.clone()),
            Source::File(file) => Ok(file.current().ring.clone()),
            Source::Database(keys) => keys.ring().await,
        }
    }

    /// Whether every key is accepted because none is configured.
    pub(crate) async fn accepts_any(&self) -> Result<bool, StoreError> {
        if !self.fixed.is_empty() {
            return Ok(false);
        }
        match &self.source {
            Source::None(_) => Ok(true),
            Source::File(_) => Ok(false),
            Source::Database(keys) => Ok(!keys.requires_keys().await?),
        }
    }
}

/// The cause is logged here, because an invalid URL is otherwise no failure of the service.
impl From<StoreError> for UrlError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "failed to read the keys");
        Self::Unavailable
    }
}

impl KeySet {
    fn new(signer: &Signer, file: &KeyFile) -> Self {
        let (mut callers, mut issuers) = (HashMap::new(), HashMap::new());
        for key in file.keys() {
            let caller = entry_caller(signer, key);
            let issued = (caller.tenant.clone(), key.limits());
            issuers.insert(caller.issuer.clone(), issued);
            callers.insert(key.hash(), caller);
        }
        Self {
            callers,
            issuers,
            ring: Arc::new(ring(signer, file)),
        }
    }
}

/// Returns the caller with a key of a [`KeyFile`].
fn entry_caller(signer: &Signer, key: &KeyEntry) -> Caller {
    Caller {
        tenant: signer.named_tenant(key.tenant()),
        issuer: signer.issuer(&key.hash()),
    }
}

/// Returns the signing keys of a [`KeyFile`].
fn ring(signer: &Signer, file: &KeyFile) -> KeyRing {
    let mut ring = signer.ring();
    for (id, salt, retires) in file.signing() {
        ring = ring.followed_by(signer, id, salt, retires);
    }
    ring
}

/// Whether a text can be an API key: visible ASCII characters, which every client can send in a header.
pub(crate) fn is_api_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// Returns the caller with a key that is a tenant of its own.
fn key_caller(signer: &Signer, key: &str) -> Caller {
    Caller {
        tenant: signer.tenant(key),
        issuer: signer.issuer(&hash(key)),
    }
}
