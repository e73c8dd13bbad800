//! Random bytes and names from the operating system.

#![expect(
    clippy::disallowed_methods,
    reason = "the only place where the service requests random bytes"
)]

use std::sync::atomic::{AtomicU64, Ordering};

use data_encoding::HEXLOWER;

/// The operating system returned no random bytes. No secret can be generated without them.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the operating system returned no random bytes")]
pub(crate) struct NoRandom;

pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NoRandom)?;
    Ok(bytes)
}

/// Returns `length` characters out of `a-z0-9`, uniformly distributed.
pub(crate) fn alphanumeric(length: usize) -> Result<String, NoRandom> {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut name = String::with_capacity(length);
    while name.len() < length {
        for byte in bytes::<32>()? {
            // 252 is the largest multiple of 36 in a byte. Larger values would favour the first letters.
            if byte < 252 && name.len() < length {
                name.push(char::from(ALPHABET[usize::from(byte % 36)]));
            }
        }
    }
    Ok(name)
}

/// Returns an id for one request, in the form of a version 4 UUID.
///
/// It only has to be unique, so a counter replaces a failing random source.
pub(crate) fn request_id() -> String {
    static FALLBACK: AtomicU64 = AtomicU64::new(0);
    let mut id: [u8; 16] = bytes().unwrap_or_else(|NoRandom| {
        u128::from(FALLBACK.fetch_add(1, Ordering::Relaxed)).to_be_bytes()
    });
    id[6] = (id[6] & 0x0f) | 0x40;
    id[8] = (id[8] & 0x3f) | 0x80;
    let hex = HEXLOWER.encode(&id);
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_a_version_4_uuid() {
        let id = request_id();
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4');
        assert_ne!(id, request_id());
    }

    #[test]
    fn names_have_the_requested_length_and_alphabet() {
        let name = alphanumeric(20).unwrap();
        assert_eq!(name.len(), 20);
        assert!(
            name.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        );
        assert_ne!(name, alphanumeric(20).unwrap());
    }
}
