//! Everything that is derived from the secret of the store: tenants, presigned URLs and page tokens.

mod key_ring;
pub(crate) mod url;

use std::fmt;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

pub(crate) use self::key_ring::KeyRing;

/// The secret of a store, generated on the first start. Signatures stay valid across restarts.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) [u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The owner of contexts: an id that is derived from an API key or a name and does not reveal it.
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

/// The API key that requested a URL: an id that is derived from the key and does not reveal it.
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

/// The caller of an operation: the tenant, and the API key in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) tenant: Tenant,
    pub(crate) issuer: Issuer,
}

/// The keys that are derived from the secret, one for each purpose, so that a signature for one purpose is invalid for
/// the others.
pub(crate) struct Signer {
    tenants: MacKey,
    tokens: MacKey,
    issuers: MacKey,
    root: MacKey,
}

impl Signer {
    pub(crate) fn new(secret: &Secret) -> Self {
        let root = MacKey::new(&secret.0);
        let derive = |purpose: &[u8]| MacKey::new(&root.mac(&[purpose]));
        Self {
            tenants: derive(b"agb tenant v1"),
            tokens: derive(b"agb page token v1"),
            issuers: derive(b"agb url issuer v1"),
            root,
        }
    }

    /// Returns the tenant of an API key.
    pub(crate) fn tenant(&self, api_key: &str) -> Tenant {
        self.derive_tenant(&[api_key.as_bytes()])
    }

    /// Returns the tenant with a name. It differs from the tenant of every API key, because no key contains a line break.
    pub(crate) fn named_tenant(&self, name: &str) -> Tenant {
        self.derive_tenant(&[b"name\n", name.as_bytes()])
    }

    /// Returns the issuer of the URLs that the API key with this SHA-256 requests.
    pub(crate) fn issuer(&self, hash: &[u8; 32]) -> Issuer {
        Issuer(HEXLOWER.encode(&self.issuers.mac(&[hash])[..8]).into())
    }

    /// Returns the MAC of a page token of this tenant.
    pub(crate) fn token_mac(&self, tenant: &Tenant, payload: &[u8]) -> [u8; 32] {
        self.tokens
            .mac(&[tenant.as_str().as_bytes(), b"\n", payload])
    }

    fn derive_tenant(&self, parts: &[&[u8]]) -> Tenant {
        Tenant(HEXLOWER.encode(&self.tenants.mac(parts)[..16]).into())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(…)")
    }
}

/// A key of HMAC-SHA256, as the state after hashing the key. That halves the work of a short MAC.
#[derive(Clone)]
struct MacKey(Hmac<Sha256>);

impl MacKey {
    fn new(key: &[u8; 32]) -> Self {
        // HMAC pads a short key with zeros. Doing it here makes the constructor infallible.
        let mut block = [0; 64];
        block[..32].copy_from_slice(key);
        Self(Hmac::new(&block.into()))
    }

    /// Returns the HMAC-SHA256 of the concatenated parts. Callers must make the concatenation unambiguous.
    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// Whether both are equal. The duration does not reveal where they differ.
pub(crate) fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_is_hmac_sha256() {
        // RFC 4231, test case 1: a key of 20 bytes of 0x0b, padded with zeros as HMAC does.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        assert_eq!(
            HEXLOWER.encode(&MacKey::new(&key).mac(&[b"Hi ", b"There"])),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
    }

    #[test]
    fn tenants_depend_on_key_and_secret_without_revealing_them() {
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
