//! Whether the store is still where it was opened.
//!
//! A folder that is moved, removed or replaced stays open under the process that has it, and what is written there is not
//! found again at its path. So the files and folders at the paths are compared with those that are open.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Paths, and what was there.
#[derive(Debug)]
pub(crate) struct Location {
    items: Vec<(PathBuf, FileId)>,
    /// While a folder is open no other one gets its number.
    _folders: Vec<File>,
}

/// A path leads to another file or folder, or to none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} was moved, removed or replaced", .0.display())]
pub(crate) struct Moved(pub(crate) PathBuf);

impl Location {
    /// Remembers what is at these paths. The files have to be open elsewhere for as long as this lives: opening and closing
    /// a database would end the locks that SQLite has on it.
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

    /// Compares what is there now.
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

/// By what a file is recognised whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    #[cfg(unix)]
    device: u64,
    #[cfg(unix)]
    number: u64,
    /// All that the standard library offers elsewhere.
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
                number: found.ino(),
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
    fn what_is_moved_removed_or_replaced_is_noticed_and_what_comes_back_is_good() {
        let folder = tempfile::tempdir().unwrap();
        let (data, away) = (folder.path().join("data"), folder.path().join("away"));
        let file = data.join("file");
        fs::create_dir(&data).unwrap();
        let open = File::create(&file).unwrap();
        let location = Location::of(&[&data], &[&file]).unwrap();
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
