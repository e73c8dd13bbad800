//! Everything that hangs on the secret of the store: tenants, presigned URLs, page tokens.

mod ring;
pub(crate) mod token;
pub(crate) mod url;

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

pub(crate) use self::ring::Ring;
use crate::random::hex;

/// The secret that is made on the first start and stays in the store: what it signed stays good over a restart.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) [u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Whose contexts: a name for an API key from which the key can't be found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Tenant(Arc<str>);

impl Tenant {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Tenant {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

/// Which API key has asked for a URL: a name for it from which the key can't be found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Issuer(Arc<str>);

impl Issuer {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Issuer {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

/// Who calls: whose contexts are seen, and by which key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) tenant: Tenant,
    pub(crate) issuer: Issuer,
}

/// The keys derived from the secret, one for each purpose, so that nothing signed for one passes for another.
pub(crate) struct Signer {
    tenants: Key,
    tokens: Key,
    issuers: Key,
    root: Key,
}

impl Signer {
    pub(crate) fn new(secret: &Secret) -> Self {
        let root = Key(secret.0);
        let derive = |purpose: &[u8]| Key(root.mac(&[purpose]));
        Self {
            tenants: derive(b"agb tenant v1"),
            tokens: derive(b"agb page token v1"),
            issuers: derive(b"agb url issuer v1"),
            root,
        }
    }

    /// The tenant of an API key.
    pub(crate) fn tenant(&self, api_key: &str) -> Tenant {
        self.tenant_of(&[api_key.as_bytes()])
    }

    /// The tenant of this name. No API key is the same tenant: none has a line break in it.
    pub(crate) fn named_tenant(&self, name: &str) -> Tenant {
        self.tenant_of(&[b"name\n", name.as_bytes()])
    }

    /// The issuer of the URLs that the API key with this SHA-256 asks for.
    pub(crate) fn issuer(&self, hash: &[u8; 32]) -> Issuer {
        Issuer(hex(&self.issuers.mac(&[hash])[..8]).into())
    }

    fn tenant_of(&self, parts: &[&[u8]]) -> Tenant {
        Tenant(hex(&self.tenants.mac(parts)[..16]).into())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(…)")
    }
}

#[derive(Clone)]
struct Key([u8; 32]);

impl Key {
    /// HMAC-SHA256 over the parts, one after the other. The caller sees to it that they can't run into each other.
    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        // HMAC fills a short key up with zeros; doing it here makes the constructor infallible.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.0);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// Whether both are the same, in a time that does not tell where they differ.
pub(crate) fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_is_hmac_sha256() {
        // RFC 4231, test case 6 has a long key; case 1 fits: 20 bytes of 0x0b, zero-filled like HMAC does itself.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        assert_eq!(
            hex(&Key(key).mac(&[b"Hi ", b"There"])),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
    }

    #[test]
    fn tenants_depend_on_key_and_secret_and_do_not_show_them() {
        let signer = Signer::new(&Secret([1; 32]));
        let tenant = signer.tenant("akm-one");
        assert_eq!(tenant, signer.tenant("akm-one"));
        assert_ne!(tenant, signer.tenant("akm-two"));
        assert_ne!(tenant, signer.named_tenant("akm-one"));
        assert_eq!(signer.named_tenant("a"), signer.named_tenant("a"));
        assert_ne!(tenant, Signer::new(&Secret([2; 32])).tenant("akm-one"));
        assert_eq!(tenant.as_str().len(), 32);
        assert_eq!(
            format!("{:?} {signer:?}", Secret([1; 32])),
            "Secret(…) Signer(…)"
        );
    }
}
