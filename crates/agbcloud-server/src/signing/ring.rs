//! The keys that sign presigned URLs: one that signs, and those before it for as long as what they signed is good.

use std::fmt;

use super::{Key, Signer};
use crate::clock::Micros;
use crate::random::hex;

/// The signing keys, in the order of their use; the last one signs.
pub(crate) struct Ring {
    before: Vec<(SigningKey, Retirement)>,
    current: SigningKey,
}

pub(super) struct SigningKey {
    /// Stands in every URL, so that it need not be tried which key has signed it.
    pub(super) id: String,
    pub(super) key: Key,
}

/// Unix seconds from which on a key is good for nothing.
struct Retirement(i64);

impl Signer {
    /// The key of a store whose keys were never rotated.
    pub(crate) fn ring(&self) -> Ring {
        Ring {
            before: Vec::new(),
            current: SigningKey {
                id: hex(&self.root.mac(&[b"agb url key id v1"])[..4]),
                key: Key(self.root.mac(&[b"agb url v1"])),
            },
        }
    }
}

impl Ring {
    /// Lets a new key sign, derived from the secret and a salt; the one before it ends at `retires`, in Unix seconds.
    pub(crate) fn followed_by(
        mut self,
        signer: &Signer,
        id: &str,
        salt: &[u8; 32],
        retires: i64,
    ) -> Self {
        let current = SigningKey {
            id: id.to_owned(),
            key: Key(signer.root.mac(&[b"agb url v1\n", salt])),
        };
        self.before.push((self.current, Retirement(retires)));
        self.current = current;
        self
    }

    pub(super) fn current(&self) -> &SigningKey {
        &self.current
    }

    /// The key with this id, if it is not retired.
    pub(super) fn find(&self, id: &str, now: Micros) -> Option<&Key> {
        let before = self.before.iter();
        let good = before.filter(|(_, retirement)| now.seconds() < retirement.0);
        good.map(|(key, _)| key)
            .chain([&self.current])
            .find(|key| key.id == id)
            .map(|key| &key.key)
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ring(…)")
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::names::FilePath;
    use crate::signing::url::{Grant, Refusal};
    use crate::signing::{Issuer, Secret, Tenant};

    #[test]
    fn what_a_key_has_signed_is_good_until_the_key_is_retired() {
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
        assert_eq!(verified(&first, 100), Err(Refusal::Signature));
        assert_eq!(verified(&from_second, 199), Ok(grant.clone()));
        assert_eq!(verified(&from_second, 200), Err(Refusal::Signature));
        let now = third.sign(&get, &grant);
        assert_eq!(verified(&now, 999), Ok(grant.clone()));
        assert_eq!(verified(&now, 1000), Err(Refusal::Expired));
        // The same salt with another secret is another key, and so is the same secret with another salt.
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
                Err(Refusal::Signature)
            );
        }
    }
}
