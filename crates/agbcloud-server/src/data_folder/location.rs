//! Detects that a data folder was moved, removed or replaced.
//!
//! A process keeps writing to a folder that was moved or removed, and the next start does not find what was written. So the
//! files and folders at the paths are compared with those that were opened.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Paths, and the identities of the files and folders that were there.
#[derive(Debug)]
pub(crate) struct FolderLocation {
    items: Vec<(PathBuf, FileId)>,
    /// An inode number is not reused while the folder is open.
    _folders: Vec<File>,
}

/// A path now names another file or folder, or nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} was moved, removed or replaced", .0.display())]
pub(crate) struct Moved(pub(crate) PathBuf);

impl FolderLocation {
    /// Records what is at these paths. The caller keeps the files open while this lives: opening and closing a database here
    /// would release the locks that SQLite has on it.
    pub(crate) fn of(folders: &[&Path], files: &[&Path]) -> io::Result<Self> {
        let items = folders
            .iter()
            .chain(files)
            .map(|path| Ok((path.to_path_buf(), FileId::at(path)?)))
            .collect::<io::Result<_>>()?;
        let folders = match cfg!(unix) {
            true => folders.iter().map(File::open).collect::<io::Result<_>>()?,
            false => Vec::new(),
        };
        Ok(Self {
            items,
            _folders: folders,
        })
    }

    /// Compares what is at the paths now.
    pub(crate) fn check(&self) -> Result<(), Moved> {
        let moved = self
            .items
            .iter()
            .find(|(path, id)| !FileId::at(path).is_ok_and(|found| found == *id));
        match moved {
            Some((path, _)) => Err(Moved(path.clone())),
            None => Ok(()),
        }
    }
}

/// The identity of a file or folder, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    #[cfg(unix)]
    device: u64,
    #[cfg(unix)]
    inode: u64,
    /// The standard library offers no more on other systems.
    #[cfg(not(unix))]
    folder: bool,
}

impl FileId {
    fn at(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            Ok(Self {
                device: found.dev(),
                inode: found.ino(),
            })
        }
        #[cfg(not(unix))]
        Ok(Self {
            folder: found.is_dir(),
        })
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_moved_removed_or_replaced_path_is_detected_until_it_is_restored() {
        let folder = tempfile::tempdir().unwrap();
        let (data, away) = (folder.path().join("data"), folder.path().join("away"));
        let file = data.join("file");
        fs::create_dir(&data).unwrap();
        let open = File::create(&file).unwrap();
        let location = FolderLocation::of(&[&data], &[&file]).unwrap();
        assert_eq!(location.check(), Ok(()));

        fs::rename(&data, &away).unwrap();
        assert_eq!(location.check(), Err(Moved(data.clone())));
        fs::create_dir(&data).unwrap();
        fs::write(&file, b"").unwrap();
        assert_eq!(location.check(), Err(Moved(data.clone())));
        fs::remove_dir_all(&data).unwrap();
        fs::rename(&away, &data).unwrap();
        assert_eq!(location.check(), Ok(()));

        fs::write(data.join("new"), b"").unwrap();
        fs::rename(data.join("new"), &file).unwrap();
        assert_eq!(location.check(), Err(Moved(file.clone())));
        fs::remove_file(&file).unwrap();
        assert_eq!(location.check(), Err(Moved(file)));
        drop(open);
    }
}
