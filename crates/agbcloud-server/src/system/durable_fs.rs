//! Changes to files and folders that are atomic and survive a power failure.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Makes files that were created or renamed in a folder survive a power failure.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// On other systems a folder can't be opened to sync it. The journal of the file system has to suffice.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Creates a folder that only its owner can enter, unless it exists.
#[cfg(unix)]
pub(crate) fn make_private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

/// On other systems the folder inherits its permissions.
#[cfg(not(unix))]
pub(crate) fn make_private_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// Opens or creates a file that only its owner can read.
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.create(true).truncate(false).read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Resolves all symbolic links of a path, so that [`replace`] replaces the file and not a link to it.
pub(crate) fn resolve_links(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        // A dangling link is an error; it must not be replaced by a file.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
            Ok(path.to_owned())
        }
        resolved => resolved,
    }
}

/// Waits for exclusive access to a file. The lock is released when the returned value is dropped.
pub(crate) fn lock(path: &Path) -> io::Result<File> {
    let lock = open_private(&with_suffix(path, ".lock"))?;
    lock.lock()?;
    Ok(lock)
}

/// Replaces the content of a file atomically and durably. The new file gets the owner, the group and the permissions of
/// `before`, the metadata of the existing file.
pub(crate) fn replace(path: &Path, before: Option<&Metadata>, text: &str) -> io::Result<()> {
    let new = with_suffix(path, ".new");
    // A leftover of a crash may have been created by another user and be readable by everyone.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = open_private(&new)?;
    file.write_all(text.as_bytes())?;
    if let Some(before) = before {
        // The service that reads the file may run as another user than the one who changes it.
        copy_owner(&file, before)?;
        file.set_permissions(before.permissions())?;
    }
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => sync_folder(folder),
        _ => sync_folder(Path::new(".")),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Gives a file the owner and the group of another one.
#[cfg(unix)]
fn copy_owner(file: &File, other: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let own = file.metadata()?;
    let changed = |is: u32, wanted: u32| (is != wanted).then_some(wanted);
    let (user, group) = (
        changed(own.uid(), other.uid()),
        changed(own.gid(), other.gid()),
    );
    match (user, group) {
        (None, None) => Ok(()),
        _ => fchown(file, user, group),
    }
}

/// On other systems the file inherits from its folder.
#[cfg(not(unix))]
fn copy_owner(_file: &File, _other: &Metadata) -> io::Result<()> {
    Ok(())
}
