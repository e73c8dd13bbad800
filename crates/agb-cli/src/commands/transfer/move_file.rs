//! Deletes the source of a move after its copy is verified, unless the source has changed.

use std::{
    fs::Metadata,
    path::{Path, PathBuf},
    time::SystemTime,
};

use agbcloud::{DownloadTarget, Files};

use super::{
    batch::BatchFile,
    copied::Copied,
    copier::Copier,
    existing::{Version, is_md5, version},
};
use crate::{
    address::Remote,
    commands::{lookup, operands::Operand},
    failure::{Code, ErrorContext, Failure},
};

/// The source of a move.
pub(super) enum Source<'a> {
    /// With its version before the copy; `None` if it can't be moved.
    Local(&'a Path, Option<LocalVersion>),
    Remote(&'a Operand),
}

/// A file on either side.
#[derive(Clone, Copy)]
pub(super) enum FileAt<'a> {
    Local(&'a Path),
    Remote(&'a Operand),
}

/// The target of a copy.
pub(super) enum Target<'a> {
    Local,
    Remote(&'a Files, &'a Remote),
}

impl<'a> Source<'a> {
    /// A local file, before it is read.
    pub(super) fn local(path: &'a Path) -> Self {
        Self::Local(path, LocalVersion::of(path))
    }

    /// Whether it is local and not a regular file, which can't be moved.
    pub(super) fn is_gone_or_special(&self) -> bool {
        matches!(self, Self::Local(_, None))
    }

    pub(super) fn file(&self) -> FileAt<'a> {
        match self {
            Self::Local(path, _) => FileAt::Local(path),
            Self::Remote(operand) => FileAt::Remote(operand),
        }
    }
}

/// A version of a local file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LocalVersion {
    pub(super) size: u64,
    modified: Option<SystemTime>,
    #[cfg(unix)]
    inode: [i64; 4],
}

impl LocalVersion {
    /// The version of a file; `None` for a symbolic link and for anything else.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = path.symlink_metadata().ok();
        metadata.filter(Metadata::is_file).map(Self::from)
    }
}

impl From<Metadata> for LocalVersion {
    fn from(metadata: Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;

        Self {
            size: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            inode: [
                metadata.dev().cast_signed(),
                metadata.ino().cast_signed(),
                metadata.ctime(),
                metadata.ctime_nsec(),
            ],
        }
    }
}

impl Copier<'_> {
    /// Deletes the source of a move after the copy is verified. Does nothing for a copy.
    pub(super) async fn delete_moved(
        &self,
        source: Source<'_>,
        target: Target<'_>,
        copied: Copied,
    ) -> Result<Copied, Failure> {
        if !self.moves {
            return Ok(copied);
        }
        verify(&source, &target, &copied).await?;
        delete_source(source, &copied).await?;
        Ok(copied)
    }
}

/// Deletes the source of a verified copy, unless it has changed.
pub(super) async fn delete_source(source: Source<'_>, copied: &Copied) -> Result<(), Failure> {
    match source {
        Source::Local(path, before) => delete_local(path, before.as_ref()),
        Source::Remote(Operand { files, address }) => {
            delete_remote(files, address, copied.source.as_ref()).await
        }
    }
}

/// Fails unless the content of the copy is verified: by the store's checksum during the transfer, or else by a second read
/// of the remote file.
async fn verify(source: &Source<'_>, target: &Target<'_>, copied: &Copied) -> Result<(), Failure> {
    // The SDK compares an MD5 with the content.
    if copied.etag.as_deref().is_some_and(is_md5) {
        return Ok(());
    }
    let (files, address) = match (source, target) {
        (_, Target::Remote(files, address)) => (*files, *address),
        (Source::Remote(operand), Target::Local) => (&operand.files, &operand.address),
        (Source::Local(..), Target::Local) => return Ok(()),
    };
    let nowhere = DownloadTarget::writer(tokio::io::sink());
    let read = files.download(address.path.as_str(), nowhere).await;
    let read = read.with_action(|| format!("verify {address}"))?;
    match (read.bytes, read.crc64) == (copied.bytes, copied.crc64) {
        true => Ok(()),
        false => Err(kept("the copy differs from the source")),
    }
}

fn delete_local(path: &Path, before: Option<&LocalVersion>) -> Result<(), Failure> {
    if before.is_none() || LocalVersion::of(path).as_ref() != before {
        return Err(changed(path.display()));
    }
    std::fs::remove_file(path).map_err(|error| {
        let message = format!("copied, but can't delete {}", path.display());
        Failure::with_cause(message, error)
    })
}

async fn delete_remote(
    files: &Files,
    address: &Remote,
    copied: Option<&Version>,
) -> Result<(), Failure> {
    match (version(files, address).await?, copied) {
        (Some(now), Some(copied)) if now.is(copied) => {}
        // Another client has deleted it.
        (None, _) => return Ok(()),
        _ => return Err(changed(address)),
    }
    match files.delete(address.path.as_str()).await {
        Err(error) if lookup::is_missing_file(&error) => Ok(()),
        deleted => deleted.with_action(|| format!("delete {address}, which was copied")),
    }
}

fn changed(source: impl std::fmt::Display) -> Failure {
    kept(&format!("{source} changed while it was copied"))
}

pub(super) fn kept(why: &str) -> Failure {
    Failure::with_code(Code::Conflict, format!("{why}: the source is kept"))
        .with_hint("run the command again with --force to replace the copy")
}

/// Deletes the folders of moved files that are empty, and the folder itself unless only its contents were moved.
pub(super) fn delete_emptied_folders(root: &Path, moved: &[BatchFile], contents_only: bool) {
    for file in moved {
        let mut folder = root.join(&file.path);
        while folder.pop() && folder.starts_with(root) && !(contents_only && folder == root) {
            // Fails for a folder with entries, which stays.
            if std::fs::remove_dir(&folder).is_err() {
                break;
            }
        }
    }
}

/// Deletes the empty folders below a local folder, and the folder itself unless only its contents were moved.
pub(super) fn delete_empty_folders(folder: &Path, contents_only: bool) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let folders: Vec<PathBuf> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    for folder in folders {
        delete_empty_folders(&folder, false);
    }
    if !contents_only {
        // Fails for a folder with entries, which stays.
        let _ = std::fs::remove_dir(folder);
    }
}
