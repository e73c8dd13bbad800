//! Checksums that an object store reports, and hashers to compare them with.

use md5::{Digest, Md5};
use reqwest::header::HeaderMap;

/// Returns the header `ETag` as received.
pub(crate) fn etag_of(headers: &HeaderMap) -> Option<String> {
    headers
        .get(reqwest::header::ETAG)?
        .to_str()
        .ok()
        .map(str::to_owned)
}

/// Checksums of an object as reported by the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StoreChecksums {
    crc64: Option<u64>,
    etag: Option<String>,
}

impl StoreChecksums {
    /// Reads the ETag and the CRC-64 of Alibaba OSS.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Self {
        let crc64 = headers.get("x-oss-hash-crc64ecma");
        Self {
            crc64: crc64.and_then(|crc| crc.to_str().ok()?.trim().parse().ok()),
            etag: etag_of(headers),
        }
    }

    /// Reads the entry of a listing. A weak ETag does not identify the bytes.
    pub(crate) fn from_listing(etag: Option<&str>, crc64: Option<u64>) -> Self {
        let strong = etag.filter(|etag| !etag.starts_with("W/"));
        let etag = strong.map(str::to_owned);
        Self { crc64, etag }
    }

    /// Returns the ETag if it is the MD5 of the content: 32 hexadecimal digits. That of a multipart upload ends with `-N`.
    fn md5(&self) -> Option<String> {
        let digits = self.etag()?.trim_matches('"').to_ascii_lowercase();
        let is_md5 = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_md5.then_some(digits)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.crc64.is_none() && self.md5().is_none()
    }

    /// Returns the ETag as received, with its quotes.
    pub(crate) fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// Returns a hasher for a checksum that can be compared. One is enough, and the CRC is cheap.
    pub(crate) fn hasher(&self) -> ContentHasher {
        ContentHasher {
            md5: self.needs_md5().then(Md5::new),
            ..ContentHasher::crc64_only()
        }
    }

    /// Whether the MD5 is the only checksum.
    pub(crate) fn needs_md5(&self) -> bool {
        self.crc64.is_none() && self.md5().is_some()
    }

    /// Whether every reported checksum that was also computed is the same.
    pub(crate) fn match_content(&self, hasher: &ContentHasher) -> bool {
        let md5 = hasher.md5().zip(self.md5());
        md5.is_none_or(|(computed, reported)| computed == reported)
            && self.crc64.is_none_or(|reported| hasher.crc64() == reported)
    }

    /// Whether a checksum that both have differs.
    pub(crate) fn differs_from(&self, other: &Self) -> bool {
        if let (Some(one), Some(other)) = (self.crc64, other.crc64) {
            return one != other;
        }
        let tag = |checksums: &Self| checksums.md5().or_else(|| checksums.etag.clone());
        let both = tag(self).zip(tag(other));
        both.is_some_and(|(one, other)| one != other)
    }

    pub(crate) fn crc64(&self) -> Option<u64> {
        self.crc64
    }
}

/// Computes checksums of streamed content.
#[derive(Clone)]
pub(crate) struct ContentHasher {
    md5: Option<Md5>,
    crc64: crc64fast::Digest,
}

impl ContentHasher {
    /// Computes the checksum that can be combined from those of parts.
    pub(crate) fn crc64_only() -> Self {
        Self {
            md5: None,
            crc64: crc64fast::Digest::new(),
        }
    }

    /// Computes every checksum that a store may report.
    pub(crate) fn all() -> Self {
        Self {
            md5: Some(Md5::new()),
            ..Self::crc64_only()
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        self.crc64.write(bytes);
    }

    pub(crate) fn has_md5(&self) -> bool {
        self.md5.is_some()
    }

    fn md5(&self) -> Option<String> {
        let digest = self.md5.clone()?.finalize();
        Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    pub(crate) fn crc64(&self) -> u64 {
        self.crc64.sum64()
    }
}

/// Returns the CRC of two concatenated contents, from their CRCs and the length of the second.
///
/// In the arithmetic of the CRC, appending `length` bytes multiplies by x to the power of `8 * length`.
pub(crate) fn combine_crc64(first: u64, second: u64, length: u64) -> u64 {
    multiply(first, x_to_the_bits_of(length)) ^ second
}

/// The polynomial of the CRC-64 of ECMA-182 in reversed bit order: the highest bit is the coefficient of x⁰.
const POLYNOMIAL: u64 = 0xC96C_5795_D787_0F42;
const ONE: u64 = 1 << 63;

/// Multiplies two polynomials modulo that of the CRC.
fn multiply(a: u64, mut b: u64) -> u64 {
    let mut product = 0;
    for bit in (0..64).rev() {
        if a >> bit & 1 == 1 {
            product ^= b;
        }
        b = (b >> 1) ^ if b & 1 == 1 { POLYNOMIAL } else { 0 };
    }
    product
}

/// Returns x to the power of `8 * bytes`.
fn x_to_the_bits_of(bytes: u64) -> u64 {
    let mut square = ONE >> 8;
    let mut result = ONE;
    for bit in 0..64 {
        if bytes >> bit & 1 == 1 {
            result = multiply(result, square);
        }
        square = multiply(square, square);
    }
    result
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn crc64(bytes: &[u8]) -> u64 {
        let mut digest = crc64fast::Digest::new();
        digest.write(bytes);
        digest.sum64()
    }

    proptest! {
        #[test]
        fn combined_crcs_equal_the_crc_of_the_concatenation(
            first in prop::collection::vec(any::<u8>(), 0..3000),
            second in prop::collection::vec(any::<u8>(), 0..3000),
        ) {
            let whole = [first.clone(), second.clone()].concat();
            let length = second.len() as u64;
            prop_assert_eq!(combine_crc64(crc64(&first), crc64(&second), length), crc64(&whole));
        }
    }

    fn reported(headers: &[(&'static str, &str)]) -> StoreChecksums {
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        StoreChecksums::from_headers(&pairs.collect())
    }

    #[test]
    fn only_an_etag_of_32_hex_digits_is_an_md5() {
        let md5 = "5d41402abc4b2a76b9719d911017c592";
        let upper = format!("\"{}\"", md5.to_uppercase());
        assert_eq!(reported(&[("etag", &upper)]).md5().as_deref(), Some(md5));
        assert_eq!(reported(&[("etag", &format!("\"{md5}-2\""))]).md5(), None);
        assert_eq!(reported(&[("etag", "W/\"abc\"")]).md5(), None);
    }

    #[test]
    fn content_is_compared_with_every_reported_checksum() {
        // The MD5 of `123456789`, and its CRC, which catalogues list as the check value.
        let crc = ("x-oss-hash-crc64ecma", "11051210869376104954");
        let md5 = ("etag", "\"25f9e794323b453885f5181f1b624d0b\"");
        for headers in [&[crc][..], &[md5], &[crc, md5], &[]] {
            let reported = reported(headers);
            for mut hasher in [reported.hasher(), ContentHasher::all()] {
                hasher.update(b"12345");
                hasher.update(b"6789");
                assert!(reported.match_content(&hasher), "{headers:?}");
                hasher.update(b"!");
                assert_eq!(
                    reported.match_content(&hasher),
                    headers.is_empty(),
                    "{headers:?}"
                );
            }
        }
    }
}
