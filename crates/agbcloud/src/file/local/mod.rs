//! The local file system: opening, identifying and hashing files.

mod local_file;
mod local_identity;
mod local_reader;
pub(super) mod open_files;

use std::{io::Read, path::Path};

pub(crate) use local_file::{LocalContent, LocalFile, SourceFolder};
pub(crate) use local_identity::{LocalIdentity, file_system_time, from_unix_nanos, to_unix_nanos};
pub(crate) use local_reader::LocalReader;
pub(crate) use open_files::{is_too_many_open_files, limit_concurrent_transfers};

use crate::{Error, ErrorDetail, ErrorKind, Result, transfer::ContentHasher};

/// Bytes that are read or written at a time. Files up to this size are kept in memory as a whole.
pub(super) const BUFFER: usize = 256 * 1024;

/// Implements `From` for the usual types of local paths.
macro_rules! impl_from_paths {
    ($name:ty, |$path:ident| $make:expr) => {
        impl From<std::path::PathBuf> for $name {
            fn from($path: std::path::PathBuf) -> Self {
                $make
            }
        }

        impl From<&std::path::PathBuf> for $name {
            fn from(path: &std::path::PathBuf) -> Self {
                path.clone().into()
            }
        }

        impl From<&std::path::Path> for $name {
            fn from(path: &std::path::Path) -> Self {
                path.to_owned().into()
            }
        }
    };
}
pub(crate) use impl_from_paths;

/// Adds the content of a file to a hasher.
pub(crate) async fn hash_file(path: &Path, mut hasher: ContentHasher) -> Result<ContentHasher> {
    let path = path.to_owned();
    blocking(move || {
        let failed = |error| cannot("read", &path, error);
        let mut file = std::fs::File::open(&path).map_err(failed)?;
        let mut buffer = vec![0; BUFFER];
        loop {
            match file.read(&mut buffer).map_err(failed)? {
                0 => return Ok(hasher),
                read => hasher.update(&buffer[..read]),
            }
        }
    })
    .await
}

/// Runs work that blocks on another thread.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(local_task_failed)?
}

pub(super) fn local_task_failed(
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    let message = "the task that accesses the local file has failed";
    Error::new(ErrorKind::LocalFile, message).with_source(cause)
}

/// Returns the error of an operation on a local file: "can't read path", with the cause as its source.
pub(crate) fn cannot(operation: &str, path: &Path, cause: std::io::Error) -> Error {
    let message = format!("can't {operation} {}", path.display());
    Error::new(ErrorKind::LocalFile, message)
        .with_local_path(path)
        .with_source(cause)
}

/// Returns the folder that a file is in.
pub(crate) fn folder_of(file: &Path) -> &Path {
    let folder = file.parent();
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Fails if a folder between the root and the file is a symbolic link, which may point outside of the root. Blocks.
pub(crate) fn check_no_symlinks(file: &Path, root: &Path) -> Result<()> {
    let above = file.ancestors().skip(1);
    let mut above = above.take_while(|above| *above != root);
    let link = above.find(|above| above.symlink_metadata().is_ok_and(|it| it.is_symlink()));
    link.map_or(Ok(()), |link| Err(not_a_folder(link)))
}

pub(crate) fn changed_since_compared(file: &Path) -> Error {
    let path = file.display();
    let message = format!("{path} changed since it was compared");
    Error::new(ErrorKind::Conflict, message)
        .with_detail(ErrorDetail::Changed)
        .with_local_path(file)
}

pub(crate) fn not_a_folder(path: &Path) -> Error {
    let message = format!("{} is not a folder", path.display());
    Error::new(ErrorKind::LocalFile, message).with_local_path(path)
}
