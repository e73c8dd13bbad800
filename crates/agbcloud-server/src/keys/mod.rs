//! Who may call, and what URLs are signed with: given once, or in a file that may change at any time.

mod file;
mod replace;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

pub use self::file::{KeyEntry, KeyFile, KeyFileError, NewKey};
use crate::signing::{Ring, Signer, Tenant, same};
use crate::watched::{Unreadable, Watched};

/// The API keys and signing keys of a server.
pub(crate) struct Keys {
    /// Of the keys that were given once.
    fixed: Vec<Tenant>,
    file: Option<Watched<Known>>,
    /// Signs where no file says otherwise.
    ring: Arc<Ring>,
}

/// What stands in a key file.
struct Known {
    /// Tenants by the SHA-256 of their keys.
    tenants: HashMap<[u8; 32], Tenant>,
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
                known(&signer, &KeyFile::read(&path)?)
            })
        };
        Ok(Self {
            fixed: api_keys.iter().map(|key| signer.tenant(key)).collect(),
            file: file.map(read).transpose()?,
            ring: Arc::new(signer.ring()),
        })
    }

    /// The tenant of a key that may call. Where no key was given at all, every key may.
    pub(crate) fn tenant(&self, signer: &Signer, key: &str) -> Option<Tenant> {
        let tenant = signer.tenant(key);
        if self.fixed.is_empty() && self.file.is_none() {
            return Some(tenant);
        }
        // All are compared, each in constant time: how long it takes tells nothing about the keys.
        let is_fixed = self.fixed.iter().fold(false, |found, one| {
            found | same(one.as_str().as_bytes(), tenant.as_str().as_bytes())
        });
        if is_fixed {
            return Some(tenant);
        }
        // Nobody can choose a key by the first bytes of its hash, so how long this takes tells nothing either.
        let hash: [u8; 32] = Sha256::digest(key).into();
        self.file.as_ref()?.current().tenants.get(&hash).cloned()
    }

    /// What signs URLs now, and what verifies them.
    pub(crate) fn ring(&self) -> Arc<Ring> {
        match &self.file {
            Some(file) => file.current().ring.clone(),
            None => self.ring.clone(),
        }
    }
}

fn known(signer: &Signer, file: &KeyFile) -> Result<Known, Unreadable> {
    let mut ring = signer.ring();
    for (id, salt, retires) in file.signing() {
        ring = ring.followed_by(signer, id, salt, retires);
    }
    let tenants = file
        .keys()
        .iter()
        .map(|key| (key.hash(), signer.named_tenant(key.tenant())))
        .collect();
    Ok(Known {
        tenants,
        ring: Arc::new(ring),
    })
}
