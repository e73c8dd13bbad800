//! The delivered items of a page.

use std::collections::HashSet;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The items of one page that were delivered, as 64-bit hashes of their keys that are the same in every process. Serialized
/// as one text of hexadecimal digits, since many formats have no 64-bit numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct DeliveredItems(Vec<u64>);

/// Fingerprint of a page: its item keys in order, and the total.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PageFingerprint(DeliveredItems);

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
        has_key.then(|| Self(DeliveredItems(vec![digest.sum64()])))
    }
}

/// Hexadecimal digits of one hash.
const DIGITS: usize = 16;

impl Serialize for DeliveredItems {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits: String = self.0.iter().map(|n| format!("{n:016x}")).collect();
        serializer.serialize_str(&digits)
    }
}

impl<'de> Deserialize<'de> for DeliveredItems {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?;
        let damaged = || D::Error::custom("invalid continuation: the delivered items are damaged");
        let hashes = digits.as_bytes().chunks(DIGITS).map(|digits| {
            let text = std::str::from_utf8(digits).ok()?;
            let valid = text.len() == DIGITS && text.bytes().all(|digit| digit.is_ascii_hexdigit());
            valid.then(|| u64::from_str_radix(text, 16).ok())?
        });
        Ok(Self(hashes.collect::<Option<_>>().ok_or_else(damaged)?))
    }
}

impl DeliveredItems {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn add(&mut self, key: &str) {
        self.0.push(hash(key));
    }

    pub(crate) fn extend(&mut self, others: &Self) {
        self.0.extend(&others.0);
    }

    /// Removes the delivered items from a page, wherever they are on it, and keeps those that are not on it.
    pub(crate) fn remove_from<T>(&mut self, page: &mut Vec<T>, key: impl Fn(&T) -> &str) {
        if self.is_empty() {
            return;
        }
        let mut left: HashSet<u64> = self.0.drain(..).collect();
        page.retain(|item| !left.remove(&hash(key(item))));
        self.0.extend(left);
        self.0.sort_unstable();
    }
}

fn hash(key: &str) -> u64 {
    let mut digest = crc64fast::Digest::new();
    digest.write(key.as_bytes());
    digest.sum64()
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

    #[test]
    fn it_is_serialized_as_one_text() {
        let delivered = DeliveredItems(vec![1, u64::MAX]);
        let text = serde_json::to_string(&delivered).unwrap();
        assert_eq!(text, r#""0000000000000001ffffffffffffffff""#);
        assert_eq!(
            serde_json::from_str::<DeliveredItems>(&text).unwrap(),
            delivered
        );
        assert_eq!(
            serde_json::from_str::<DeliveredItems>("\"\"").unwrap(),
            DeliveredItems::default()
        );
        for damaged in [
            "\"1\"",
            "\"+000000000000001\"",
            "\"é00000000000000\"",
            "[1]",
        ] {
            assert!(
                serde_json::from_str::<DeliveredItems>(damaged).is_err(),
                "{damaged}"
            );
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
        assert_eq!(hash("123456789"), 11_051_210_869_376_104_954);
    }
}
