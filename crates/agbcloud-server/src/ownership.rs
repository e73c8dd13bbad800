//! Who may use a data folder: one server, or one check.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use crate::blobs::make_private_folder;
use crate::data_folder::DATABASE;

/// The ownership of a folder, until it is dropped.
///
/// The folder itself is locked, the database in it, and the file `lock`, which versions before locked alone. Removing or
/// replacing one of them lifts the lock of that one only, and none of those that its owner holds.
#[derive(Debug)]
pub(crate) struct Ownership {
    _locks: Vec<File>,
}

impl Ownership {
    /// Makes the folder if needed and takes it; none if another has it.
    pub(crate) fn take(folder: &Path) -> io::Result<Option<Self>> {
        make_private_folder(folder)?;
        let mut locks = Vec::new();
        // First: where this fails the database is not opened, for to close it again would end the locks that SQLite has
        // on it in this process.
        if cfg!(unix) && !lock(File::open(folder)?, &mut locks)? {
            return Ok(None);
        }
        if !lock(private_file(&folder.join("lock"))?, &mut locks)? {
            return Ok(None);
        }
        // Made here because SQLite would let every user of the machine read it, and the secret is in it.
        let database = private_file(&folder.join(DATABASE))?;
        // Elsewhere this lock and those of SQLite would be in each other's way.
        if cfg!(target_os = "linux") && !lock(database, &mut locks)? {
            return Ok(None);
        }
        Ok(Some(Self { _locks: locks }))
    }
}

fn lock(file: File, locks: &mut Vec<File>) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => {
            locks.push(file);
            Ok(true)
        }
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Opens a file, which if it is new only its owner may read.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn removing_or_replacing_files_lifts_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data");
        let owner = Ownership::take(&folder).unwrap().unwrap();
        for file in ["lock", DATABASE] {
            fs::remove_file(folder.join(file)).unwrap();
            assert!(Ownership::take(&folder).unwrap().is_none(), "{file}");
        }
        // By another name it is the same folder.
        let other = parent.path().join("other");
        fs::rename(&folder, &other).unwrap();
        assert!(Ownership::take(&other).unwrap().is_none());
        drop(owner);
        assert!(Ownership::take(&other).unwrap().is_some());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_database_in_use_is_locked_in_any_folder() {
        let parent = tempfile::tempdir().unwrap();
        let (folder, other) = (parent.path().join("a"), parent.path().join("b"));
        let owner = Ownership::take(&folder).unwrap().unwrap();
        fs::create_dir(&other).unwrap();
        fs::hard_link(folder.join(DATABASE), other.join(DATABASE)).unwrap();
        assert!(Ownership::take(&other).unwrap().is_none());
        drop(owner);
        assert!(Ownership::take(&other).unwrap().is_some());
    }
}
