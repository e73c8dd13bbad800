//! What is at the other end, kept small.

use std::{
    collections::{HashMap, HashSet, hash_map::RandomState},
    hash::BuildHasher,
    time::{Duration, SystemTime},
};

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
    facts: HashMap<[u64; 2], Packed>,
}

/// The size, and the nanoseconds since 1970, each with a number that stands for what is not known.
type Packed = (u64, i64);

fn packed(facts: Facts) -> Packed {
    let since = facts
        .modified
        .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    let nanos = since.and_then(|since| i64::try_from(since.as_nanos()).ok());
    (facts.size.unwrap_or(u64::MAX), nanos.unwrap_or(i64::MIN))
}

fn unpacked((size, nanos): Packed) -> Facts {
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
            facts: HashMap::new(),
        }
    }

    fn key(&self, path: &str) -> [u64; 2] {
        [self.keys[0].hash_one(path), self.keys[1].hash_one(path)]
    }

    /// Keeps the facts, in place of those that it had of the path.
    pub(super) fn insert(&mut self, path: &str, facts: Facts) {
        let key = self.key(path);
        self.facts.insert(key, packed(facts));
    }

    pub(super) fn get(&self, path: &str) -> Option<Facts> {
        self.facts.get(&self.key(path)).copied().map(unpacked)
    }
}

/// Paths that were met: what is not among them may be deleted. Of each a hash of 64 bits is kept, since where two paths
/// have it in common, a file stays that could have gone.
pub(super) struct Seen {
    key: RandomState,
    paths: HashSet<u64>,
}

impl Seen {
    pub(super) fn new() -> Self {
        Self {
            key: RandomState::new(),
            paths: HashSet::new(),
        }
    }

    pub(super) fn insert(&mut self, path: &str) {
        self.paths.insert(self.key.hash_one(path));
    }

    pub(super) fn contains(&self, path: &str) -> bool {
        self.paths.contains(&self.key.hash_one(path))
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
            assert_eq!(index.get(path), Some(facts), "{path}");
        }
        assert_eq!(index.get("c"), None);
    }

    #[test]
    fn what_was_met_is_known() {
        let mut seen = Seen::new();
        seen.insert("a/b");
        assert!(seen.contains("a/b"));
        assert!(!seen.contains("a") && !seen.contains("b"));
    }
}
