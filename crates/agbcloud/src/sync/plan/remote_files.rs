//! The remote files: listed while earlier entries are processed, and kept in compact sets.

use std::{
    collections::{HashMap, HashSet, hash_map::RandomState},
    hash::BuildHasher,
    time::{Duration, SystemTime},
};

use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::{
    Error, ErrorKind, FileEntry, FileWalk, Result, Timestamp, sync::paths, task::Task,
    transfer::StoreChecksums,
};

/// Capacity of the channel, and maximum number of entries that are processed at a time.
const CAPACITY: usize = 256;

/// Identifies the content of a remote file by its entry in a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RemoteIdentity {
    pub(super) size: Option<u64>,
    pub(super) modified: Option<SystemTime>,
    /// The checksums, if the listing contains them.
    pub(super) checksums: StoreChecksums,
}

impl RemoteIdentity {
    pub(super) fn of(entry: &FileEntry) -> Self {
        let modified = entry.modified_at.as_ref();
        Self {
            size: entry.size,
            modified: modified.and_then(Timestamp::to_system_time),
            checksums: StoreChecksums::from_listing(entry.etag.as_deref(), entry.crc64),
        }
    }

    pub(super) fn etag(&self) -> Option<&str> {
        self.checksums.etag()
    }
}

/// A recursive listing of a folder, which ends when it is dropped.
pub(super) struct RemoteListing {
    entries: Receiver<Result<FileEntry>>,
    task: Task<()>,
}

impl RemoteListing {
    pub(super) fn of(walk: FileWalk) -> Self {
        let (sender, entries) = mpsc::channel(CAPACITY);
        let task = Task::start(list(walk, sender));
        Self { entries, task }
    }

    /// Waits for entries and returns those that have been listed. Returns no entries at the end.
    pub(super) async fn next(&mut self) -> Result<Vec<FileEntry>> {
        let mut batch = Vec::new();
        if self.entries.recv_many(&mut batch, CAPACITY).await == 0 {
            // An incomplete listing is no evidence that a file does not exist.
            self.task.end().await.ok_or_else(|| {
                let message = "the runtime was shut down during the listing";
                Error::new(ErrorKind::Connection, message)
            })?;
        }
        batch.into_iter().collect()
    }
}

async fn list(mut walk: FileWalk, sender: Sender<Result<FileEntry>>) {
    while let Some(entry) = walk.next().await {
        if sender.send(entry).await.is_err() {
            return;
        }
    }
}

/// Remote files by path. Takes 64 bytes for each file: two hashes of the path with different keys, and 48 bytes for what the
/// listing contains. A collision of both hashes is not expected.
pub(super) struct RemoteIndex {
    keys: [RandomState; 2],
    entries: Shards<HashMap<[u64; 2], PackedIdentity>>,
}

/// A [`RemoteIdentity`] in 48 bytes.
struct PackedIdentity {
    facts: PackedFacts,
    crc64: u64,
    etag: PackedEtag,
}

/// An ETag. The usual form takes no allocation.
enum PackedEtag {
    None,
    /// 32 lower-case hexadecimal digits in quotes.
    Md5([u8; 16]),
    Other(Box<str>),
}

impl PackedIdentity {
    fn of(identity: RemoteIdentity) -> Self {
        // A CRC of 0 is stored as none. Such a file is compared by other means.
        Self {
            facts: pack(identity.size, identity.modified),
            crc64: identity.checksums.crc64().unwrap_or(0),
            etag: PackedEtag::of(identity.etag()),
        }
    }

    fn identity(self) -> RemoteIdentity {
        let (size, modified) = unpack(self.facts);
        let etag = match self.etag {
            PackedEtag::None => None,
            PackedEtag::Md5(digest) => Some(format!("\"{:032x}\"", u128::from_be_bytes(digest))),
            PackedEtag::Other(text) => Some(text.into_string()),
        };
        let crc64 = Some(self.crc64).filter(|crc64| *crc64 != 0);
        RemoteIdentity {
            size,
            modified,
            checksums: StoreChecksums::from_listing(etag.as_deref(), crc64),
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

/// Many small tables instead of a large one, which takes half as much again while it grows.
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

    #[expect(clippy::cast_possible_truncation, reason = "the remainder is small")]
    fn shard(hash: u64) -> usize {
        (hash % Self::COUNT as u64) as usize
    }

    pub(super) fn of(&self, hash: u64) -> &T {
        &self.0[Self::shard(hash)]
    }

    pub(super) fn of_mut(&mut self, hash: u64) -> &mut T {
        &mut self.0[Self::shard(hash)]
    }
}

/// The size, and the time in nanoseconds since 1970. A special number stands for an unknown value.
pub(super) type PackedFacts = (u64, i64);

pub(super) fn pack(size: Option<u64>, modified: Option<SystemTime>) -> PackedFacts {
    let since = modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    let nanos = since.and_then(|since| i64::try_from(since.as_nanos()).ok());
    (size.unwrap_or(u64::MAX), nanos.unwrap_or(i64::MIN))
}

pub(super) fn unpack((size, nanos): PackedFacts) -> (Option<u64>, Option<SystemTime>) {
    let since = u64::try_from(nanos).ok().map(Duration::from_nanos);
    (
        Some(size).filter(|size| *size != u64::MAX),
        since.map(|since| SystemTime::UNIX_EPOCH + since),
    )
}

impl RemoteIndex {
    pub(super) fn new() -> Self {
        Self {
            keys: [RandomState::new(), RandomState::new()],
            entries: Shards::new(),
        }
    }

    fn key(&self, path: &str) -> [u64; 2] {
        [self.keys[0].hash_one(path), self.keys[1].hash_one(path)]
    }

    /// Adds a file, and replaces that of the same path.
    pub(super) fn insert(&mut self, path: &str, identity: RemoteIdentity) {
        let key = self.key(path);
        let entries = self.entries.of_mut(key[0]);
        entries.insert(key, PackedIdentity::of(identity));
    }

    pub(super) fn contains(&self, path: &str) -> bool {
        let key = self.key(path);
        self.entries.of(key[0]).contains_key(&key)
    }

    /// Removes and returns the file of a path.
    pub(super) fn remove(&mut self, path: &str) -> Option<RemoteIdentity> {
        let key = self.key(path);
        let entry = self.entries.of_mut(key[0]).remove(&key);
        entry.map(PackedIdentity::identity)
    }
}

/// A set of paths. Stores a hash of 64 bits for each. Among a million paths a collision has a probability of one in forty
/// million. Its effect is that a file is not deleted, or that it is not downloaded and reported as a failure.
pub(super) struct SeenPaths {
    key: RandomState,
    /// Whether paths are compared without regard to case.
    folds_case: bool,
    paths: Shards<HashSet<u64>>,
}

impl SeenPaths {
    pub(super) fn new(folds_case: bool) -> Self {
        Self {
            key: RandomState::new(),
            folds_case,
            paths: Shards::new(),
        }
    }

    /// Adds a path. Returns `false` if the set contains it.
    pub(super) fn insert(&mut self, path: &str) -> bool {
        let hash = self.hash(path);
        self.paths.of_mut(hash).insert(hash)
    }

    pub(super) fn contains(&self, path: &str) -> bool {
        let hash = self.hash(path);
        self.paths.of(hash).contains(&hash)
    }

    fn hash(&self, path: &str) -> u64 {
        match self.folds_case {
            true => self.key.hash_one(paths::fold_case(path)),
            false => self.key.hash_one(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_identities_are_unchanged() {
        assert_eq!(size_of::<PackedIdentity>(), 48);
        let mut index = RemoteIndex::new();
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
                checksums: StoreChecksums::from_listing(etag, crc64),
            };
            index.insert(path, identity.clone());
            assert_eq!(index.remove(path), Some(identity), "{path}");
            assert_eq!(index.remove(path), None);
        }
        assert_eq!(index.remove("c"), None);
    }

    #[test]
    fn a_set_of_paths_may_fold_case() {
        for folds in [false, true] {
            let mut seen = SeenPaths::new(folds);
            assert!(seen.insert("a/b"));
            assert!(!seen.insert("a/b"));
            assert!(!seen.contains("a") && !seen.contains("b"));
            assert_eq!(seen.contains("A/b"), folds);
        }
    }
}
