//! The keys that sign presigned URLs: the current one, and earlier ones while their signatures are valid.

use std::fmt;

use data_encoding::HEXLOWER;

use super::{MacKey, Signer};
use crate::system::clock::Micros;

/// The signing keys of a store.
pub(crate) struct KeyRing {
    /// Earlier keys with their expiry in Unix seconds.
    earlier: Vec<(SigningKey, i64)>,
    current: SigningKey,
}

pub(super) struct SigningKey {
    /// Part of every URL, so that the key of a URL is known without checking all of them.
    pub(super) id: String,
    pub(super) key: MacKey,
}

impl Signer {
    /// Returns the signing key of a store whose keys were never rotated.
    pub(crate) fn ring(&self) -> KeyRing {
        KeyRing {
            earlier: Vec::new(),
            current: SigningKey {
                id: HEXLOWER.encode(&self.root.mac(&[b"agb url key id v1"])[..4]),
                key: MacKey::new(&self.root.mac(&[b"agb url v1"])),
            },
        }
    }
}

impl KeyRing {
    /// Adds a new current key, derived from the secret and a salt. The preceding key expires at `retires`, in Unix seconds.
    pub(crate) fn followed_by(
        mut self,
        signer: &Signer,
        id: &str,
        salt: &[u8; 32],
        retires: i64,
    ) -> Self {
        let current = SigningKey {
            id: id.to_owned(),
            key: MacKey::new(&signer.root.mac(&[b"agb url v1\n", salt])),
        };
        self.earlier.push((self.current, retires));
        self.current = current;
        self
    }

    pub(super) fn current(&self) -> &SigningKey {
        &self.current
    }

    /// Returns the key with this id if it has not expired.
    pub(super) fn find(&self, id: &str, now: Micros) -> Option<&MacKey> {
        let earlier = self.earlier.iter();
        let valid = earlier.filter(|(_, retires)| now.seconds() < *retires);
        valid
            .map(|(key, _)| key)
            .chain([&self.current])
            .find(|key| key.id == id)
            .map(|key| &key.key)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing(…)")
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::names::FilePath;
    use crate::signing::url::{Grant, UrlError};
    use crate::signing::{Issuer, Secret, Tenant};

    #[test]
    fn a_signature_is_valid_until_its_key_expires() {
        let signer = Signer::new(&Secret([3; 32]));
        let grant = Grant {
            tenant: Tenant::from("t"),
            context: "c".to_owned(),
            generation: 1,
            path: FilePath::parse("/f").unwrap(),
            expires: 1000,
            issuer: Issuer::from("i"),
        };
        let at = |seconds: i64| Micros(seconds * 1_000_000);
        let get = Method::GET;
        let first = signer.ring().sign(&get, &grant);
        let second = signer.ring().followed_by(&signer, "a", &[1; 32], 100);
        let from_second = second.sign(&get, &grant);
        let third = second.followed_by(&signer, "b", &[2; 32], 200);
        let verified = |target: &str, seconds: i64| third.verify(&get, target, at(seconds));
        assert_eq!(verified(&first, 99), Ok(grant.clone()));
        assert_eq!(verified(&first, 100), Err(UrlError::Signature));
        assert_eq!(verified(&from_second, 199), Ok(grant.clone()));
        assert_eq!(verified(&from_second, 200), Err(UrlError::Signature));
        let now = third.sign(&get, &grant);
        assert_eq!(verified(&now, 999), Ok(grant.clone()));
        assert_eq!(verified(&now, 1000), Err(UrlError::Expired));
        // Another secret or another salt results in another key.
        for ring in [
            Signer::new(&Secret([4; 32])).ring().followed_by(
                &Signer::new(&Secret([4; 32])),
                "a",
                &[1; 32],
                100,
            ),
            signer.ring().followed_by(&signer, "a", &[9; 32], 100),
        ] {
            assert_eq!(
                ring.verify(&get, &from_second, at(1)),
                Err(UrlError::Signature)
            );
        }
    }
}
