//! What is at the other end, kept small.

use std::{
    collections::{HashMap, HashSet, hash_map::RandomState},
    hash::BuildHasher,
    time::{Duration, SystemTime},
};

use super::{identity::RemoteIdentity, names};
use crate::file::checksum::Told;

/// What is known of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) size: Option<u64>,
    pub(super) modified: Option<SystemTime>,
}

/// Remote files by path. A path is kept as two hashes of 64 bits with keys of their own, 16 bytes in place of a text, and
/// what the listing shows of the file in 48 more; that two paths have both hashes in common is not to be expected.
pub(super) struct Index {
    keys: [RandomState; 2],
    entries: Shards<HashMap<[u64; 2], PackedIdentity>>,
}

/// A [`RemoteIdentity`] in 48 bytes.
struct PackedIdentity {
    facts: Packed,
    crc64: u64,
    etag: PackedEtag,
}

/// The forms that an ETag has, the usual one without a text of its own.
enum PackedEtag {
    None,
    /// 32 lower-case hexadecimal digits in quotes.
    Md5([u8; 16]),
    Other(Box<str>),
}

impl PackedIdentity {
    fn of(identity: RemoteIdentity) -> Self {
        let facts = Facts {
            size: identity.size,
            modified: identity.modified,
        };
        // A CRC of 0 is kept as none: such a file is identified by its ETag, or by what else there is.
        Self {
            facts: packed(facts),
            crc64: identity.sums.crc64().unwrap_or(0),
            etag: PackedEtag::of(identity.etag()),
        }
    }

    fn identity(self) -> RemoteIdentity {
        let Facts { size, modified } = unpacked(self.facts);
        let etag = match self.etag {
            PackedEtag::None => None,
            PackedEtag::Md5(digest) => Some(format!("\"{:032x}\"", u128::from_be_bytes(digest))),
            PackedEtag::Other(text) => Some(text.into_string()),
        };
        let crc64 = Some(self.crc64).filter(|crc64| *crc64 != 0);
        RemoteIdentity {
            size,
            modified,
            sums: Told::listed(etag.as_deref(), crc64),
        }
    }
}

impl PackedEtag {
    fn of(etag: Option<&str>) -> Self {
        let Some(etag) = etag else {
            return Self::None;
        };
        let digits = etag.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        let digest = digits.filter(|digits| digits.len() == 32);
        let digest = digest.and_then(|digits| u128::from_str_radix(digits, 16).ok());
        match digest.filter(|digest| format!("\"{digest:032x}\"") == etag) {
            Some(digest) => Self::Md5(digest.to_be_bytes()),
            None => Self::Other(etag.into()),
        }
    }
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
            entries: Shards::new(),
        }
    }

    fn key(&self, path: &str) -> [u64; 2] {
        [self.keys[0].hash_one(path), self.keys[1].hash_one(path)]
    }

    /// Keeps what was listed of a path, in place of what it had of it.
    pub(super) fn insert(&mut self, path: &str, identity: RemoteIdentity) {
        let key = self.key(path);
        let entries = self.entries.of_mut(key[0]);
        entries.insert(key, PackedIdentity::of(identity));
    }

    /// Gives what was listed of a path, and keeps it no longer.
    pub(super) fn take(&mut self, path: &str) -> Option<RemoteIdentity> {
        let key = self.key(path);
        let entry = self.entries.of_mut(key[0]).remove(&key);
        entry.map(PackedIdentity::identity)
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
    fn what_was_listed_is_found_again() {
        assert_eq!(size_of::<PackedIdentity>(), 48);
        let mut index = Index::new();
        let then = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
        let md5 = "\"0d41402abc4b2a76b9719d911017c592\"";
        for (path, size, modified, etag, crc64) in [
            ("a", Some(3), Some(then), Some(md5), Some(7)),
            ("b", None, None, None, None),
            (
                "a/b",
                Some(0),
                Some(then),
                Some("\"0D41402ABC4B2A76B9719D911017C592\""),
                None,
            ),
            (
                "c/d",
                Some(1),
                None,
                Some("\"0d41402abc4b2a76b9719d911017c592-2\""),
                Some(u64::MAX),
            ),
            ("e", Some(1), None, Some("abc"), None),
        ] {
            let identity = RemoteIdentity {
                size,
                modified,
                sums: Told::listed(etag, crc64),
            };
            index.insert(path, identity.clone());
            assert_eq!(index.take(path), Some(identity), "{path}");
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
