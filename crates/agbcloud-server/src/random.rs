//! Random bytes and names from the operating system.

#![allow(clippy::disallowed_methods)] // This is where the service asks the machine for random bytes.

use std::sync::atomic::{AtomicU64, Ordering};

/// The operating system gave no random bytes. Nothing secret can be made without.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub(crate) struct NoRandom;

pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NoRandom)?;
    Ok(bytes)
}

/// `length` random characters out of `a-z0-9`, each with the same chance.
pub(crate) fn alphanumeric(length: usize) -> Result<String, NoRandom> {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut name = String::with_capacity(length);
    while name.len() < length {
        for byte in bytes::<32>()? {
            // 252 is the largest multiple of 36 in a byte: what is above would favour the first letters.
            if byte < 252 && name.len() < length {
                name.push(char::from(ALPHABET[usize::from(byte % 36)]));
            }
        }
    }
    Ok(name)
}

/// An id for one request, in the form of a version 4 UUID.
///
/// It only has to tell requests apart, so a failing random source ends in a counter, not in a failure.
pub(crate) fn request_id() -> String {
    static FALLBACK: AtomicU64 = AtomicU64::new(0);
    let mut id: [u8; 16] = bytes().unwrap_or_else(|NoRandom| {
        u128::from(FALLBACK.fetch_add(1, Ordering::Relaxed)).to_be_bytes()
    });
    id[6] = (id[6] & 0x0f) | 0x40;
    id[8] = (id[8] & 0x3f) | 0x80;
    let hex = hex(&id);
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        hex.push(char::from(DIGITS[usize::from(byte >> 4)]));
        hex.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    hex
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
    fn names_have_the_length_and_the_letters() {
        let name = alphanumeric(20).unwrap();
        assert_eq!(name.len(), 20);
        assert!(
            name.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        );
        assert_ne!(name, alphanumeric(20).unwrap());
    }

    #[test]
    fn hex_is_lower_case() {
        assert_eq!(hex(&[0, 255, 10]), "00ff0a");
    }
}
