//! What of a page the caller has had.

use std::collections::HashSet;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Items that were delivered of one page: a number of 64 bits for each, so that it can be kept with a continuation. The
/// number is the same in every process. It is written as one text of hexadecimal digits: many formats know no numbers of
/// 64 bits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Had(Vec<u64>);

/// By which a page is known again: that it has these items in this order, of so many in all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark(Had);

impl Mark {
    /// `None` for a page of which that can't be told: an empty one, or one of nameless items.
    pub(crate) fn of<'a>(keys: impl Iterator<Item = &'a str>, total: Option<u64>) -> Option<Self> {
        let mut digest = crc64fast::Digest::new();
        digest.write(&total.unwrap_or(u64::MAX).to_le_bytes());
        let mut named = false;
        for key in keys {
            named |= !key.is_empty();
            digest.write(&(key.len() as u64).to_le_bytes());
            digest.write(key.as_bytes());
        }
        named.then(|| Self(Had(vec![digest.sum64()])))
    }
}

/// Hexadecimal digits of one number.
const DIGITS: usize = 16;

impl Serialize for Had {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits: String = self.0.iter().map(|n| format!("{n:016x}")).collect();
        serializer.serialize_str(&digits)
    }
}

impl<'de> Deserialize<'de> for Had {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?;
        let damaged =
            || D::Error::custom("this is no continuation: the items that were had are damaged");
        let numbers = digits.as_bytes().chunks(DIGITS).map(|number| {
            let text = std::str::from_utf8(number).ok()?;
            let whole = text.len() == DIGITS && text.bytes().all(|digit| digit.is_ascii_hexdigit());
            whole.then(|| u64::from_str_radix(text, 16).ok())?
        });
        Ok(Self(numbers.collect::<Option<_>>().ok_or_else(damaged)?))
    }
}

impl Had {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn add(&mut self, key: &str) {
        self.0.push(number(key));
    }

    pub(crate) fn join(&mut self, others: &Self) {
        self.0.extend(&others.0);
    }

    /// Takes out of a page what is among these, wherever it is now, and keeps those that were not met.
    pub(crate) fn take_from<T>(&mut self, page: &mut Vec<T>, key: impl Fn(&T) -> &str) {
        if self.is_empty() {
            return;
        }
        let mut left: HashSet<u64> = self.0.drain(..).collect();
        page.retain(|item| !left.remove(&number(key(item))));
        self.0.extend(left);
        self.0.sort_unstable();
    }
}

fn number(key: &str) -> u64 {
    let mut digest = crc64fast::Digest::new();
    digest.write(key.as_bytes());
    digest.sum64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_had_is_taken_out_and_nothing_else() {
        let mut had = Had::default();
        for key in ["a", "b", "c"] {
            had.add(key);
        }
        let mut page = vec!["x", "a", "c", "d"];
        had.take_from(&mut page, |item| item);
        assert_eq!(page, ["x", "d"]);
        let mut next = vec!["b", "a"];
        had.take_from(&mut next, |item| item);
        assert_eq!(next, ["a"], "each was had once");
        assert!(had.is_empty());
    }

    #[test]
    fn it_is_kept_as_one_text() {
        let had = Had(vec![1, u64::MAX]);
        let text = serde_json::to_string(&had).unwrap();
        assert_eq!(text, r#""0000000000000001ffffffffffffffff""#);
        assert_eq!(serde_json::from_str::<Had>(&text).unwrap(), had);
        assert_eq!(serde_json::from_str::<Had>("\"\"").unwrap(), Had::default());
        for damaged in [
            "\"1\"",
            "\"+000000000000001\"",
            "\"é00000000000000\"",
            "[1]",
        ] {
            assert!(serde_json::from_str::<Had>(damaged).is_err(), "{damaged}");
        }
    }

    #[test]
    fn a_page_is_known_again_by_its_items_and_their_order() {
        let mark = |keys: &[&'static str]| Mark::of(keys.iter().copied(), Some(2));
        assert_eq!(mark(&["a", "b"]), mark(&["a", "b"]));
        assert_ne!(mark(&["a", "b"]), mark(&["b", "a"]));
        assert_ne!(mark(&["a", "b"]), mark(&["ab", ""]));
        assert_eq!(mark(&[]), None);
        assert_eq!(mark(&["", ""]), None);
    }

    #[test]
    fn a_number_is_the_same_for_ever() {
        assert_eq!(number("123456789"), 11_051_210_869_376_104_954);
    }
}
