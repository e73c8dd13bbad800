//! Presigned URLs: each allows its holder to read or write one file until it expires.
//!
//! ```text
//! /objects/v1/<context>/<base64url of the path>?method=GET&tenant=…&generation=…&expires=…&issuer=…&key=…&signature=…
//! ```
//!
//! The path is encoded in base64url, because clients and proxies normalize dots and re-encode special characters. The
//! signature covers the method and the raw request target up to the signature, so it does not depend on how the target is
//! parsed: any change to a character or to the order or number of parameters invalidates it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;

use super::{Issuer, KeyRing, MacKey, Tenant, constant_time_eq};
use crate::names::FilePath;
use crate::system::clock::Micros;

/// The path prefix of presigned URLs.
pub(crate) const PREFIX: &str = "/objects/v1/";
const KEY: &str = "&key=";
const SIGNATURE: &str = "&signature=";

/// What a presigned URL allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) tenant: Tenant,
    pub(crate) context: String,
    /// The generation of the context. A clear starts a new generation, which invalidates all earlier URLs.
    pub(crate) generation: i64,
    pub(crate) path: FilePath,
    /// Unix seconds.
    pub(crate) expires: i64,
    /// The API key that requested the URL. The URL is valid while the key is.
    pub(crate) issuer: Issuer,
}

/// Why a presigned URL is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UrlError {
    /// The service did not sign it, or signed it for another method.
    Signature,
    Expired,
    /// The API key that requested it is no longer accepted.
    Revoked,
    /// The keys can't be read.
    Unavailable,
}

impl KeyRing {
    /// Returns the signed request target for a method: path and query.
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

    /// Returns the grant in a raw request target. Checks the signature before anything else, but not the issuer.
    pub(crate) fn verify(
        &self,
        method: &Method,
        target: &str,
        now: Micros,
    ) -> Result<Grant, UrlError> {
        // Read access to a file includes access to its size.
        let method = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        let (signed, signature) = target.rsplit_once(SIGNATURE).ok_or(UrlError::Signature)?;
        let (_, id) = signed.rsplit_once(KEY).ok_or(UrlError::Signature)?;
        let key = self.find(id, now).ok_or(UrlError::Signature)?;
        // Compares the encoded signatures, because base64 can encode the same bytes in several ways.
        let expected = self::signature(key, method, signed);
        if !constant_time_eq(signature.as_bytes(), expected.as_bytes()) {
            return Err(UrlError::Signature);
        }
        let grant = parse(signed).ok_or(UrlError::Signature)?;
        if now.seconds() >= grant.expires {
            Err(UrlError::Expired)
        } else {
            Ok(grant)
        }
    }
}

fn signature(key: &MacKey, method: &Method, target: &str) -> String {
    let mac = key.mac(&[
        b"AGB1-HMAC-SHA256\n",
        method.as_str().as_bytes(),
        b"\n",
        target.as_bytes(),
    ]);
    URL_SAFE_NO_PAD.encode(mac)
}

/// Parses a target that [`KeyRing::sign`] created.
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

    fn ring() -> KeyRing {
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
    fn a_signed_url_is_valid_until_it_expires() {
        let target = ring().sign(&Method::GET, &grant());
        assert_eq!(ring().verify(&Method::GET, &target, BEFORE), Ok(grant()));
        assert_eq!(ring().verify(&Method::HEAD, &target, BEFORE), Ok(grant()));
        assert_eq!(
            ring().verify(&Method::GET, &target, AT_EXPIRY),
            Err(UrlError::Expired)
        );
        assert!(
            target
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._~/?&=".contains(&b)),
            "{target}"
        );
    }

    #[test]
    fn another_method_key_or_target_is_rejected() {
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
                Err(UrlError::Signature),
                "{method}"
            );
        }
        let other = Signer::new(&Secret([4; 32])).ring();
        assert_eq!(
            other.verify(&Method::PUT, &target, BEFORE),
            Err(UrlError::Signature)
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
                Err(UrlError::Signature),
                "{altered}"
            );
        }
    }

    #[test]
    fn a_change_of_any_character_is_rejected() {
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
