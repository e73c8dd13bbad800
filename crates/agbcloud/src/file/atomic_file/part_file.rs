//! Names and locks of temporary files, and the removal of abandoned ones.
//!
//! A process holds a lock on each temporary file that it writes. The system releases the lock when the process ends, so
//! other processes recognize an abandoned file immediately.

use std::{
    fs::{File, Metadata},
    path::Path,
    time::{Duration, SystemTime},
};

use tempfile::TempDir;

const PREFIX: &str = ".agb-";
const SUFFIX: &str = ".part";

/// Ends the name of a file that is kept after an interruption: it is never abandoned.
const KEPT_SUFFIX: &str = ".partial";

/// Number of random characters in the name of a file that is locked. Other files are recognized as abandoned by age alone.
const LOCKED_LENGTH: usize = 16;

/// Age at which a temporary file without a lock is abandoned.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Builds temporary files whose process holds no lock.
pub(crate) fn part_names() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    builder
}

/// Builds temporary files whose process holds a lock.
pub(super) fn locked_part_names() -> tempfile::Builder<'static, 'static> {
    let mut builder = part_names();
    builder.rand_bytes(LOCKED_LENGTH);
    builder
}

#[cfg(target_os = "linux")]
pub(super) fn random_locked_name() -> String {
    format!("{PREFIX}{:016x}{SUFFIX}", fastrand::u64(..))
}

/// A temporary folder that is locked until it is dropped.
pub(crate) struct LockedFolder {
    folder: TempDir,
    _lock: File,
}

impl LockedFolder {
    /// Blocks.
    pub(crate) fn create_in(parent: &Path) -> std::io::Result<Self> {
        let folder = locked_part_names().tempdir_in(parent)?;
        let handle = File::open(folder.path())?;
        lock(&handle);
        Ok(Self {
            folder,
            _lock: handle,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The name of a file that is kept after an interruption. `key` identifies the download.
pub(crate) fn kept_name(key: &str) -> String {
    format!("{PREFIX}{key}{KEPT_SUFFIX}")
}

fn is_kept(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(KEPT_SUFFIX))
}

fn random_part(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)
}

/// Whether the name is that of a temporary file, or of one that is kept after an interruption.
pub(crate) fn is_part(path: &Path) -> bool {
    random_part(path).is_some() || is_kept(path)
}

#[cfg(unix)]
fn is_locked_part(path: &Path) -> bool {
    random_part(path).is_some_and(|name| {
        name.len() == LOCKED_LENGTH && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// The owner of a temporary file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PartOwner {
    /// A running process.
    Alive,
    /// A process that has ended.
    Gone,
    /// The system has no locks, or the file is of another kind.
    Unknown,
}

/// Locks a file until it is closed. Returns `false` if another process holds the lock.
#[cfg(unix)]
pub(super) fn lock(file: &File) -> bool {
    use rustix::fs::{FlockOperation, flock};

    let locked = flock(file, FlockOperation::NonBlockingLockExclusive);
    locked != Err(rustix::io::Errno::WOULDBLOCK)
}

#[cfg(not(unix))]
pub(super) fn lock(_: &File) -> bool {
    true
}

/// Locks the file at a path, without creating it. Returns `None` if another process holds the lock. Blocks.
pub(crate) fn lock_at(path: &Path) -> std::io::Result<Option<File>> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;

        use rustix::fs::OFlags;

        options.custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed());
    }
    let file = options.open(path)?;
    Ok(lock(&file).then_some(file))
}

/// Returns the owner of a file. For [`PartOwner::Gone`] also a handle that holds the lock, for the removal of the file.
/// Blocks.
#[cfg(unix)]
pub(super) fn part_owner(path: &Path) -> (PartOwner, Option<File>) {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::{
        fs::{FlockOperation, OFlags, flock},
        io::Errno,
    };

    if !is_locked_part(path) {
        return (PartOwner::Unknown, None);
    }
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let opened = File::options().read(true).custom_flags(flags).open(path);
    let Ok(file) = opened else {
        return (PartOwner::Unknown, None);
    };
    let metadata = file.metadata();
    if !metadata.is_ok_and(|metadata| metadata.is_file() || metadata.is_dir()) {
        return (PartOwner::Unknown, None);
    }
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => (PartOwner::Gone, Some(file)),
        Err(Errno::WOULDBLOCK) => (PartOwner::Alive, None),
        Err(_) => (PartOwner::Unknown, None),
    }
}

#[cfg(not(unix))]
pub(super) fn part_owner(_: &Path) -> (PartOwner, Option<File>) {
    (PartOwner::Unknown, None)
}

/// Removes the temporary files that ended processes have left in a folder, and ignores failures. Blocks.
#[expect(
    clippy::disallowed_methods,
    reason = "compared with the times of files, which are those of the system clock"
)]
pub(crate) fn remove_abandoned_parts(folder: &Path) {
    remove_abandoned_at(folder, SystemTime::now());
}

fn remove_abandoned_at(folder: &Path, now: SystemTime) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_old = || {
            let touched = entry.metadata().ok().as_ref().and_then(last_touched);
            touched
                .is_some_and(|touched| now.duration_since(touched).unwrap_or_default() > ABANDONED)
        };
        if random_part(&entry.path()).is_none() {
            continue;
        }
        let (owner, lock) = part_owner(&entry.path());
        let is_abandoned = match owner {
            PartOwner::Alive => false,
            PartOwner::Gone => true,
            PartOwner::Unknown => is_old(),
        };
        if is_abandoned {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let _ = match is_folder {
                true => std::fs::remove_dir_all(entry.path()),
                false => std::fs::remove_file(entry.path()),
            };
        }
        drop(lock);
    }
}

/// The time of the last change to a file, its metadata included where the system records that.
#[cfg(unix)]
fn last_touched(metadata: &Metadata) -> Option<SystemTime> {
    use std::os::unix::fs::MetadataExt;

    let seconds = u64::try_from(metadata.ctime()).ok()?;
    let nanos = u32::try_from(metadata.ctime_nsec()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

#[cfg(not(unix))]
fn last_touched(metadata: &Metadata) -> Option<SystemTime> {
    metadata.modified().ok()
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "compared with the times of files, which are those of the system clock"
)]
mod tests {
    use super::*;

    #[test]
    fn only_abandoned_files_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let [part, other] = [".agb-1.part", "other"].map(|name| folder.path().join(name));
        for path in [&part, &other] {
            let file = File::create(path).unwrap();
            // A downloaded file may have an old modification time before it is published.
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }
        let now = SystemTime::now();
        remove_abandoned_at(folder.path(), now + ABANDONED / 2);
        assert!(part.exists());
        remove_abandoned_at(folder.path(), now + ABANDONED * 2);
        assert!(!part.exists() && other.exists());

        let unlocked = folder.path().join(".agb-0123456789abcdef.part");
        File::create(&unlocked).unwrap();
        remove_abandoned_at(folder.path(), now);
        assert_eq!(unlocked.exists(), !cfg!(unix));
    }

    #[cfg(unix)]
    #[test]
    fn the_lock_ends_with_the_handle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".agb-0123456789abcdef.part");
        let file = File::create(&path).unwrap();
        assert!(lock(&file));
        assert_eq!(part_owner(&path).0, PartOwner::Alive);
        drop(file);
        let (owner, held) = part_owner(&path);
        assert_eq!(owner, PartOwner::Gone);
        assert!(
            !lock(&File::open(&path).unwrap()),
            "the handle holds the lock"
        );
        drop(held);
        for other in [
            ".agb-012345.part",
            "0123456789abcdef",
            ".agb-0123456789abc-ef.part",
        ] {
            let path = folder.path().join(other);
            File::create(&path).unwrap();
            assert_eq!(part_owner(&path).0, PartOwner::Unknown, "{other}");
        }
    }
}
