//! The API keys that callers need and the keys that sign presigned URLs: configured at start, or in a key file.

mod key_file;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

pub use self::key_file::{KeyEntry, KeyFile, KeyFileError, KeyLimits, NewKey};
use crate::signing::url::{Grant, UrlError};
use crate::signing::{Caller, Issuer, KeyRing, Signer, Tenant, constant_time_eq};
use crate::system::permissions::{Protection, check_permissions};
use crate::system::reloading_file::{LoadError, ReloadingFile};

/// The API keys and signing keys of a server.
pub(crate) struct Keys {
    signer: Arc<Signer>,
    /// The callers of the keys that were configured at start.
    fixed: Vec<Caller>,
    file: Option<ReloadingFile<KeySet>>,
    /// Signs URLs if there is no key file.
    ring: Arc<KeyRing>,
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
    pub(crate) fn new(
        signer: &Arc<Signer>,
        api_keys: &[String],
        file: Option<PathBuf>,
    ) -> Result<Self, LoadError> {
        let load = |path: PathBuf| {
            let signer = signer.clone();
            ReloadingFile::new(vec![path.clone()], move || {
                // A user who can write to the file can add keys.
                check_permissions(&path, Protection::Write)?;
                Ok(KeySet::new(&signer, &KeyFile::read(&path)?))
            })
        };
        Ok(Self {
            fixed: api_keys.iter().map(|key| key_caller(signer, key)).collect(),
            file: file.map(load).transpose()?,
            ring: Arc::new(signer.ring()),
            signer: signer.clone(),
        })
    }

    /// Returns the caller with this key if the key is accepted. Without configured keys, every key is accepted.
    pub(crate) fn caller(&self, key: &str) -> Option<Caller> {
        let caller = key_caller(&self.signer, key);
        if self.accepts_any() {
            return Some(caller);
        }
        // Compares with all keys in constant time, so that the duration reveals nothing about them.
        let is_fixed = self.fixed.iter().fold(false, |found, one| {
            let (one, tenant) = (one.tenant.as_str(), caller.tenant.as_str());
            found | constant_time_eq(one.as_bytes(), tenant.as_bytes())
        });
        if is_fixed {
            return Some(caller);
        }
        // An attacker cannot choose a key by a prefix of its hash, so the duration of this lookup reveals nothing either.
        self.file
            .as_ref()?
            .current()
            .callers
            .get(&hash(key))
            .cloned()
    }

    /// Checks that the API key which requested a URL is still accepted, and returns its limits.
    pub(crate) fn check_issuer(&self, grant: &Grant) -> Result<KeyLimits, UrlError> {
        let is_fixed = |one: &Caller| one.issuer == grant.issuer && one.tenant == grant.tenant;
        if self.accepts_any() || self.fixed.iter().any(is_fixed) {
            return Ok(KeyLimits::default());
        }
        let keys = self.file.as_ref().map(ReloadingFile::current);
        match keys
            .as_ref()
            .and_then(|keys| keys.issuers.get(&grant.issuer))
        {
            Some((tenant, limits)) if *tenant == grant.tenant => Ok(*limits),
            _ => Err(UrlError::Revoked),
        }
    }

    /// Returns the current signing keys of presigned URLs.
    pub(crate) fn ring(&self) -> Arc<KeyRing> {
        match &self.file {
            Some(file) => file.current().ring.clone(),
            None => self.ring.clone(),
        }
    }

    /// Whether every key is accepted because none is configured.
    fn accepts_any(&self) -> bool {
        self.fixed.is_empty() && self.file.is_none()
    }
}

impl KeySet {
    fn new(signer: &Signer, file: &KeyFile) -> Self {
        let mut ring = signer.ring();
        for (id, salt, retires) in file.signing() {
            ring = ring.followed_by(signer, id, salt, retires);
        }
        let (mut callers, mut issuers) = (HashMap::new(), HashMap::new());
        for key in file.keys() {
            let (hash, tenant) = (key.hash(), signer.named_tenant(key.tenant()));
            let issuer = signer.issuer(&hash);
            issuers.insert(issuer.clone(), (tenant.clone(), key.limits()));
            callers.insert(hash, Caller { tenant, issuer });
        }
        Self {
            callers,
            issuers,
            ring: Arc::new(ring),
        }
    }
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
