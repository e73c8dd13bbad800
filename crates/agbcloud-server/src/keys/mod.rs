//! Who may call, and what URLs are signed with: given once, or in a file that may change at any time.

mod file;
mod replace;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use http::Method;
use sha2::{Digest, Sha256};

pub use self::file::{KeyEntry, KeyFile, KeyFileError, NewKey};
use crate::clock::Micros;
use crate::permissions::{Protection, check_permissions};
use crate::signing::url::{Grant, Refusal};
use crate::signing::{Caller, Issuer, Ring, Signer, Tenant, same};
use crate::watched::{Unreadable, Watched};

/// The API keys and signing keys of a server.
pub(crate) struct Keys {
    signer: Arc<Signer>,
    /// Of the keys that were given once.
    fixed: Vec<Caller>,
    file: Option<Watched<Known>>,
    /// Signs where no file says otherwise.
    ring: Arc<Ring>,
}

/// What stands in a key file.
struct Known {
    /// Callers by the SHA-256 of their keys.
    callers: HashMap<[u8; 32], Caller>,
    /// The tenants of the keys that may have asked for a URL.
    issuers: HashMap<Issuer, Tenant>,
    ring: Arc<Ring>,
}

impl Keys {
    pub(crate) fn new(
        signer: &Arc<Signer>,
        api_keys: &[String],
        file: Option<PathBuf>,
    ) -> Result<Self, Unreadable> {
        let read = |path: PathBuf| {
            let signer = signer.clone();
            Watched::new(vec![path.clone()], move || {
                // Who can change it can let anybody in.
                check_permissions(&path, Protection::Write)?;
                known(&signer, &KeyFile::read(&path)?)
            })
        };
        Ok(Self {
            fixed: api_keys.iter().map(|key| given(signer, key)).collect(),
            file: file.map(read).transpose()?,
            ring: Arc::new(signer.ring()),
            signer: signer.clone(),
        })
    }

    /// Who calls with this key, if it may call. Where no key was given at all, every key may.
    pub(crate) fn caller(&self, key: &str) -> Option<Caller> {
        let caller = given(&self.signer, key);
        if self.takes_any() {
            return Some(caller);
        }
        // All are compared, each in constant time: how long it takes tells nothing about the keys.
        let is_fixed = self.fixed.iter().fold(false, |found, one| {
            let (one, tenant) = (one.tenant.as_str(), caller.tenant.as_str());
            found | same(one.as_bytes(), tenant.as_bytes())
        });
        if is_fixed {
            return Some(caller);
        }
        // Nobody can choose a key by the first bytes of its hash, so how long this takes tells nothing either.
        self.file
            .as_ref()?
            .current()
            .callers
            .get(&hash(key))
            .cloned()
    }

    /// What a URL allows now. It allows nothing once the key that asked for it is no longer accepted.
    pub(crate) fn verify(
        &self,
        method: &Method,
        target: &str,
        now: Micros,
    ) -> Result<Grant, Refusal> {
        let known = self.file.as_ref().map(Watched::current);
        let ring = known.as_ref().map_or(&self.ring, |known| &known.ring);
        let grant = ring.verify(method, target, now)?;
        let is_fixed = |one: &Caller| one.issuer == grant.issuer && one.tenant == grant.tenant;
        let is_known = |known: &Known| known.issuers.get(&grant.issuer) == Some(&grant.tenant);
        if self.takes_any()
            || self.fixed.iter().any(is_fixed)
            || known.as_deref().is_some_and(is_known)
        {
            Ok(grant)
        } else {
            Err(Refusal::Revoked)
        }
    }

    /// What signs URLs now.
    pub(crate) fn ring(&self) -> Arc<Ring> {
        match &self.file {
            Some(file) => file.current().ring.clone(),
            None => self.ring.clone(),
        }
    }

    /// Whether every key is accepted, because none was given.
    fn takes_any(&self) -> bool {
        self.fixed.is_empty() && self.file.is_none()
    }
}

fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// Who calls with a key that is a tenant of its own.
fn given(signer: &Signer, key: &str) -> Caller {
    Caller {
        tenant: signer.tenant(key),
        issuer: signer.issuer(&hash(key)),
    }
}

fn known(signer: &Signer, file: &KeyFile) -> Result<Known, Unreadable> {
    let mut ring = signer.ring();
    for (id, salt, retires) in file.signing() {
        ring = ring.followed_by(signer, id, salt, retires);
    }
    let callers: HashMap<_, _> = file
        .keys()
        .iter()
        .map(|key| {
            let (hash, tenant) = (key.hash(), signer.named_tenant(key.tenant()));
            let issuer = signer.issuer(&hash);
            (hash, Caller { tenant, issuer })
        })
        .collect();
    let issuers = callers
        .values()
        .map(|caller| (caller.issuer.clone(), caller.tenant.clone()))
        .collect();
    Ok(Known {
        callers,
        issuers,
        ring: Arc::new(ring),
    })
}
