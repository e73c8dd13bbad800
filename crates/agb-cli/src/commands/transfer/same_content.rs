//! Compares the source and the target of a move by content, to finish a move that was interrupted after the copy.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use agbcloud::DownloadTarget;

use super::{
    copied::Copied,
    copier::Copier,
    existing::version,
    move_file::{FileAt, LocalVersion, Source, delete_source, kept},
};
use crate::{
    blocking_io::{blocking, checksum},
    commands::{lookup, operands::Operand},
    failure::{ErrorContext, Failure},
};

impl Copier<'_> {
    /// Deletes the source of a move whose target has the same content already. Returns `None` if it has not.
    pub(super) async fn finish_move(
        &self,
        source: Source<'_>,
        target: FileAt<'_>,
    ) -> Result<Option<Copied>, Failure> {
        if !self.moves {
            return Ok(None);
        }
        let Some(copied) = same_content(source.file(), target).await? else {
            return Ok(None);
        };
        if let FileAt::Local(path) = target {
            let synced = with_path(path, sync).await;
            synced.map_err(|error| lookup::local_failure(path, &error))?;
        }
        delete_source(source, &copied).await?;
        Ok(Some(copied))
    }

    /// Finishes the move of a file whose target had the same content before. Returns its size.
    pub(super) async fn finish_same(
        &self,
        source: Source<'_>,
        target: FileAt<'_>,
    ) -> Result<u64, Failure> {
        match self.finish_move(source, target).await? {
            Some(copied) => Ok(copied.bytes),
            None => Err(kept("the target changed since it was compared")),
        }
    }
}

/// Returns the source if the target certainly has its content: the same size and MD5, or else the same size and CRC-64, for
/// which both are read.
pub(super) async fn same_content(
    source: FileAt<'_>,
    target: FileAt<'_>,
) -> Result<Option<Copied>, Failure> {
    if let (FileAt::Remote(from), FileAt::Remote(to)) = (source, target) {
        let from = version(&from.files, &from.address);
        let to = version(&to.files, &to.address);
        if let (Some(from), Some(to)) = tokio::try_join!(from, to)?
            && to.has_content_of(&from)
        {
            return Ok(Some(Copied {
                bytes: from.size.unwrap_or(0),
                crc64: 0,
                etag: from.etag.clone(),
                source: Some(from),
            }));
        }
    }
    let (from, to) = tokio::try_join!(size(source), size(target))?;
    match (from, to) {
        (Some(from), Some(to)) if from == to => {}
        _ => return Ok(None),
    }
    let (from, to) = tokio::try_join!(read(source), read(target))?;
    let same = from.zip(to).filter(|(from, to)| {
        let content = |file: &Copied| (file.bytes, file.crc64);
        content(from) == content(to)
    });
    Ok(same.map(|(from, _)| from))
}

/// The size of a file; `None` if there is none, or something else.
async fn size(file: FileAt<'_>) -> Result<Option<u64>, Failure> {
    match file {
        FileAt::Local(path) => Ok(LocalVersion::of(path).map(|version| version.size)),
        FileAt::Remote(Operand { files, address }) => {
            let version = version(files, address).await?;
            Ok(version.and_then(|version| version.size))
        }
    }
}

/// Reads a file; `None` if there is none.
async fn read(file: FileAt<'_>) -> Result<Option<Copied>, Failure> {
    match file {
        FileAt::Local(path) => {
            let read = with_path(path, |path| checksum(File::open(path)?)).await;
            let (bytes, crc64) = read.map_err(|error| lookup::local_failure(path, &error))?;
            Ok(Some(Copied {
                bytes,
                crc64,
                etag: None,
                source: None,
            }))
        }
        FileAt::Remote(Operand { files, address }) => {
            let nowhere = DownloadTarget::writer(tokio::io::sink());
            match files.download(address.path.as_str(), nowhere).await {
                Err(error) if lookup::is_missing_file(&error) => Ok(None),
                read => Ok(Some(
                    read.with_action(|| format!("compare {address}"))?.into(),
                )),
            }
        }
    }
}

/// Works with a local file on another thread.
async fn with_path<T: Send + 'static>(
    path: &Path,
    work: fn(PathBuf) -> io::Result<T>,
) -> io::Result<T> {
    let path = path.to_owned();
    blocking(move || work(path)).await
}

/// Flushes a file and its folder to the disk: another program may have written it.
fn sync(path: PathBuf) -> io::Result<()> {
    File::open(&path)?.sync_all()?;
    #[cfg(unix)]
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
