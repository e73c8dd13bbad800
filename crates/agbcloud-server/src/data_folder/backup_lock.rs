//! The lock that backups of a running service share: while one holds it, no blob is deleted.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::system::durable_fs::open_private;

/// Its name in the data folder.
const NAME: &str = "backup.lock";

/// The file that backups lock. The operating system releases the lock of a process that ends.
#[derive(Debug, Clone)]
pub(crate) struct BackupLock(PathBuf);

/// The lock, until it is dropped.
#[derive(Debug)]
pub(crate) struct BackupLockGuard {
    _file: File,
}

impl BackupLock {
    pub(crate) fn of(data: &Path) -> Self {
        Self(data.join(NAME))
    }

    /// Creates the file, so that a backup and a deletion on a full disk need not.
    pub(crate) fn create(&self) -> io::Result<()> {
        open_private(&self.0).map(drop)
    }

    /// Prevents deletions of blobs. Waits for those in progress, which take moments. Fails with
    /// [`NotFound`](io::ErrorKind::NotFound) if the service is of a version that does not use this lock.
    pub(crate) fn share(&self) -> io::Result<BackupLockGuard> {
        let file = File::open(&self.0)?;
        file.lock_shared()?;
        Ok(BackupLockGuard { _file: file })
    }

    /// Permits deletions of blobs while the guard exists. Returns `None` if a backup is running.
    pub(crate) fn try_exclude(&self) -> io::Result<Option<BackupLockGuard>> {
        let file = match File::open(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => open_private(&self.0)?,
            opened => opened?,
        };
        match file.try_lock() {
            Ok(()) => Ok(Some(BackupLockGuard { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_exclude_deletions_and_not_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let lock = BackupLock::of(folder.path());
        assert_eq!(lock.share().unwrap_err().kind(), io::ErrorKind::NotFound);
        lock.create().unwrap();
        let (first, second) = (lock.share().unwrap(), lock.share().unwrap());
        drop(first);
        assert!(lock.try_exclude().unwrap().is_none());
        drop(second);
        let deleting = lock.try_exclude().unwrap().unwrap();
        assert!(lock.try_exclude().unwrap().is_none());
        let waiting = std::thread::spawn(move || lock.share().unwrap());
        drop(deleting);
        waiting.join().unwrap();
    }
}
