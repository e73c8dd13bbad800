//! A file that has no place yet.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::written::Place;
use crate::{Result, file::checksum::Sums};

/// A file that is being written: gone if dropped. Where the system knows files without a name it has none, and so is gone
/// with the process too, however that ends.
pub(super) enum Temporary {
    #[cfg(target_os = "linux")]
    Nameless(File),
    Named(NamedTempFile),
}

impl Temporary {
    /// Makes one that can get the name of the place. Blocks.
    pub(super) fn new(place: &Place) -> Result<Self> {
        #[cfg(target_os = "linux")]
        if let Ok(file) = nameless::file_in(place.folder(), place.mode_while_written()) {
            return Ok(Self::Nameless(file));
        }
        Self::named(place)
    }

    /// Makes one that can be [reopened](Self::reopen). Blocks.
    pub(super) fn shared(place: &Place) -> Result<Self> {
        match Self::new(place)? {
            #[cfg(target_os = "linux")]
            Self::Nameless(file) if nameless::path_of(&file).metadata().is_err() => {
                Self::named(place)
            }
            temporary => Ok(temporary),
        }
    }

    /// Makes one that has a name. Blocks.
    pub(super) fn named(place: &Place) -> Result<Self> {
        place.temporary().map(Self::Named)
    }

    pub(super) fn as_file(&self) -> &File {
        match self {
            #[cfg(target_os = "linux")]
            Self::Nameless(file) => file,
            Self::Named(file) => file.as_file(),
        }
    }

    /// The path that leads to it in this process.
    fn path(&self) -> PathBuf {
        match self {
            #[cfg(target_os = "linux")]
            Self::Nameless(file) => nameless::path_of(file),
            Self::Named(file) => file.path().to_owned(),
        }
    }

    /// Another handle, with a place in the file of its own. Blocks.
    pub(super) fn reopen(&self) -> io::Result<File> {
        File::options().read(true).write(true).open(self.path())
    }

    pub(super) async fn sums(&self, sums: Sums) -> Result<Sums> {
        super::sums_of(&self.path(), sums).await
    }

    /// Makes it durable. Blocks.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.as_file().sync_all()
    }

    /// Gives it a name beside the place, where it stays until it is renamed. Blocks.
    pub(super) fn beside(self, place: &Place) -> Result<NamedTempFile> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Nameless(file) => {
                nameless::link_in(file, place.folder()).or_else(|file| copied(&file, place))
            }
            Self::Named(file) => Ok(file),
        }
    }

    /// Puts it at a place where nothing is; that something is there is an error. Blocks.
    pub(super) fn put(self, place: &Place, target: &Path) -> Result<io::Result<()>> {
        #[cfg(target_os = "linux")]
        if let Self::Nameless(file) = &self {
            match nameless::link(file, target) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {}
                linked => return Ok(linked),
            }
        }
        let put = self.beside(place)?.persist_noclobber(target);
        Ok(put.map(drop).map_err(|error| error.error))
    }
}

/// Where a file gets no name, another gets its content.
#[cfg(target_os = "linux")]
fn copied(mut file: &File, place: &Place) -> Result<NamedTempFile> {
    use std::io::Seek;

    let copy = place.temporary()?;
    let copied = file.rewind().and_then(|()| {
        io::copy(&mut file, &mut copy.as_file())?;
        copy.as_file().set_modified(file.metadata()?.modified()?)
    });
    copied.map_err(|error| place.failed(error))?;
    Ok(copy)
}

#[cfg(target_os = "linux")]
mod nameless {
    use std::{fs::Permissions, os::fd::AsRawFd, path::Path};

    use rustix::fs::{AtFlags, CWD, Mode, OFlags};
    use tempfile::TempPath;

    use super::{File, NamedTempFile, PathBuf, io};
    use crate::file::local::{PART_PREFIX, PART_SUFFIX, lock};

    /// Names that are tried.
    const TRIES: u32 = 16;

    /// An error where the file system has no such files.
    pub(super) fn file_in(folder: &Path, mode: Permissions) -> io::Result<File> {
        use std::os::unix::fs::PermissionsExt;

        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode.mode());
        Ok(File::from(rustix::fs::open(folder, flags, mode)?))
    }

    pub(super) fn path_of(file: &File) -> PathBuf {
        format!("/proc/self/fd/{}", file.as_raw_fd()).into()
    }

    /// Gives it this name.
    pub(super) fn link(file: &File, name: &Path) -> io::Result<()> {
        // By its handle alone: before Linux 6.10 that takes a privilege.
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

    /// Gives it the name of one that is being written, or gives it back. Who meets it knows by the lock that somebody is.
    pub(super) fn link_in(file: File, folder: &Path) -> Result<NamedTempFile, File> {
        lock::take(&file);
        for _ in 0..TRIES {
            let name = format!("{PART_PREFIX}{:016x}{PART_SUFFIX}", fastrand::u64(..));
            let path = folder.join(name);
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
    use std::{io::Read, sync::Arc};

    use super::*;
    use crate::file::local::{Before, Owner, is_part, owner_of};

    /// Nobody sees it, and whoever is killed leaves nothing. If it replaces another it has a name for a moment.
    #[test]
    fn what_is_being_written_has_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let place = Arc::new(Place {
            target: folder.path().join("target"),
            overwrite: true,
            before: Before::Unseen,
            root: None,
        });
        let names = || {
            let names = std::fs::read_dir(folder.path()).unwrap();
            names.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
        };
        let temporary = Temporary::new(&place).unwrap();
        if matches!(temporary, Temporary::Named(_)) {
            // This file system does not know such files.
            return;
        }
        io::Write::write_all(&mut temporary.reopen().unwrap(), b"whole").unwrap();
        let mut text = String::new();
        temporary
            .reopen()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "whole");
        assert!(names().is_empty());

        let Temporary::Nameless(file) = &temporary else {
            unreachable!("as was looked at")
        };
        let copy = copied(file, &place).unwrap();
        assert_eq!(std::fs::read(&copy).unwrap(), b"whole");
        drop(copy);

        let target = place.target.clone();
        temporary.put(&place, &target).unwrap().unwrap();
        assert_eq!(
            names(),
            std::slice::from_ref(&target),
            "it had no other name before"
        );
        assert_eq!(std::fs::read(&target).unwrap(), b"whole");
        let second = Temporary::new(&place).unwrap();
        let taken = second.put(&place, &target).unwrap().unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&target).unwrap(), b"whole");
        std::fs::remove_file(&target).unwrap();

        let temporary = Temporary::new(&place).unwrap();
        io::Write::write_all(&mut temporary.as_file(), b"whole").unwrap();
        let path = temporary.beside(&place).unwrap();
        assert_eq!(names(), [path.path().to_path_buf()]);
        assert!(is_part(path.path()));
        assert_eq!(owner_of(path.path()).0, Owner::Alive);
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        drop(path);
        assert!(names().is_empty());
    }
}
