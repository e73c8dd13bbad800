//! What identifies the content of a local file without reading it.

use std::{
    fs::Metadata,
    path::Path,
    time::{Duration, SystemTime},
};

/// A local file: as long as all of this is the same, nobody has written to it, unless its times are too
/// [recent](Self::is_recent).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::file) struct LocalIdentity {
    /// Bytes.
    pub(in crate::file) size: u64,
    /// Nanoseconds since 1970 at which the content was written, as the file says.
    modified: i64,
    /// Nanoseconds since 1970 at which anything of it was changed, where the system keeps that. Nobody can set it.
    changed: i64,
    /// Its number in the file system, where the system has that.
    id: u64,
}

/// A time that is not known.
const UNKNOWN: i64 = i64::MIN;

/// How far two changes may be apart that get the same time, where a file system keeps fractions of seconds: the clock that
/// the kernel takes times from ticks at least a hundred times a second.
const TICK: Duration = Duration::from_millis(20);

/// The same, where it keeps whole seconds. FAT has units of two.
const COARSE: Duration = Duration::from_secs(2);

impl LocalIdentity {
    pub(in crate::file) fn of(metadata: &Metadata) -> Self {
        let (changed, id) = changed_and_id(metadata);
        Self {
            size: metadata.len(),
            modified: metadata.modified().map_or(UNKNOWN, nanos_of),
            changed,
            id,
        }
    }

    /// When its content was written, as the file says.
    pub(in crate::file) fn modified(&self) -> Option<SystemTime> {
        time_of(self.modified)
    }

    /// Whether it may be written to after this moment of the file system's clock and keep its identity: its times are
    /// within the granularity of that clock, as in git's index ("racy").
    pub(in crate::file) fn is_recent(&self, now: SystemTime) -> bool {
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
        latest.saturating_add(unit) >= nanos_of(now)
    }

    /// Whether it has this as the time of its content, as far as the file system keeps times.
    pub(in crate::file) fn was_given(&self, time: SystemTime) -> bool {
        let cut = nanos_of(time).saturating_sub(self.modified);
        let unit = match self.modified.rem_euclid(1_000_000_000) {
            0 => nanos_of(SystemTime::UNIX_EPOCH + COARSE),
            _ => 1000,
        };
        (0..unit).contains(&cut)
    }

    /// Whether it was put there or changed after this moment of the file system's clock, as far as its times show.
    pub(in crate::file) fn is_later_than(&self, moment: SystemTime) -> bool {
        self.last_change() > nanos_of(moment)
    }

    /// When anything of it was changed last. The time of the content, which anybody can set, stands for it where the system
    /// keeps no other.
    fn last_change(&self) -> i64 {
        match self.changed {
            UNKNOWN => self.modified,
            changed => changed,
        }
    }

    /// Whether it is the same content under the same name as far as everything shows but the time of the last change, which
    /// a second name changes too.
    pub(in crate::file) fn is_same_file(&self, other: &Self) -> bool {
        (self.size, self.modified, self.id) == (other.size, other.modified, other.id)
    }

    pub(in crate::file) fn to_numbers(self) -> [u64; 4] {
        let [modified, changed] = [self.modified, self.changed].map(i64::cast_unsigned);
        [self.size, modified, changed, self.id]
    }

    pub(in crate::file) fn from_numbers([size, modified, changed, id]: [u64; 4]) -> Self {
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

/// Elsewhere the time of creation shows at least a file that was put in the place of another.
#[cfg(not(unix))]
fn changed_and_id(metadata: &Metadata) -> (i64, u64) {
    let created = metadata.created().map_or(0, nanos_of).cast_unsigned();
    (UNKNOWN, created)
}

/// Nanoseconds since 1970.
pub(in crate::file) fn nanos_of(time: SystemTime) -> i64 {
    let nanos = |since: Duration| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => nanos(since),
        Err(before) => -nanos(before.duration()),
    }
}

/// `None` for the number of a time that is not known.
pub(in crate::file) fn time_of(nanos: i64) -> Option<SystemTime> {
    if nanos == UNKNOWN {
        return None;
    }
    let since = Duration::from_nanos(nanos.unsigned_abs());
    match nanos < 0 {
        true => SystemTime::UNIX_EPOCH.checked_sub(since),
        false => SystemTime::UNIX_EPOCH.checked_add(since),
    }
}

/// The time by the clock that new files in one of these folders are dated by: of the first in which a file can be made. It is
/// made without a name where the system allows that, and is gone at once.
pub(in crate::file) fn file_time(folders: &[&Path]) -> SystemTime {
    let made = |folder: &&Path| {
        let file = tempfile::tempfile_in(folder).ok()?;
        file.metadata().ok()?.modified().ok()
    };
    folders.iter().find_map(made).unwrap_or_else(local_time)
}

#[allow(clippy::disallowed_methods)] // Compared with the times of files, which are the machine's.
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
    fn a_file_is_recent_within_the_unit_of_its_times() {
        const MS: i64 = 1_000_000;
        let then = 1_700_000_000_000 * MS;
        let now = |ms: i64| time_of(then + ms * MS).unwrap();
        assert!(at(then, then + 1).is_recent(now(20)));
        assert!(!at(then, then + 1).is_recent(now(30)));
        // One whose time was set counts by its last change.
        assert!(at(0, then + 1).is_recent(now(10)));
        assert!(!at(then + 90_000 * MS + 1, then).is_recent(now(50)));
        assert!(at(then + 90_000 * MS + 1, UNKNOWN).is_recent(now(50)));
        // Whole seconds.
        assert!(at(then, then).is_recent(now(1990)));
        assert!(!at(then, then).is_recent(now(2010)));
        assert!(at(UNKNOWN, UNKNOWN).is_recent(now(9)));
    }

    #[test]
    fn times_come_back_from_numbers() {
        for nanos in [0, 1, -1, 1_700_000_000_123_456_789, -5_000_000_000] {
            assert_eq!(nanos_of(time_of(nanos).unwrap()), nanos);
        }
        assert_eq!(time_of(UNKNOWN), None);
    }

    /// Every way to put other content in the place of a file shows, though size and time stay.
    #[cfg(unix)]
    #[test]
    fn no_change_of_content_keeps_the_identity() {
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
            // As `cp -p` does; until the kernel's clock has ticked.
            write(&file, "six");
        }
    }
}
