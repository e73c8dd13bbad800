//! Identifying the content of a local file by its metadata.

use std::{
    fs::Metadata,
    path::Path,
    time::{Duration, SystemTime},
};

/// The metadata of a local file. While it stays the same, the content does too, unless the times are too
/// [recent](Self::is_recent).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LocalIdentity {
    /// Bytes.
    pub(crate) size: u64,
    /// Modification time in nanoseconds since 1970.
    modified: i64,
    /// Status change time in nanoseconds since 1970, where the system records it. Programs can't set it.
    changed: i64,
    /// Inode number, or a substitute.
    id: u64,
}

/// Stands for an unknown time.
const UNKNOWN: i64 = i64::MIN;

/// Granularity of file times with fractions of seconds: the clock of the kernel ticks at least a hundred times a second.
const TICK: Duration = Duration::from_millis(20);

/// Granularity of file times in whole seconds. FAT has units of two seconds.
const COARSE: Duration = Duration::from_secs(2);

impl LocalIdentity {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let (changed, id) = changed_and_id(metadata);
        Self {
            size: metadata.len(),
            modified: metadata.modified().map_or(UNKNOWN, to_unix_nanos),
            changed,
            id,
        }
    }

    /// Returns the modification time.
    pub(crate) fn modified(&self) -> Option<SystemTime> {
        from_unix_nanos(self.modified)
    }

    /// Whether a write after `now` may keep the identity, since the times are within the granularity of the file system's
    /// clock ("racy" in git's index).
    pub(crate) fn is_recent(&self, now: SystemTime) -> bool {
        let latest = self.last_change();
        if latest == UNKNOWN {
            return true;
        }
        let whole = |nanos: i64| nanos == UNKNOWN || nanos.rem_euclid(1_000_000_000) == 0;
        let unit = match whole(self.changed) && whole(self.modified) {
            true => COARSE,
            false => TICK,
        };
        let unit = i64::try_from(unit.as_nanos()).unwrap_or(i64::MAX);
        latest.saturating_add(unit) >= to_unix_nanos(now)
    }

    /// Whether the modification time is this one, within the precision of the file system.
    pub(crate) fn has_modified_time(&self, time: SystemTime) -> bool {
        let cut = to_unix_nanos(time).saturating_sub(self.modified);
        let unit = match self.modified.rem_euclid(1_000_000_000) {
            0 => to_unix_nanos(SystemTime::UNIX_EPOCH + COARSE),
            _ => 1000,
        };
        (0..unit).contains(&cut)
    }

    /// Whether the file was created or changed after this time of the file system's clock.
    pub(crate) fn is_later_than(&self, moment: SystemTime) -> bool {
        self.last_change() > to_unix_nanos(moment)
    }

    /// The status change time, or else the modification time.
    fn last_change(&self) -> i64 {
        match self.changed {
            UNKNOWN => self.modified,
            changed => changed,
        }
    }

    /// Compares everything but the status change time, which also changes when a hard link is created.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        (self.size, self.modified, self.id) == (other.size, other.modified, other.id)
    }

    pub(crate) fn to_numbers(self) -> [u64; 4] {
        let [modified, changed] = [self.modified, self.changed].map(i64::cast_unsigned);
        [self.size, modified, changed, self.id]
    }

    pub(crate) fn from_numbers([size, modified, changed, id]: [u64; 4]) -> Self {
        Self {
            size,
            modified: modified.cast_signed(),
            changed: changed.cast_signed(),
            id,
        }
    }
}

#[cfg(unix)]
fn changed_and_id(metadata: &Metadata) -> (i64, u64) {
    use std::os::unix::fs::MetadataExt;

    let seconds = metadata.ctime().saturating_mul(1_000_000_000);
    (
        seconds.saturating_add(metadata.ctime_nsec()),
        metadata.ino(),
    )
}

/// The creation time distinguishes at least a file that replaced another.
#[cfg(not(unix))]
fn changed_and_id(metadata: &Metadata) -> (i64, u64) {
    let created = metadata.created().map_or(0, to_unix_nanos).cast_unsigned();
    (UNKNOWN, created)
}

pub(crate) fn to_unix_nanos(time: SystemTime) -> i64 {
    let nanos = |since: Duration| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => nanos(since),
        Err(before) => -nanos(before.duration()),
    }
}

/// Returns `None` for the number that stands for an unknown time.
pub(crate) fn from_unix_nanos(nanos: i64) -> Option<SystemTime> {
    if nanos == UNKNOWN {
        return None;
    }
    let since = Duration::from_nanos(nanos.unsigned_abs());
    match nanos < 0 {
        true => SystemTime::UNIX_EPOCH.checked_sub(since),
        false => SystemTime::UNIX_EPOCH.checked_add(since),
    }
}

/// Returns the time of the file system's clock, read from a temporary file in the first folder in which one can be created.
pub(crate) fn file_system_time(folders: &[&Path]) -> SystemTime {
    let created = |folder: &&Path| {
        let file = tempfile::tempfile_in(folder).ok()?;
        file.metadata().ok()?.modified().ok()
    };
    folders.iter().find_map(created).unwrap_or_else(local_time)
}

#[expect(
    clippy::disallowed_methods,
    reason = "compared with the times of files, which are those of the system clock"
)]
fn local_time() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(modified: i64, changed: i64) -> LocalIdentity {
        LocalIdentity {
            size: 1,
            modified,
            changed,
            id: 1,
        }
    }

    #[test]
    fn a_file_is_recent_within_the_granularity_of_its_times() {
        const MS: i64 = 1_000_000;
        let then = 1_700_000_000_000 * MS;
        let now = |ms: i64| from_unix_nanos(then + ms * MS).unwrap();
        assert!(at(then, then + 1).is_recent(now(20)));
        assert!(!at(then, then + 1).is_recent(now(30)));
        // The status change time takes precedence over a modification time that was set.
        assert!(at(0, then + 1).is_recent(now(10)));
        assert!(!at(then + 90_000 * MS + 1, then).is_recent(now(50)));
        assert!(at(then + 90_000 * MS + 1, UNKNOWN).is_recent(now(50)));
        // Whole seconds.
        assert!(at(then, then).is_recent(now(1990)));
        assert!(!at(then, then).is_recent(now(2010)));
        assert!(at(UNKNOWN, UNKNOWN).is_recent(now(9)));
    }

    #[test]
    fn times_survive_the_conversion_to_numbers() {
        for nanos in [0, 1, -1, 1_700_000_000_123_456_789, -5_000_000_000] {
            assert_eq!(to_unix_nanos(from_unix_nanos(nanos).unwrap()), nanos);
        }
        assert_eq!(from_unix_nanos(UNKNOWN), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_change_of_content_changes_the_identity() {
        let folder = tempfile::tempdir().unwrap();
        let [file, other] = ["file", "other"].map(|name| folder.path().join(name));
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let write = |path: &std::path::Path, content: &str| {
            std::fs::write(path, content).unwrap();
            let written = std::fs::File::options().write(true).open(path).unwrap();
            written.set_modified(then).unwrap();
        };
        let identity = || LocalIdentity::of(&file.metadata().unwrap());
        write(&file, "one");
        let before = identity();
        assert_eq!(identity(), before);
        write(&other, "two");
        std::fs::rename(&other, &file).unwrap();
        let renamed = identity();
        assert_ne!(renamed, before);
        while identity() == renamed {
            // As `cp -p` does, until the clock of the kernel has ticked.
            write(&file, "six");
        }
    }
}
