//! Presigned URLs: whoever has one may read or write one file until it expires.
//!
//! ```text
//! /objects/v1/<context>/<base64url of the path>?method=GET&tenant=…&generation=…&expires=…&issuer=…&key=…&signature=…
//! ```
//!
//! The path travels in base64url, because clients and proxies collapse dots and re-encode what is not plain.
//! The signature covers the method and the raw request target up to itself, so it does not depend on how a
//! target is taken apart: another character, order or number of parameters is another target.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;

use super::{Issuer, Key, Ring, Tenant, same};
use crate::clock::Micros;
use crate::names::FilePath;

/// Where the object leg begins.
pub(crate) const PREFIX: &str = "/objects/v1/";
const KEY: &str = "&key=";
const SIGNATURE: &str = "&signature=";

/// What a presigned URL allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) tenant: Tenant,
    pub(crate) context: String,
    /// The generation of the context: a clear makes a new one, and so ends all URLs from before.
    pub(crate) generation: i64,
    pub(crate) path: FilePath,
    /// Unix seconds.
    pub(crate) expires: i64,
    /// The API key that asked for the URL: the URL is good for as long as the key is.
    pub(crate) issuer: Issuer,
}

/// Why a URL allows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Not signed by us, or for another method.
    Signature,
    Expired,
    /// The API key that asked for it is no longer accepted.
    Revoked,
}

impl Ring {
    /// The signed request target for a method: path and query.
    pub(crate) fn sign(&self, method: &Method, grant: &Grant) -> String {
        let mut target = format!(
            "{PREFIX}{}/{}?method={method}&tenant={}&generation={}&expires={}&issuer={}&key={}",
            grant.context,
            URL_SAFE_NO_PAD.encode(grant.path.as_str()),
            grant.tenant.as_str(),
            grant.generation,
            grant.expires,
            grant.issuer.as_str(),
            self.current().id,
        );
        let signature = signature(&self.current().key, method, &target);
        target.push_str(SIGNATURE);
        target.push_str(&signature);
        target
    }

    /// What the raw request target allows this method now, if its issuer is still accepted. The signature comes before everything else.
    pub(crate) fn verify(
        &self,
        method: &Method,
        target: &str,
        now: Micros,
    ) -> Result<Grant, Refusal> {
        // Whoever may read a file may ask for its size.
        let method = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        let (signed, signature) = target.rsplit_once(SIGNATURE).ok_or(Refusal::Signature)?;
        let (_, id) = signed.rsplit_once(KEY).ok_or(Refusal::Signature)?;
        let key = self.find(id, now).ok_or(Refusal::Signature)?;
        // The texts are compared, not the bytes: base64 has more than one text for some bytes.
        let expected = self::signature(key, method, signed);
        if !same(signature.as_bytes(), expected.as_bytes()) {
            return Err(Refusal::Signature);
        }
        let grant = parse(signed).ok_or(Refusal::Signature)?;
        if now.seconds() >= grant.expires {
            Err(Refusal::Expired)
        } else {
            Ok(grant)
        }
    }
}

fn signature(key: &Key, method: &Method, target: &str) -> String {
    let mac = key.mac(&[
        b"AGB1-HMAC-SHA256\n",
        method.as_str().as_bytes(),
        b"\n",
        target.as_bytes(),
    ]);
    URL_SAFE_NO_PAD.encode(mac)
}

/// Takes a target apart that [`Ring::sign`] has put together.
fn parse(signed: &str) -> Option<Grant> {
    let (path, query) = signed.strip_prefix(PREFIX)?.split_once('?')?;
    let (context, path) = path.split_once('/')?;
    let path = String::from_utf8(URL_SAFE_NO_PAD.decode(path).ok()?).ok()?;
    let mut values = query.split('&');
    let mut next = |name: &str| values.next()?.strip_prefix(name)?.strip_prefix('=');
    next("method")?;
    Some(Grant {
        tenant: Tenant::from(next("tenant")?),
        context: context.to_owned(),
        generation: next("generation")?.parse().ok()?,
        path: FilePath::parse(&path)?,
        expires: next("expires")?.parse().ok()?,
        issuer: Issuer::from(next("issuer")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::{Secret, Signer};

    fn ring() -> Ring {
        Signer::new(&Secret([3; 32])).ring()
    }

    fn grant() -> Grant {
        Grant {
            tenant: Tenant::from("0123456789abcdef"),
            context: "SdkCtx-abcdefghij0123456789".to_owned(),
            generation: 2,
            path: FilePath::parse("/a b/../ü#1".replace("/..", "/%2e%2e").as_str()).unwrap(),
            expires: 1_000,
            issuer: Issuer::from("0123456789abcdef"),
        }
    }

    const BEFORE: Micros = Micros(999_999_999);
    const AT_EXPIRY: Micros = Micros(1_000_000_000);

    #[test]
    fn what_was_granted_comes_back_until_it_expires() {
        let target = ring().sign(&Method::GET, &grant());
        assert_eq!(ring().verify(&Method::GET, &target, BEFORE), Ok(grant()));
        assert_eq!(ring().verify(&Method::HEAD, &target, BEFORE), Ok(grant()));
        assert_eq!(
            ring().verify(&Method::GET, &target, AT_EXPIRY),
            Err(Refusal::Expired)
        );
        assert!(
            target
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._~/?&=".contains(&b)),
            "{target}"
        );
    }

    #[test]
    fn no_other_method_key_or_tampering_passes() {
        let target = ring().sign(&Method::PUT, &grant());
        assert_eq!(ring().verify(&Method::PUT, &target, BEFORE), Ok(grant()));
        for method in [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::DELETE,
            Method::OPTIONS,
        ] {
            assert_eq!(
                ring().verify(&method, &target, BEFORE),
                Err(Refusal::Signature),
                "{method}"
            );
        }
        let other = Signer::new(&Secret([4; 32])).ring();
        assert_eq!(
            other.verify(&Method::PUT, &target, BEFORE),
            Err(Refusal::Signature)
        );
        let parameter = "&expires=1000";
        let moved = target
            .replace(parameter, "")
            .replace("&signature", "&expires=1000&signature");
        for altered in [
            target.replace("&expires=1000", "&expires=9000"),
            target.replace("&expires=1000", ""),
            target.replace("&expires=1000", "&expires=1000&expires=9000"),
            moved,
            target.replace("&issuer=0123456789abcdef", ""),
            format!("{target}&x=1"),
            format!("{target}&signature="),
            format!("{target}="),
            target.replace("?method", "?&method"),
            target.split("&signature").next().unwrap().to_owned(),
            String::new(),
        ] {
            assert_eq!(
                ring().verify(&Method::PUT, &altered, BEFORE),
                Err(Refusal::Signature),
                "{altered}"
            );
        }
    }

    #[test]
    fn every_single_character_counts() {
        let target = ring().sign(&Method::GET, &grant());
        for at in 0..target.len() {
            for replacement in ["", "A", "0", "%", "aa"] {
                let mut altered = target.clone();
                altered.replace_range(at..=at, replacement);
                if altered != target {
                    assert!(
                        ring().verify(&Method::GET, &altered, BEFORE).is_err(),
                        "{altered}"
                    );
                }
            }
        }
    }
}
