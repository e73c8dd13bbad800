//! Uploading the files of a tar archive to a context.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, SeekFrom},
    path::{Path, PathBuf},
};

use agbcloud::{FileEntry, Files, UploadSource};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::{
    blocking,
    outcome::Outcome,
    tar_index::{ArchivedFile, TarIndex},
};
use crate::{
    commands::{folders::would_replace, session::Session},
    failure::{ErrorContext, Failure},
    progress::TransferProgress,
};

/// Files up to this size are read into memory, so that their upload can be retried.
const SMALL: u64 = 8 * 1024 * 1024;

/// Number of files that are uploaded at a time.
const CONCURRENT: usize = 8;

/// An archive whose headers were read.
pub(super) struct Archive {
    path: PathBuf,
    file: File,
    index: TarIndex,
}

/// Reads the headers of an archive.
pub(super) async fn open(path: &Path) -> Result<Archive, Failure> {
    let opened = path.to_owned();
    let archive = blocking(move || {
        let file = File::open(&opened)?;
        Ok(Archive {
            index: TarIndex::read(&file)?,
            path: opened,
            file,
        })
    });
    archive.await.map_err(|error| cannot_read(path, error))
}

fn cannot_read(path: &Path, error: io::Error) -> Failure {
    let failure = Failure::with_cause(format!("can't read the archive {}", path.display()), error);
    failure.with_hint("pass a complete tar file without compression")
}

/// Uploads the files that the context does not have with the same content. Nothing is uploaded if a file differs, unless
/// `force` replaces it.
pub(super) async fn restore(
    session: &Session,
    files: &Files,
    archive: Archive,
    force: bool,
) -> Result<Outcome, Failure> {
    let entries = files.list().walk().try_collect::<Vec<FileEntry>>().await;
    let entries = entries.with_action(|| "list the files".to_owned())?;
    let entries = entries.into_iter().filter(|entry| !entry.is_folder());
    let existing: HashMap<String, FileEntry> =
        entries.map(|entry| (entry.path.clone(), entry)).collect();
    let source = archive.path.clone();
    let source = source.as_path();
    let compared = blocking(move || compare(archive, &existing)).await;
    let Comparison {
        missing,
        different,
        mut restored,
    } = compared.map_err(|error| cannot_read(source, error))?;
    if !force && !different.is_empty() {
        let paths: Vec<String> = different.iter().map(|file| file.path.clone()).collect();
        let failure = would_replace(&paths, paths.len());
        return Err(
            failure.with_hint("pass --force to replace them, or restore to another context")
        );
    }
    let uploads: Vec<(ArchivedFile, bool)> = missing
        .into_iter()
        .map(|file| (file, true))
        .chain(different.into_iter().map(|file| (file, false)))
        .collect();
    let total = uploads.iter().map(|(file, _)| file.size).sum();
    let progress =
        TransferProgress::start(&session.output, "restoring", uploads.len() as u64, total);
    let uploads = stream::iter(uploads).map(|(file, is_new)| async move {
        upload(files, source, &file, is_new).await?;
        Ok::<_, Failure>(file)
    });
    let mut uploads = std::pin::pin!(uploads.buffer_unordered(CONCURRENT));
    let result = loop {
        match uploads.try_next().await {
            Ok(Some(file)) => {
                progress.finish_file(&file.path, file.size, false);
                restored.files += 1;
                restored.bytes += file.size;
            }
            Ok(None) => break Ok(()),
            Err(failure) => break Err(failure),
        }
    };
    progress.finish();
    result.map(|()| restored)
}

/// An archive, compared with the files of a context.
struct Comparison {
    /// Files that the context does not have.
    missing: Vec<ArchivedFile>,
    /// Files that the context has with another content, or with an unknown one.
    different: Vec<ArchivedFile>,
    restored: Outcome,
}

fn compare(archive: Archive, existing: &HashMap<String, FileEntry>) -> io::Result<Comparison> {
    let TarIndex { files, others } = archive.index;
    // The last one of a name counts, as for tar.
    let last: HashMap<&str, usize> = files
        .iter()
        .enumerate()
        .map(|(index, file)| (file.path.as_str(), index))
        .collect();
    let mut restored = Outcome {
        not_files: others,
        others: existing
            .keys()
            .filter(|path| !last.contains_key(path.as_str()))
            .count() as u64,
        ..Outcome::default()
    };
    let (mut missing, mut different) = (Vec::new(), Vec::new());
    for (index, file) in files.iter().enumerate() {
        if last[file.path.as_str()] != index {
            continue;
        }
        let Some(entry) = existing.get(&file.path) else {
            missing.push(file.clone());
            continue;
        };
        let is_same = entry.size == Some(file.size)
            && entry.crc64.is_some()
            && entry.crc64 == Some(file.crc64(&archive.file)?);
        match is_same {
            true => restored.unchanged += 1,
            false => different.push(file.clone()),
        }
    }
    Ok(Comparison {
        missing,
        different,
        restored,
    })
}

async fn upload(
    files: &Files,
    source: &Path,
    file: &ArchivedFile,
    is_new: bool,
) -> Result<(), Failure> {
    let content = content(source, file)
        .await
        .map_err(|error| Failure::with_cause(format!("can't read {}", source.display()), error))?;
    let upload = files.upload(&*file.path, content);
    let upload = if is_new { upload.if_absent() } else { upload };
    let uploaded = upload.await;
    uploaded.with_action(|| format!("upload {}", file.path))?;
    Ok(())
}

/// The content of a file. Each has a handle with a position of its own.
async fn content(source: &Path, file: &ArchivedFile) -> io::Result<UploadSource> {
    let mut archive = tokio::fs::File::open(source).await?;
    archive.seek(SeekFrom::Start(file.offset)).await?;
    let mut region = archive.take(file.size);
    if file.size > SMALL {
        return Ok(UploadSource::reader(region, file.size));
    }
    let mut content = Vec::new();
    region.read_to_end(&mut content).await?;
    match content.len() as u64 == file.size {
        true => Ok(UploadSource::from(content)),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
