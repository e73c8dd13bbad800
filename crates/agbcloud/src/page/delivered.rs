//! The delivered items of a page.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The items of one page that were delivered, as hashes of their keys that are the same in every process, in ascending order.
///
/// A hash has 48 bits: on a page of 1000 items, an undelivered one is taken for a delivered one once in a thousand million
/// times.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct DeliveredItems(BTreeSet<u64>);

/// Fingerprint of a page: its item keys in order, and the total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PageFingerprint(u64);

impl PageFingerprint {
    /// `None` for a page without keys, which can't be recognised.
    pub(crate) fn of<'a>(keys: impl Iterator<Item = &'a str>, total: Option<u64>) -> Option<Self> {
        let mut digest = crc64fast::Digest::new();
        digest.write(&total.unwrap_or(u64::MAX).to_le_bytes());
        let mut has_key = false;
        for key in keys {
            has_key |= !key.is_empty();
            digest.write(&(key.len() as u64).to_le_bytes());
            digest.write(key.as_bytes());
        }
        has_key.then(|| Self(digest.sum64()))
    }
}

/// Bits of a hash.
const HASH_BITS: u32 = 48;

impl DeliveredItems {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn add(&mut self, key: &str) {
        self.0.insert(hash(key));
    }

    pub(crate) fn extend(&mut self, others: &Self) {
        self.0.extend(&others.0);
    }

    /// Removes the delivered items from a page, wherever they are on it, and keeps those that are not on it.
    pub(crate) fn remove_from<T>(&mut self, page: &mut Vec<T>, key: impl Fn(&T) -> &str) {
        if self.is_empty() {
            return;
        }
        page.retain(|item| !self.0.remove(&hash(key(item))));
    }

    /// Returns the number of items and their hashes in a compact form: the differences of the sorted hashes in Rice's code.
    /// An item of a page of 100 takes 44 bits.
    pub(crate) fn to_bits(&self) -> (usize, Vec<u8>) {
        let mut bits = BitWriter::default();
        let (low_bits, mut last) = (low_bits(self.0.len()), 0);
        for hash in &self.0 {
            let difference = hash - last;
            last = *hash;
            bits.push_ones(difference >> low_bits);
            bits.push(difference, low_bits);
        }
        (self.0.len(), bits.bytes)
    }

    /// The reverse of [`to_bits`](Self::to_bits); `None` for other bytes.
    pub(crate) fn from_bits(items: usize, bytes: &[u8]) -> Option<Self> {
        // An item takes more than 8 bits.
        if items > bytes.len() {
            return None;
        }
        let mut bits = BitReader { bytes, at: 0 };
        let (low_bits, mut last) = (low_bits(items), 0_u64);
        let mut hashes = BTreeSet::new();
        for _ in 0..items {
            let high = bits.ones()?.checked_mul(1 << low_bits)?;
            last = last.checked_add(high)?.checked_add(bits.take(low_bits)?)?;
            hashes.insert(last);
        }
        let delivered = Self(hashes);
        // Only one text stands for a set.
        (last >> HASH_BITS == 0 && delivered.to_bits() == (items, bytes.to_vec()))
            .then_some(delivered)
    }
}

fn hash(key: &str) -> u64 {
    let mut digest = crc64fast::Digest::new();
    digest.write(key.as_bytes());
    digest.sum64() >> (u64::BITS - HASH_BITS)
}

/// Bits of a difference that are written as they are: about those of the average.
fn low_bits(items: usize) -> u32 {
    HASH_BITS.saturating_sub(items.checked_ilog2().unwrap_or_default())
}

/// Writes bits, the first of a byte in its highest place.
#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    free: u32,
}

impl BitWriter {
    fn push_bit(&mut self, bit: bool) {
        if self.free == 0 {
            self.bytes.push(0);
            self.free = u8::BITS;
        }
        self.free -= 1;
        if let Some(byte) = self.bytes.last_mut() {
            *byte |= u8::from(bit) << self.free;
        }
    }

    /// This number of ones, and a zero.
    fn push_ones(&mut self, number: u64) {
        (0..number).for_each(|_| self.push_bit(true));
        self.push_bit(false);
    }

    /// The last `bits` bits of a number.
    fn push(&mut self, number: u64, bits: u32) {
        for place in (0..bits).rev() {
            self.push_bit(number >> place & 1 == 1);
        }
    }
}

/// Reads what [`BitWriter`] has written.
struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl BitReader<'_> {
    fn bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let place = 7 - self.at % 8;
        self.at += 1;
        Some(byte >> place & 1 == 1)
    }

    fn ones(&mut self) -> Option<u64> {
        let mut number = 0;
        while self.bit()? {
            number += 1;
        }
        Some(number)
    }

    fn take(&mut self, bits: u32) -> Option<u64> {
        (0..bits).try_fold(0, |number, _| Some(number << 1 | u64::from(self.bit()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delivered_items_are_removed_from_a_page() {
        let mut delivered = DeliveredItems::default();
        for key in ["a", "b", "c"] {
            delivered.add(key);
        }
        let mut page = vec!["x", "a", "c", "d"];
        delivered.remove_from(&mut page, |item| item);
        assert_eq!(page, ["x", "d"]);
        let mut next = vec!["b", "a"];
        delivered.remove_from(&mut next, |item| item);
        assert_eq!(next, ["a"], "each was delivered once");
        assert!(delivered.is_empty());
    }

    fn items(number: usize) -> DeliveredItems {
        let mut delivered = DeliveredItems::default();
        (0..number).for_each(|n| delivered.add(&format!("/data/{n}.txt")));
        delivered
    }

    #[test]
    fn the_compact_form_is_read_back() {
        for number in [0, 1, 2, 3, 50, 100, 1000] {
            let delivered = items(number);
            let (count, bytes) = delivered.to_bits();
            assert_eq!(count, number);
            let back = DeliveredItems::from_bits(count, &bytes);
            assert_eq!(back, Some(delivered), "{number}");
            let longer = [&bytes[..], &[0]].concat();
            assert_eq!(DeliveredItems::from_bits(count, &longer), None);
            assert_eq!(DeliveredItems::from_bits(count + 1, &bytes), None);
        }
    }

    #[test]
    fn the_compact_form_is_small() {
        assert!(items(100).to_bits().1.len() <= 100 * 44 / 8);
        assert!(items(1000).to_bits().1.len() <= 5100);
    }

    proptest::proptest! {
        #[test]
        fn other_bytes_are_refused(items in 0_usize..20, bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
            if let Some(delivered) = DeliveredItems::from_bits(items, &bytes) {
                proptest::prop_assert_eq!(delivered.to_bits(), (items, bytes));
            }
        }
    }

    #[test]
    fn a_fingerprint_depends_on_the_items_and_their_order() {
        let fingerprint =
            |keys: &[&'static str]| PageFingerprint::of(keys.iter().copied(), Some(2));
        assert_eq!(fingerprint(&["a", "b"]), fingerprint(&["a", "b"]));
        assert_ne!(fingerprint(&["a", "b"]), fingerprint(&["b", "a"]));
        assert_ne!(fingerprint(&["a", "b"]), fingerprint(&["ab", ""]));
        assert_eq!(fingerprint(&[]), None);
        assert_eq!(fingerprint(&["", ""]), None);
    }

    #[test]
    fn hashes_are_stable() {
        assert_eq!(hash("123456789"), 11_051_210_869_376_104_954 >> 16);
    }
}
