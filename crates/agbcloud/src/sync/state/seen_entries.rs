//! A set of entries by their index, with a bit for each.

use std::sync::atomic::{AtomicU64, Ordering};

const BITS: usize = u64::BITS as usize;

pub(super) struct SeenEntries(Vec<AtomicU64>);

impl SeenEntries {
    /// Creates an empty set for this number of entries.
    pub(super) fn new(entries: usize) -> Self {
        let words = std::iter::repeat_with(|| AtomicU64::new(0));
        Self(words.take(entries.div_ceil(BITS)).collect())
    }

    pub(super) fn insert(&self, index: usize) {
        if let Some(word) = self.0.get(index / BITS) {
            word.fetch_or(1 << (index % BITS), Ordering::Relaxed);
        }
    }

    pub(super) fn contains(&self, index: usize) -> bool {
        let word = self.0.get(index / BITS);
        word.is_some_and(|word| word.load(Ordering::Relaxed) & (1 << (index % BITS)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_contains_what_was_inserted() {
        let seen = SeenEntries::new(65);
        seen.insert(63);
        seen.insert(64);
        seen.insert(1000);
        let found: Vec<_> = (0..200).filter(|index| seen.contains(*index)).collect();
        assert_eq!(found, [63, 64]);
    }
}
