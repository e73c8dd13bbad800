//! What of a page the caller has had.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

/// Items that were delivered of one page: a number of 64 bits for each, so that it can be kept with a continuation. The
/// number is the same in every process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Had(Vec<u64>);

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
    fn a_number_is_the_same_for_ever() {
        assert_eq!(number("123456789"), 11_051_210_869_376_104_954);
    }
}
