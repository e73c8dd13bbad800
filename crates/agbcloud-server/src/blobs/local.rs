//! File operations on a local folder of blobs that the object store does not offer: durable folders and bulk deletions.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::error::BlobError;
use crate::crash;
use crate::system::durable_fs::{make_private_folder, sync_folder};

/// Creates the folder and its 256 subfolders, all of them durable.
///
/// All at once, because a second upload that finds a new subfolder would not wait for the sync by the first one.
pub(crate) fn create_folders(folder: &Path) -> io::Result<()> {
    // Private even if the folder around it is not.
    make_private_folder(folder)?;
    let mut created = false;
    for part in parts() {
        match fs::create_dir(folder.join(part)) {
            Ok(()) => created = true,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    if created {
        sync_folder(folder)?;
        if let Some(parent) = folder.parent() {
            sync_folder(parent)?;
        }
    }
    Ok(())
}

/// The names of the subfolders: the first byte of each key.
pub(crate) fn parts() -> impl Iterator<Item = String> {
    (0..=255).map(|byte: u8| format!("{byte:02x}"))
}

/// Creates the staging file of a blob, `<key>#<number>`. The first numbers may be those of earlier processes.
pub(super) fn create_staged(blob: &Path) -> io::Result<(File, PathBuf)> {
    let mut number = 1;
    loop {
        let mut staged = blob.as_os_str().to_owned();
        staged.push(format!("#{number}"));
        let created = File::options().write(true).create_new(true).open(&staged);
        match created {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            created => return Ok((created?, staged.into())),
        }
    }
}

/// The blob that a file in the folder is, or was to become.
pub(super) fn blob_of(name: &str) -> &str {
    name.split_once('#').map_or(name, |(blob, _)| blob)
}

/// Removes the staging files of a key.
pub(super) async fn remove_staged(folder: &Path, key: &str) -> io::Result<()> {
    let Some((part, name)) = key.split_once('/') else {
        return Ok(());
    };
    let (path, staged) = (folder.join(part), format!("{name}#"));
    blocking(move || {
        let names = file_names(&path)?.into_iter();
        let mut staged = names.filter(|name| name.starts_with(&staged));
        staged.try_for_each(|name| remove_if_exists(&path.join(name)))
    })
    .await
}

/// The outcome of deleting many blobs.
#[derive(Debug, Default)]
pub(crate) struct DeleteOutcome {
    /// The blobs that are deleted.
    pub(crate) blobs: Vec<String>,
    /// Why the last one of the others is not.
    pub(crate) failed: Option<BlobError>,
}

/// Deletes blobs, and continues after a failure.
pub(super) async fn delete_all(folder: &Path, blobs: Vec<String>) -> io::Result<DeleteOutcome> {
    let folder = folder.to_owned();
    blocking(move || {
        let mut outcome = DeleteOutcome::default();
        for blob in blobs {
            match remove_if_exists(&folder.join(&blob)) {
                Ok(()) => outcome.blobs.push(blob),
                Err(error) => outcome.failed = Some(error.into()),
            }
            crash::point("collect-between-blobs");
        }
        Ok(outcome)
    })
    .await
}

pub(crate) fn file_names(folder: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(folder)?
        .filter_map(|entry| {
            entry
                .map(|entry| entry.file_name().into_string().ok())
                .transpose()
        })
        .collect()
}

pub(crate) fn remove_if_exists(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Runs file operations on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

#[cfg(test)]
pub(super) fn count(folder: &Path) -> usize {
    parts()
        .map(|part| file_names(&folder.join(part)).unwrap().len())
        .sum()
}
