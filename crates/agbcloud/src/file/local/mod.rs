//! The local side of a transfer: opening what is sent, and making what is fetched appear whole or not at all.

mod ahead;
mod beneath;
mod group;
mod identity;
mod lock;
mod new_file;
mod open_files;
mod sent;
mod temporary;
mod written;

use std::{io::Read, path::Path};

pub(super) use beneath::{LocalFile, Root};
pub(super) use group::Group;
pub(super) use identity::{LocalIdentity, file_time, nanos_of, time_of};
pub(super) use lock::{Owner, owner_of};
pub(super) use new_file::NewFile;
pub(super) use open_files::{are_too_many, transfers_at_once};
pub(super) use sent::{Content, is_unchanged, metadata, open, open_now};
use written::Laid;
pub(super) use written::{Before, Written, changed_meanwhile, in_the_way, no_link_to, touched};

use super::checksum::Sums;
use crate::{Error, ErrorKind, Result};

/// How the names of files begin and end that are being fetched.
const PART_PREFIX: &str = ".agb-";
const PART_SUFFIX: &str = ".part";

/// Makes files of such names.
pub(super) fn parts() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PART_PREFIX).suffix(PART_SUFFIX);
    builder
}

/// Characters between these in the name of a file whose process holds a lock on it while it lives. Others are known to be
/// abandoned by their age alone.
const LOCKED_LENGTH: usize = 16;

/// Makes files of names that say so.
fn locked_parts() -> tempfile::Builder<'static, 'static> {
    let mut builder = parts();
    builder.rand_bytes(LOCKED_LENGTH);
    builder
}

/// Makes a folder for files that wait to be put in their places, which is locked as long as the handle is open. Blocks.
pub(super) fn locked_folder(within: &Path) -> std::io::Result<(tempfile::TempDir, std::fs::File)> {
    let folder = locked_parts().tempdir_in(within)?;
    let handle = std::fs::File::open(folder.path())?;
    lock::take(&handle);
    Ok((folder, handle))
}

/// Whether the process that writes a file of this name holds a lock on it.
fn is_locked_part(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.and_then(|name| name.strip_prefix(PART_PREFIX));
    let name = name.and_then(|name| name.strip_suffix(PART_SUFFIX));
    name.is_some_and(|name| {
        name.len() == LOCKED_LENGTH && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// The folder that a file is in.
pub(super) fn folder_of(file: &Path) -> &Path {
    let folder = file.parent();
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Whether a file is one that is being fetched, or was when the process ended.
pub(super) fn is_part(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(PART_PREFIX) && name.ends_with(PART_SUFFIX))
}

/// Bytes that are written or read at a time. A file that is not larger is in memory as a whole.
const BUFFER: usize = 256 * 1024;

/// Lets local paths in their usual types be given for something.
macro_rules! impl_from_paths {
    ($name:ident, |$path:ident| $make:expr) => {
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
pub(super) use impl_from_paths;

/// Sums over the content of a file.
pub(super) async fn sums_of(path: &Path, mut sums: Sums) -> Result<Sums> {
    let path = path.to_owned();
    blocking(move || {
        let failed = |error| cannot("read", &path, error);
        let mut file = std::fs::File::open(&path).map_err(failed)?;
        let mut buffer = vec![0; BUFFER];
        loop {
            match file.read(&mut buffer).map_err(failed)? {
                0 => return Ok(sums),
                read => sums.add(&buffer[..read]),
            }
        }
    })
    .await
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::new(
            ErrorKind::LocalFile,
            "the local file could not be worked on",
        )
        .with_source(error)),
    }
}

pub(super) fn cannot(what: &str, path: &Path, error: std::io::Error) -> Error {
    Error::new(
        ErrorKind::LocalFile,
        format!("can't {what} {}: {error}", path.display()),
    )
    .with_local_path(path)
    .with_source(error)
}
