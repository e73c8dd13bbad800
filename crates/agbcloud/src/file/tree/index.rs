//! What is at the other end, kept small.

use std::{
    collections::{HashMap, HashSet, hash_map::RandomState},
    hash::BuildHasher,
    time::{Duration, SystemTime},
};

use super::names;

/// What is known of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) size: Option<u64>,
    pub(super) modified: Option<SystemTime>,
}

/// Facts by path. A path is kept as two hashes of 64 bits with keys of their own, 16 bytes in place of a text, and the
/// facts take as many, so that a million files take some 70 MB; that two of them have both hashes in common is not to be
/// expected.
pub(super) struct Index {
    keys: [RandomState; 2],
    facts: Shards<HashMap<[u64; 2], Packed>>,
}

/// Many small tables in place of a large one, which while it grows takes half as much again.
pub(super) struct Shards<T>(Vec<T>);

impl<T: Default> Shards<T> {
    const COUNT: usize = 64;

    pub(super) fn new() -> Self {
        Self(
            std::iter::repeat_with(T::default)
                .take(Self::COUNT)
                .collect(),
        )
    }

    #[allow(clippy::cast_possible_truncation)] // Of a remainder that is small.
    fn place(hash: u64) -> usize {
        (hash % Self::COUNT as u64) as usize
    }

    pub(super) fn of(&self, hash: u64) -> &T {
        &self.0[Self::place(hash)]
    }

    pub(super) fn of_mut(&mut self, hash: u64) -> &mut T {
        &mut self.0[Self::place(hash)]
    }
}

/// The size, and the nanoseconds since 1970, each with a number that stands for what is not known.
pub(super) type Packed = (u64, i64);

pub(super) fn packed(facts: Facts) -> Packed {
    let since = facts
        .modified
        .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    let nanos = since.and_then(|since| i64::try_from(since.as_nanos()).ok());
    (facts.size.unwrap_or(u64::MAX), nanos.unwrap_or(i64::MIN))
}

pub(super) fn unpacked((size, nanos): Packed) -> Facts {
    let since = u64::try_from(nanos).ok().map(Duration::from_nanos);
    Facts {
        size: Some(size).filter(|size| *size != u64::MAX),
        modified: since.map(|since| SystemTime::UNIX_EPOCH + since),
    }
}

impl Index {
    pub(super) fn new() -> Self {
        Self {
            keys: [RandomState::new(), RandomState::new()],
            facts: Shards::new(),
        }
    }

    fn key(&self, path: &str) -> [u64; 2] {
        [self.keys[0].hash_one(path), self.keys[1].hash_one(path)]
    }

    /// Keeps the facts, in place of those that it had of the path.
    pub(super) fn insert(&mut self, path: &str, facts: Facts) {
        let key = self.key(path);
        self.facts.of_mut(key[0]).insert(key, packed(facts));
    }

    /// Gives the facts, and keeps them no longer.
    pub(super) fn take(&mut self, path: &str) -> Option<Facts> {
        let key = self.key(path);
        self.facts.of_mut(key[0]).remove(&key).map(unpacked)
    }
}

/// Paths that were met. Of each a hash of 64 bits is kept: that two of a million have it in common happens once in forty
/// million times, and then a file is not deleted, or not fetched and told.
pub(super) struct Seen {
    key: RandomState,
    /// Where the local folder ignores case, so does this.
    folds: bool,
    paths: Shards<HashSet<u64>>,
}

impl Seen {
    pub(super) fn new(folds: bool) -> Self {
        Self {
            key: RandomState::new(),
            folds,
            paths: Shards::new(),
        }
    }

    /// Whether it had not been met.
    pub(super) fn insert(&mut self, path: &str) -> bool {
        let hash = self.hash(path);
        self.paths.of_mut(hash).insert(hash)
    }

    pub(super) fn contains(&self, path: &str) -> bool {
        let hash = self.hash(path);
        self.paths.of(hash).contains(&hash)
    }

    fn hash(&self, path: &str) -> u64 {
        match self.folds {
            true => self.key.hash_one(names::folded(path)),
            false => self.key.hash_one(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_found_again() {
        let mut index = Index::new();
        let then = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
        for (path, size, modified) in [
            ("a", Some(3), Some(then)),
            ("b", None, None),
            ("a/b", Some(0), Some(SystemTime::UNIX_EPOCH)),
        ] {
            let facts = Facts { size, modified };
            index.insert(path, facts);
            assert_eq!(index.take(path), Some(facts), "{path}");
            assert_eq!(index.take(path), None);
        }
        assert_eq!(index.take("c"), None);
    }

    #[test]
    fn what_was_met_is_known() {
        for folds in [false, true] {
            let mut seen = Seen::new(folds);
            assert!(seen.insert("a/b"));
            assert!(!seen.insert("a/b"));
            assert!(!seen.contains("a") && !seen.contains("b"));
            assert_eq!(seen.contains("A/b"), folds);
        }
    }
}
