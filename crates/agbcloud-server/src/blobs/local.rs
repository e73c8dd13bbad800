//! What blobs need of a folder beyond the object store: durable folders, deletions, and the sweep.

use std::collections::HashSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::{BlobError, Deleted, Quarantine, Swept};
use crate::clock::Micros;
use crate::crash;
pub(crate) use crate::durable_fs::sync_folder;
use crate::metadata::{Metadata, StoreError};

/// So many blobs are looked up in one go.
const LOOK_UP: usize = 500;

/// Makes the folder and the 256 in it into which the keys are spread, durable all of them.
///
/// The object store would make them when needed and sync them too, but not for a second upload that finds
/// the new folder before the first one has synced it.
pub(crate) fn prepare(folder: &Path) -> io::Result<()> {
    // Nobody else gets past it, whatever the folder around it allows.
    make_private_folder(folder)?;
    let mut made = false;
    for name in spread() {
        match fs::create_dir(folder.join(name)) {
            Ok(()) => made = true,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    if made {
        sync_folder(folder)?;
        if let Some(parent) = folder.parent() {
            sync_folder(parent)?;
        }
    }
    Ok(())
}

pub(crate) fn spread() -> impl Iterator<Item = String> {
    (0..=255).map(|byte: u8| format!("{byte:02x}"))
}

/// Makes a folder that, if it is new, only its owner may enter.
#[cfg(unix)]
pub(crate) fn make_private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

/// Elsewhere the folder around it decides.
#[cfg(not(unix))]
pub(crate) fn make_private_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// Removes what the object store has staged for a key. What can't be removed now the next start removes.
pub(super) async fn remove_staged(folder: &Path, key: &str) {
    let Some((part, name)) = key.split_once('/') else {
        return;
    };
    let (path, staged) = (folder.join(part), format!("{name}#"));
    let removed = blocking(move || {
        let names = names(&path)?.into_iter();
        let mut staged = names.filter(|name| name.starts_with(&staged));
        staged.try_for_each(|name| remove(&path.join(name)))
    });
    if let Err(error) = removed.await {
        tracing::warn!(%error, "an upload that failed left a file behind; the next start takes it away");
    }
}

/// Deletes blobs in one go. One that can't be deleted stops no other.
pub(super) async fn delete_all(folder: &Path, blobs: Vec<String>) -> io::Result<Deleted> {
    let folder = folder.to_owned();
    blocking(move || {
        let mut outcome = Deleted::default();
        for blob in blobs {
            match remove(&folder.join(&blob)) {
                Ok(()) => outcome.blobs.push(blob),
                Err(error) => outcome.failed = Some(BlobError::from(error)),
            }
            crash::point("collect-between-blobs");
        }
        Ok(outcome)
    })
    .await
}

/// One walk over the folder of blobs.
pub(super) struct Sweep<'a> {
    pub(super) folder: &'a Path,
    pub(super) run: &'a str,
    pub(super) quarantine: &'a Quarantine,
    pub(super) staged_is_unacknowledged: bool,
    pub(super) now: Micros,
}

impl Sweep<'_> {
    /// Moves the blobs of other runs that no row names, and what those left unfinished, to the quarantine. What was staged
    /// for a blob that no row names is deleted where it can't have been acknowledged.
    pub(super) async fn run(&self, metadata: &dyn Metadata) -> io::Result<Swept> {
        let mut swept = Swept::default();
        for part in spread() {
            let (path, own) = (self.folder.join(&part), format!("{}-", self.run));
            let names = blocking(move || {
                let mut names = names(&path)?;
                names.retain(|name| !name.starts_with(&own));
                Ok(names)
            })
            .await?;
            let mut unnamed = HashSet::new();
            // The object store writes to `<key>#<number>` and renames.
            let blobs: HashSet<_> = names.iter().map(|name| blob_of(name)).collect();
            let blobs: Vec<_> = blobs.iter().map(|name| format!("{part}/{name}")).collect();
            for keys in blobs.chunks(LOOK_UP) {
                let unknown = metadata.unknown_blobs(keys.to_vec()).await;
                unnamed.extend(unknown.map_err(io::Error::other)?);
            }
            let is_unnamed = |name: &str| unnamed.contains(&format!("{part}/{}", blob_of(name)));
            let (removed, moved): (Vec<_>, Vec<_>) = names
                .into_iter()
                .filter(|name| name.contains('#') || is_unnamed(name))
                .partition(|name| {
                    self.staged_is_unacknowledged && name.contains('#') && is_unnamed(name)
                });
            swept.removed += removed.len() as u64;
            let (folder, quarantine, now) =
                (self.folder.to_owned(), self.quarantine.clone(), self.now);
            let amount = blocking(move || {
                let path = folder.join(&part);
                removed
                    .iter()
                    .try_for_each(|name| remove(&path.join(name)))?;
                quarantine.take(&folder, &part, &moved, now)
            })
            .await?;
            swept.moved.files += amount.files;
            swept.moved.bytes += amount.bytes;
        }
        Ok(swept)
    }
}

/// The blob that a file is, or was to become.
fn blob_of(name: &str) -> &str {
    name.split_once('#').map_or(name, |(blob, _)| blob)
}

/// A blob that a row names and that is not there.
pub(super) async fn first_missing(
    folder: &Path,
    metadata: &dyn Metadata,
) -> Result<Option<String>, StoreError> {
    let mut after = String::new();
    loop {
        let blobs = metadata.named_blobs(after, LOOK_UP as u32).await?;
        let Some(last) = blobs.last() else {
            return Ok(None);
        };
        after = last.clone();
        let folder = folder.to_owned();
        let missing =
            blocking(move || Ok(blobs.into_iter().find(|blob| !folder.join(blob).is_file())));
        let missing = missing.await;
        if let Some(blob) = missing.map_err(|error| StoreError::Failed(error.to_string()))? {
            return Ok(Some(blob));
        }
    }
}

pub(crate) fn names(folder: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(folder)?
        .filter_map(|entry| {
            entry
                .map(|entry| entry.file_name().into_string().ok())
                .transpose()
        })
        .collect()
}

pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

#[cfg(test)]
pub(super) fn count(folder: &Path) -> usize {
    spread()
        .map(|part| names(&folder.join(part)).unwrap().len())
        .sum()
}
