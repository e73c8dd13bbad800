//! What a store tells of an object's content, and the sums that it is held against.

use md5::{Digest, Md5};
use reqwest::header::HeaderMap;

use super::store::etag_of;

/// Checksums of an object as a store tells them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// In hexadecimal.
    md5: Option<String>,
    crc64: Option<u64>,
    etag: Option<String>,
}

impl Told {
    /// The ETag, if it is the MD5 of the content: quoted or not, 32 hexadecimal digits, not `…-N` of many parts; and
    /// what Alibaba's OSS sends beside it.
    pub(super) fn by(headers: &HeaderMap) -> Self {
        let crc64 = headers.get("x-oss-hash-crc64ecma");
        Self::of(
            etag_of(headers),
            crc64.and_then(|crc| crc.to_str().ok()?.trim().parse().ok()),
        )
    }

    /// The same from the entry of a listing. A weak ETag says nothing about bytes.
    pub(super) fn listed(etag: Option<&str>, crc64: Option<u64>) -> Self {
        let strong = etag.filter(|etag| !etag.starts_with("W/"));
        Self::of(strong.map(str::to_owned), crc64)
    }

    fn of(etag: Option<String>, crc64: Option<u64>) -> Self {
        let tag = etag.as_deref();
        let tag = tag.map(|tag| tag.trim_matches('"').to_ascii_lowercase());
        let is_md5 =
            |tag: &String| tag.len() == 32 && tag.bytes().all(|byte| byte.is_ascii_hexdigit());
        Self {
            md5: tag.filter(is_md5),
            crc64,
            etag,
        }
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.md5.is_none() && self.crc64.is_none()
    }

    /// The ETag as it came.
    pub(super) fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// The sums that are needed to check it. One is enough, and the CRC costs next to nothing.
    pub(super) fn sums(&self) -> Sums {
        Sums {
            md5: self.needs_md5().then(Md5::new),
            ..Sums::crc64_alone()
        }
    }

    /// Whether nothing but an MD5 was told.
    pub(super) fn needs_md5(&self) -> bool {
        self.md5.is_some() && self.crc64.is_none()
    }

    /// Whether nothing that was told speaks against these sums.
    pub(super) fn agrees(&self, sums: &Sums) -> bool {
        let md5 = sums.md5().zip(self.md5.clone());
        md5.is_none_or(|(ours, told)| ours == told)
            && self.crc64.is_none_or(|told| sums.crc64() == told)
    }

    /// Whether these are the checksums of other content, as far as both have the same kind.
    pub(super) fn differs_from(&self, other: &Self) -> bool {
        if let (Some(one), Some(other)) = (self.crc64, other.crc64) {
            return one != other;
        }
        let tag = |told: &Self| told.md5.clone().or_else(|| told.etag.clone());
        let both = tag(self).zip(tag(other));
        both.is_some_and(|(one, other)| one != other)
    }

    /// The CRC, where it was told.
    pub(super) fn crc64(&self) -> Option<u64> {
        self.crc64
    }
}

/// Sums of content that goes by.
#[derive(Clone)]
pub(super) struct Sums {
    md5: Option<Md5>,
    crc64: crc64fast::Digest,
}

impl Sums {
    /// The one that can be put together from those of parts.
    pub(super) fn crc64_alone() -> Self {
        Self {
            md5: None,
            crc64: crc64fast::Digest::new(),
        }
    }

    /// All that a store may tell.
    pub(super) fn all() -> Self {
        Self {
            md5: Some(Md5::new()),
            ..Self::crc64_alone()
        }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        self.crc64.write(bytes);
    }

    fn md5(&self) -> Option<String> {
        let digest = self.md5.clone()?.finalize();
        Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    pub(super) fn crc64(&self) -> u64 {
        self.crc64.sum64()
    }
}

/// The CRC of two contents one behind the other, from theirs and the length of the second.
///
/// What stands before `length` bytes is, in the CRC's arithmetic, multiplied by x to the power of eight times that.
pub(super) fn joined(first: u64, second: u64, length: u64) -> u64 {
    multiplied(first, power(length)) ^ second
}

/// The CRC-64 of ECMA-182, bits in reverse: the highest bit is the coefficient of x⁰.
const POLYNOMIAL: u64 = 0xC96C_5795_D787_0F42;
const ONE: u64 = 1 << 63;

/// The product of two polynomials, modulo that of the CRC.
fn multiplied(a: u64, mut b: u64) -> u64 {
    let mut product = 0;
    for bit in (0..64).rev() {
        if a >> bit & 1 == 1 {
            product ^= b;
        }
        b = (b >> 1) ^ if b & 1 == 1 { POLYNOMIAL } else { 0 };
    }
    product
}

/// x to the power of eight times this.
fn power(bytes: u64) -> u64 {
    let mut square = ONE >> 8;
    let mut result = ONE;
    for bit in 0..64 {
        if bytes >> bit & 1 == 1 {
            result = multiplied(result, square);
        }
        square = multiplied(square, square);
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
        fn two_sums_are_joined_as_if_their_contents_were(
            first in prop::collection::vec(any::<u8>(), 0..3000),
            second in prop::collection::vec(any::<u8>(), 0..3000),
        ) {
            let whole = [first.clone(), second.clone()].concat();
            let length = second.len() as u64;
            prop_assert_eq!(joined(crc64(&first), crc64(&second), length), crc64(&whole));
        }
    }

    fn told(headers: &[(&'static str, &str)]) -> Told {
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        Told::by(&pairs.collect())
    }

    #[test]
    fn only_a_plain_md5_counts_as_one() {
        let md5 = "5d41402abc4b2a76b9719d911017c592";
        let upper = format!("\"{}\"", md5.to_uppercase());
        assert_eq!(told(&[("etag", &upper)]).md5.as_deref(), Some(md5));
        assert_eq!(told(&[("etag", &format!("\"{md5}-2\""))]).md5, None);
        assert_eq!(told(&[("etag", "W/\"abc\"")]).md5, None);
    }

    #[test]
    fn content_is_held_against_whatever_is_told() {
        // Of `123456789`: the check value that catalogues give for this CRC, and its MD5.
        let crc = ("x-oss-hash-crc64ecma", "11051210869376104954");
        let md5 = ("etag", "\"25f9e794323b453885f5181f1b624d0b\"");
        for headers in [&[crc][..], &[md5], &[crc, md5], &[]] {
            let told = told(headers);
            for mut sums in [told.sums(), Sums::all()] {
                sums.add(b"12345");
                sums.add(b"6789");
                assert!(told.agrees(&sums), "{headers:?}");
                sums.add(b"!");
                assert_eq!(told.agrees(&sums), headers.is_empty(), "{headers:?}");
            }
        }
    }
}
