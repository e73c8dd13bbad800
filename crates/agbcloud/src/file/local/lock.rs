//! Temporary files are locked by the process that writes them, which the system undoes when the process ends, however it
//! does: so one that a killed process has left is known at once.

use std::{fs::File, path::Path};

/// Whose a temporary file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::file) enum Owner {
    /// A process that is writing it.
    Alive,
    /// Nobody any more.
    Gone,
    /// There are no locks, or it is no file of this kind.
    Unknown,
}

/// Takes the lock for as long as the file is open. Whether it is ours; where there are no locks it counts as that.
#[cfg(unix)]
pub(super) fn take(file: &File) -> bool {
    use rustix::fs::{FlockOperation, flock};

    let locked = flock(file, FlockOperation::NonBlockingLockExclusive);
    locked != Err(rustix::io::Errno::WOULDBLOCK)
}

#[cfg(not(unix))]
pub(super) fn take(_: &File) -> bool {
    true
}

/// Whose a file is. If it is nobody's, the handle keeps it so: remove the file before it is dropped. Blocks.
#[cfg(unix)]
pub(in crate::file) fn owner_of(path: &Path) -> (Owner, Option<File>) {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::{
        fs::{FlockOperation, OFlags, flock},
        io::Errno,
    };

    if !super::is_locked_part(path) {
        return (Owner::Unknown, None);
    }
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let opened = File::options().read(true).custom_flags(flags).open(path);
    let Ok(file) = opened else {
        return (Owner::Unknown, None);
    };
    if !file
        .metadata()
        .is_ok_and(|metadata| metadata.is_file() || metadata.is_dir())
    {
        return (Owner::Unknown, None);
    }
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => (Owner::Gone, Some(file)),
        Err(Errno::WOULDBLOCK) => (Owner::Alive, None),
        Err(_) => (Owner::Unknown, None),
    }
}

#[cfg(not(unix))]
pub(in crate::file) fn owner_of(_: &Path) -> (Owner, Option<File>) {
    (Owner::Unknown, None)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_lock_ends_with_the_handle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".agb-0123456789abcdef.part");
        let file = File::create(&path).unwrap();
        assert!(take(&file));
        assert_eq!(owner_of(&path).0, Owner::Alive);
        drop(file);
        let (owner, held) = owner_of(&path);
        assert_eq!(owner, Owner::Gone);
        assert!(!take(&File::open(&path).unwrap()), "the handle keeps it");
        drop(held);
        for other in [
            ".agb-012345.part",
            "0123456789abcdef",
            ".agb-0123456789abc-ef.part",
        ] {
            let path = folder.path().join(other);
            File::create(&path).unwrap();
            assert_eq!(owner_of(&path).0, Owner::Unknown, "{other}");
        }
    }
}
