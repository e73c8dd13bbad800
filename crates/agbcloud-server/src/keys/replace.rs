//! Changing a file that others read: as a whole, durably, and for the same readers as before.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::durable_fs::sync_folder;

/// Where the file is, behind all symbolic links: to replace one of them would leave the file as it was for whoever
/// comes another way.
pub(super) fn resolved(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        // A link that leads nowhere is told, and not replaced by a file.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
            Ok(path.to_owned())
        }
        found => found,
    }
}

/// Waits until nobody else changes the file; it is one's own until this is dropped.
pub(super) fn lock(path: &Path) -> io::Result<File> {
    let lock = private(&beside(path, ".lock"))?;
    lock.lock()?;
    Ok(lock)
}

/// Puts the text in the place of the file, which was like `before` if it was there.
pub(super) fn replace(path: &Path, before: Option<&Metadata>, text: &str) -> io::Result<()> {
    let beside = beside(path, ".new");
    // What a crash has left there may have been made by someone else, for everyone to read.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private(&beside)?;
    file.write_all(text.as_bytes())?;
    if let Some(before) = before {
        // The service that reads it may be another user than who changes it.
        own_like(&file, before)?;
        file.set_permissions(before.permissions())?;
    }
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => sync_folder(folder),
        _ => sync_folder(Path::new(".")),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Gives a file the owner and the group of another.
#[cfg(unix)]
fn own_like(file: &File, other: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let own = file.metadata()?;
    let differing = |is: u32, wanted: u32| (is != wanted).then_some(wanted);
    let (user, group) = (
        differing(own.uid(), other.uid()),
        differing(own.gid(), other.gid()),
    );
    match (user, group) {
        (None, None) => Ok(()),
        _ => fchown(file, user, group),
    }
}

/// Elsewhere the folder decides.
#[cfg(not(unix))]
fn own_like(_file: &File, _other: &Metadata) -> io::Result<()> {
    Ok(())
}

/// Opens a file that its owner alone may read; makes it if it is not there.
fn private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
