//! The exclusive lock on a data folder: one server, or one check.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::DATABASE;
use crate::system::durable_fs::{make_private_folder, open_private};

/// The waits for a lock. A process that another thread of the owner is starting has the lock until it executes its program, also
/// if the owner has released it.
const WAITS: [Duration; 3] = [
    Duration::from_millis(10),
    Duration::from_millis(40),
    Duration::from_millis(150),
];

/// The lock on a data folder, until it is dropped.
///
/// Locks the folder itself, the database in it, and the file `lock`, which older versions locked alone. Removing or
/// replacing one of them releases the lock on that one only; the others still exclude a second owner.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _files: Vec<File>,
}

impl FolderLock {
    /// Creates the folder if needed and locks it. Returns `None` if another process holds the lock. Blocks for up to a fifth of a
    /// second.
    #[expect(clippy::disallowed_methods, reason = "waits for another process")]
    pub(crate) fn acquire(folder: &Path) -> io::Result<Option<Self>> {
        make_private_folder(folder)?;
        for wait in WAITS {
            if let Some(lock) = Self::try_acquire(folder)? {
                return Ok(Some(lock));
            }
            sleep(wait);
        }
        Self::try_acquire(folder)
    }

    fn try_acquire(folder: &Path) -> io::Result<Option<Self>> {
        let mut files = Vec::new();
        // First, so that the database is not opened if this fails: closing it would release the locks that SQLite in this
        // process has on it.
        if cfg!(unix) && !lock(File::open(folder)?, &mut files)? {
            return Ok(None);
        }
        if !lock(open_private(&folder.join("lock"))?, &mut files)? {
            return Ok(None);
        }
        // Created here because SQLite would make it readable by every local user, and it contains the secret.
        let database = open_private(&folder.join(DATABASE))?;
        // On other systems this lock conflicts with those of SQLite.
        if cfg!(target_os = "linux") && !lock(database, &mut files)? {
            return Ok(None);
        }
        Ok(Some(Self { _files: files }))
    }
}

/// Keeps services and checks out of a data folder without changing it, until it is dropped. Several copies of it can run at once.
#[derive(Debug)]
pub(crate) struct ReadLock {
    _file: File,
}

impl ReadLock {
    /// Returns `None` if a service or a check uses the folder.
    pub(crate) fn acquire(folder: &Path) -> io::Result<Option<Self>> {
        // Without this file no service has used the folder.
        let file = File::open(folder.join("lock"))?;
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

fn lock(file: File, files: &mut Vec<File>) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => {
            files.push(file);
            Ok(true)
        }
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn removing_or_replacing_files_releases_no_lock() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data");
        let owner = FolderLock::acquire(&folder).unwrap().unwrap();
        for file in ["lock", DATABASE] {
            fs::remove_file(folder.join(file)).unwrap();
            assert!(FolderLock::acquire(&folder).unwrap().is_none(), "{file}");
        }
        // A renamed folder is still the same folder.
        let other = parent.path().join("other");
        fs::rename(&folder, &other).unwrap();
        assert!(FolderLock::acquire(&other).unwrap().is_none());
        drop(owner);
        assert!(FolderLock::acquire(&other).unwrap().is_some());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_database_in_use_is_locked_in_every_folder() {
        let parent = tempfile::tempdir().unwrap();
        let (folder, other) = (parent.path().join("a"), parent.path().join("b"));
        let owner = FolderLock::acquire(&folder).unwrap().unwrap();
        fs::create_dir(&other).unwrap();
        fs::hard_link(folder.join(DATABASE), other.join(DATABASE)).unwrap();
        assert!(FolderLock::acquire(&other).unwrap().is_none());
        drop(owner);
        assert!(FolderLock::acquire(&other).unwrap().is_some());
    }
}
