//! A file that has no place yet.

use std::{fs::File, io, path::PathBuf};

use tempfile::{NamedTempFile, TempPath};

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

    /// Gives it a name beside the place, where it stays until it is renamed. Blocks.
    pub(super) fn named(self, place: &Place) -> Result<TempPath> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Nameless(file) => {
                nameless::link(&file, place.folder()).or_else(|_| copied(&file, place))
            }
            Self::Named(file) => Ok(file.into_temp_path()),
        }
    }
}

/// Where a file gets no name, another gets its content.
#[cfg(target_os = "linux")]
fn copied(file: &File, place: &Place) -> Result<TempPath> {
    let copy = place.temporary()?;
    let time = file.metadata().and_then(|metadata| metadata.modified());
    let copied = time.and_then(|time| {
        let mut from = File::open(nameless::path_of(file))?;
        io::copy(&mut from, &mut copy.as_file())?;
        copy.as_file().set_modified(time)
    });
    copied.map_err(|error| place.failed(error))?;
    Ok(copy.into_temp_path())
}

#[cfg(target_os = "linux")]
mod nameless {
    use std::{fs::Permissions, os::fd::AsRawFd, path::Path};

    use rustix::fs::{AtFlags, CWD, Mode, OFlags};

    use super::{File, PathBuf, TempPath, io};
    use crate::file::local::{PART_PREFIX, PART_SUFFIX};

    /// Names that are tried.
    const TRIES: u32 = 16;

    /// An error where the file system has no such files, or where it could get no name.
    pub(super) fn file_in(folder: &Path, mode: Permissions) -> io::Result<File> {
        use std::os::unix::fs::PermissionsExt;

        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode.mode());
        let file = File::from(rustix::fs::open(folder, flags, mode)?);
        // All that follows goes by this path.
        path_of(&file).metadata()?;
        Ok(file)
    }

    pub(super) fn path_of(file: &File) -> PathBuf {
        format!("/proc/self/fd/{}", file.as_raw_fd()).into()
    }

    pub(super) fn link(file: &File, folder: &Path) -> io::Result<TempPath> {
        let mut tries = TRIES;
        loop {
            let name = format!("{PART_PREFIX}{:016x}{PART_SUFFIX}", fastrand::u64(..));
            let path = folder.join(name);
            let linked =
                rustix::fs::linkat(CWD, path_of(file), CWD, &path, AtFlags::SYMLINK_FOLLOW);
            tries -= 1;
            match linked {
                Ok(()) => return TempPath::try_from_path(path),
                Err(rustix::io::Errno::EXIST) if tries > 0 => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{io::Read, sync::Arc};

    use super::*;
    use crate::file::local::{Before, is_part};

    /// Nobody sees it, and whoever is killed leaves nothing; it has a name for the moment in which it gets into its place.
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

        let path = temporary.named(&place).unwrap();
        assert_eq!(names(), [path.to_path_buf()]);
        assert!(is_part(&path));
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        drop(path);
        assert!(names().is_empty());
    }
}
