//! Properties of the parsers of untrusted input, checked by the fuzz targets in `fuzz/`, and by their seeds in tests.

#![expect(
    clippy::unwrap_used,
    reason = "only called by the fuzz targets of the same names, which detect panics"
)]

use http::Method;

use crate::http::{check_range, page_token};
use crate::metadata::ContextCursor;
use crate::names::{FilePath, FolderPath};
use crate::signing::url::Grant;
use crate::signing::{Secret, Signer};
use crate::system::clock::Micros;

const SECRET: Secret = Secret([7; 32]);
const NOW: Micros = Micros(1_000_000_000);

/// An accepted path is normalized.
pub fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let folder = FolderPath::parse(text);
    let Some(path) = FilePath::parse(text) else {
        let bare = text.strip_suffix('/').unwrap_or(text);
        assert!(folder.is_none() || bare.is_empty() || FilePath::parse(bare).is_some());
        return;
    };
    assert_eq!(path.as_str(), text);
    assert_eq!(path.parent().join(path.name()), text);
    assert_eq!(folder.unwrap().as_str(), text);
    assert!(text.len() <= 1024 && text.starts_with('/'));
    assert!(!text.contains('\\') && !text.chars().any(char::is_control));
    assert!(
        !text[1..]
            .split('/')
            .any(|segment| ["", ".", ".."].contains(&segment))
    );
}

/// Only an unaltered signed URL is valid.
pub fn url(data: &[u8]) {
    let signer = Signer::new(&SECRET);
    let grant = Grant {
        tenant: signer.tenant("key"),
        context: "SdkCtx-abcdefghij0123456789".to_owned(),
        generation: 1,
        path: FilePath::parse("/a b/ü#1").unwrap(),
        expires: NOW.seconds() + 60,
        issuer: signer.issuer(&[1; 32]),
    };
    let ring = signer.ring();
    let signed = ring.sign(&Method::PUT, &grant);
    let altered = altered(&signed, data);
    let verified = ring.verify(&Method::PUT, &altered, NOW);
    assert_eq!(verified.is_ok(), altered == signed, "{altered}");
    assert!(ring.verify(&Method::GET, &altered, NOW).is_err());
    let forged = String::from_utf8_lossy(data);
    assert!(ring.verify(&Method::GET, &forged, NOW).is_err());
}

/// A requested range lies within the file.
pub fn range(data: &[u8]) {
    let Some((size, value)) = data.split_first_chunk::<8>() else {
        return;
    };
    if let Ok(value) = std::str::from_utf8(value) {
        check_range(value, u64::from_le_bytes(*size));
    }
}

/// A page token is only valid unaltered, and only for its tenant.
pub fn token(data: &[u8]) {
    let signer = Signer::new(&SECRET);
    let (mine, other) = (signer.tenant("mine"), signer.tenant("other"));
    let position = ContextCursor {
        create_time: Micros(1_748_520_000_000_000),
        id: "SdkCtx-abcdefghij0123456789".to_owned(),
    };
    let issued = page_token::encode(&signer, &mine, &position);
    let altered = altered(&issued, data);
    let decode = |tenant, token: &str| page_token::decode(&signer, tenant, token);
    let decoded = decode(&mine, &altered);
    assert_eq!(
        decoded,
        (altered == issued).then_some(position),
        "{altered}"
    );
    assert_eq!(decode(&other, &altered), None);
    assert_eq!(decode(&mine, &String::from_utf8_lossy(data)), None);
}

/// Replaces a part of the text. The first two bytes determine its start and length, the others the replacement.
fn altered(text: &str, data: &[u8]) -> String {
    let [start, length, rest @ ..] = data else {
        return text.to_owned();
    };
    let start = usize::from(*start) * text.len() / 256;
    let end = text.len().min(start + usize::from(*length));
    let replacement = String::from_utf8_lossy(rest);
    format!("{}{replacement}{}", &text[..start], &text[end..])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    type Target = (&'static str, fn(&[u8]));

    const TARGETS: [Target; 4] = [
        ("path", super::path),
        ("url", super::url),
        ("range", super::range),
        ("token", super::token),
    ];

    #[test]
    fn properties_hold_for_all_seeds() {
        for (name, check) in TARGETS {
            let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
            let seeds = std::fs::read_dir(seeds.join(name)).unwrap();
            let seeds: Vec<_> = seeds.map(|seed| seed.unwrap().path()).collect();
            assert!(seeds.len() > 3, "{name}");
            for seed in seeds {
                check(&std::fs::read(seed).unwrap());
            }
        }
    }

    proptest! {
        #[test]
        fn properties_hold_for_random_bytes(data in prop::collection::vec(any::<u8>(), 0..64)) {
            for (_, check) in TARGETS {
                check(&data);
            }
        }

        #[test]
        fn properties_hold_for_plausible_input(text in "[/.%a-z0-9=&?-]{0,40}") {
            for (_, check) in TARGETS {
                check(text.as_bytes());
            }
        }
    }
}
