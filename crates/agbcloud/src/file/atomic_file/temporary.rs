//! Temporary files: without a name where the system supports that, and with one if they are kept after an interruption.

use std::{fs::File, io, path::PathBuf};

use tempfile::NamedTempFile;

use super::{destination::Destination, kept_file::KeptFile};
use crate::Result;

/// A file that is removed when it is dropped, unless it is kept. One without a name is also removed when the process is
/// killed.
pub(super) enum Temporary {
    #[cfg(target_os = "linux")]
    Nameless(File),
    Named(NamedTempFile),
    Kept(KeptFile),
}

impl Temporary {
    /// Makes one that can get the name of the destination. Blocks.
    pub(super) fn new(destination: &Destination) -> Result<Self> {
        #[cfg(target_os = "linux")]
        if let Ok(file) = nameless::file_in(destination.folder(), destination.temporary_mode()) {
            return Ok(Self::Nameless(file));
        }
        Self::named(destination)
    }

    /// Creates a file that can be [reopened](Self::reopen). Blocks.
    pub(super) fn shared(destination: &Destination) -> Result<Self> {
        match Self::new(destination)? {
            #[cfg(target_os = "linux")]
            Self::Nameless(file) if nameless::path_of(&file).metadata().is_err() => {
                Self::named(destination)
            }
            temporary => Ok(temporary),
        }
    }

    fn named(destination: &Destination) -> Result<Self> {
        destination.named_temporary().map(Self::Named)
    }

    pub(super) fn as_file(&self) -> &File {
        match self {
            #[cfg(target_os = "linux")]
            Self::Nameless(file) => file,
            Self::Named(file) => file.as_file(),
            Self::Kept(kept) => kept.file.as_file(),
        }
    }

    /// A path to the file that is valid in this process.
    pub(super) fn path(&self) -> PathBuf {
        match self {
            #[cfg(target_os = "linux")]
            Self::Nameless(file) => nameless::path_of(file),
            Self::Named(file) => file.path().to_owned(),
            Self::Kept(kept) => kept.file.path().to_owned(),
        }
    }

    /// Returns another handle with its own position in the file. Blocks.
    pub(super) fn reopen(&self) -> io::Result<File> {
        File::options().read(true).write(true).open(self.path())
    }

    /// Gives the file a name beside the destination, ready to be renamed. Blocks.
    pub(super) fn into_named(self, destination: &Destination) -> Result<NamedTempFile> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Nameless(file) => nameless::link_in(file, destination.folder())
                .or_else(|file| copy(&file, destination)),
            Self::Named(file) => Ok(file),
            Self::Kept(kept) => Ok(kept.file),
        }
    }

    /// The record of a kept file.
    pub(super) fn record(&self) -> Option<PathBuf> {
        match self {
            Self::Kept(kept) => Some(kept.record.clone()),
            _ => None,
        }
    }

    /// Moves the file to its target, which must not exist. Blocks.
    pub(super) fn persist_new(self, destination: &Destination) -> Result<()> {
        let target = &destination.target;
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => destination.exists(),
            _ => destination.write_failed(error),
        };
        #[cfg(target_os = "linux")]
        if let Self::Nameless(file) = &self {
            match nameless::link(file, target) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {}
                linked => return linked.map_err(failed),
            }
        }
        let persisted = self.into_named(destination)?.persist_noclobber(target);
        persisted.map(drop).map_err(|error| failed(error.error))
    }
}

/// Copies a file that can't be linked to a name.
#[cfg(target_os = "linux")]
fn copy(mut file: &File, destination: &Destination) -> Result<NamedTempFile> {
    use std::io::Seek;

    let copy = destination.named_temporary()?;
    let copied = file.rewind().and_then(|()| {
        io::copy(&mut file, &mut copy.as_file())?;
        copy.as_file().set_modified(file.metadata()?.modified()?)
    });
    copied.map_err(|error| destination.write_failed(error))?;
    Ok(copy)
}

#[cfg(target_os = "linux")]
mod nameless {
    use std::{fs::Permissions, os::fd::AsRawFd, path::Path};

    use rustix::fs::{AtFlags, CWD, Mode, OFlags};
    use tempfile::TempPath;

    use super::{File, NamedTempFile, PathBuf, io};
    use crate::file::atomic_file::part_file;

    /// Maximum number of random names.
    const MAX_NAMES: u32 = 16;

    /// Fails on file systems that do not support files without a name.
    pub(super) fn file_in(folder: &Path, mode: Permissions) -> io::Result<File> {
        use std::os::unix::fs::PermissionsExt;

        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode.mode());
        Ok(File::from(rustix::fs::open(folder, flags, mode)?))
    }

    pub(super) fn path_of(file: &File) -> PathBuf {
        format!("/proc/self/fd/{}", file.as_raw_fd()).into()
    }

    pub(super) fn link(file: &File, name: &Path) -> io::Result<()> {
        // Linking by the handle requires a privilege before Linux 6.10.
        let linked = rustix::fs::linkat(file, "", CWD, name, AtFlags::EMPTY_PATH);
        match linked {
            Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(linked?),
            Err(_) => {
                let path = path_of(file);
                let flags = AtFlags::SYMLINK_FOLLOW;
                Ok(rustix::fs::linkat(CWD, path, CWD, name, flags)?)
            }
        }
    }

    /// Links the file to the name of a part, locked so that no other process removes it. Returns the file on failure.
    pub(super) fn link_in(file: File, folder: &Path) -> Result<NamedTempFile, File> {
        part_file::lock(&file);
        for _ in 0..MAX_NAMES {
            let path = folder.join(part_file::random_locked_name());
            match link(&file, &path) {
                Ok(()) => {
                    return match TempPath::try_from_path(path) {
                        Ok(path) => Ok(NamedTempFile::from_parts(file, path)),
                        Err(_) => Err(file),
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(_) => break,
            }
        }
        Err(file)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::file::atomic_file::{ExpectedTarget, is_part, part_file};

    #[test]
    fn a_temporary_file_has_no_name_until_it_is_published() {
        let folder = tempfile::tempdir().unwrap();
        let destination = Destination {
            target: folder.path().join("target"),
            overwrite: true,
            expected: ExpectedTarget::Any,
            root: None,
        };
        let names = || {
            let names = std::fs::read_dir(folder.path()).unwrap();
            names.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
        };
        let temporary = Temporary::new(&destination).unwrap();
        let Temporary::Nameless(file) = &temporary else {
            // The file system does not support such files.
            return;
        };
        let mut handle = temporary.reopen().unwrap();
        handle.write_all(b"whole").unwrap();
        let mut text = String::new();
        let mut handle = temporary.reopen().unwrap();
        handle.read_to_string(&mut text).unwrap();
        assert_eq!(text, "whole");
        assert!(names().is_empty());

        let copy = copy(file, &destination).unwrap();
        assert_eq!(std::fs::read(&copy).unwrap(), b"whole");
        drop(copy);

        let target = &destination.target;
        temporary.persist_new(&destination).unwrap();
        assert_eq!(names(), std::slice::from_ref(target));
        assert_eq!(std::fs::read(target).unwrap(), b"whole");
        let second = Temporary::new(&destination).unwrap();
        let taken = second.persist_new(&destination).unwrap_err();
        assert_eq!(taken.kind(), crate::ErrorKind::Conflict);
        assert_eq!(std::fs::read(target).unwrap(), b"whole");
        std::fs::remove_file(target).unwrap();

        let temporary = Temporary::new(&destination).unwrap();
        temporary.as_file().write_all(b"whole").unwrap();
        let named = temporary.into_named(&destination).unwrap();
        assert_eq!(names(), [named.path().to_path_buf()]);
        assert!(is_part(named.path()));
        let (owner, _) = part_file::part_owner(named.path());
        assert_eq!(owner, part_file::PartOwner::Alive);
        assert_eq!(std::fs::read(&named).unwrap(), b"whole");
        drop(named);
        assert!(names().is_empty());
    }
}
