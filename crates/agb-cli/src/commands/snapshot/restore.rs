//! Uploading the files of a tar archive to a context.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, SeekFrom},
    path::{Path, PathBuf},
};

use agbcloud::{FileEntry, RemotePath, UploadSource};
use futures_util::TryStreamExt;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::{
    outcome::Outcome,
    tar_index::{ArchivedFile, TarIndex},
};
use crate::{
    blocking_io::blocking,
    commands::{
        folders::would_replace,
        operands::Operand,
        session::Session,
        transfer::{BatchFile, Condition, Existing, Listener, run_batch},
    },
    failure::{Code, ErrorContext, Failure},
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
    if error.kind() == io::ErrorKind::NotFound {
        let message = format!("archive {} not found", path.display());
        return Failure::with_code(Code::NotFound, message);
    }
    let failure = Failure::with_cause(format!("can't read the archive {}", path.display()), error);
    failure.with_hint("pass a complete tar file without compression")
}

/// Uploads the files that the context does not have with the same content. Nothing is uploaded if a file differs, unless
/// `force` replaces it.
pub(super) async fn restore(
    session: &Session,
    to: &Operand,
    archive: Archive,
    force: bool,
) -> Result<Outcome, Failure> {
    let entries = to.files.list().walk().try_collect::<Vec<FileEntry>>().await;
    let entries = entries.with_action(|| "list the files".to_owned())?;
    let entries = entries.into_iter().filter(|entry| !entry.is_folder());
    let existing: HashMap<String, FileEntry> =
        entries.map(|entry| (entry.path.clone(), entry)).collect();
    let source = archive.path.clone();
    let source = source.as_path();
    let compared = blocking(move || compare(archive, existing)).await;
    let Comparison {
        uploads,
        others,
        mut outcome,
    } = compared.map_err(|error| cannot_read(source, error))?;
    let others = Existing::of_files(others.iter().map(|path| path.trim_start_matches('/')));
    let paths = uploads.keys().map(|path| path.trim_start_matches('/'));
    others.check_names(paths, &to.address)?;
    let mut different: Vec<String> = uploads
        .iter()
        .filter(|(_, (_, condition))| *condition != Condition::Absent)
        .map(|(path, _)| path.clone())
        .collect();
    different.sort();
    if !force && !different.is_empty() {
        let failure = would_replace(&different, different.len());
        return Err(
            failure.with_hint("pass --force to replace them, or restore to another context")
        );
    }
    let mut files: Vec<BatchFile> = uploads
        .values()
        .map(|(file, _)| BatchFile {
            path: file.path.clone(),
            size: Some(file.size),
        })
        .collect();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let one = async |file: BatchFile, listener: Listener| {
        let Some((archived, condition)) = uploads.get(&file.path) else {
            return Ok(0);
        };
        upload(to, source, archived, condition, listener).await?;
        Ok(archived.size)
    };
    let batch = run_batch(session, "restoring", CONCURRENT, files, one).await?;
    outcome.files = batch.copied;
    outcome.bytes = batch.bytes;
    outcome.failures.extend(batch.failures);
    Ok(outcome)
}

/// An archive, compared with the files of a context.
struct Comparison {
    /// By path: files that the context does not have, or has with another or an unknown content.
    uploads: HashMap<String, (ArchivedFile, Condition)>,
    /// Files that only the context has.
    others: Vec<String>,
    outcome: Outcome,
}

fn compare(archive: Archive, mut existing: HashMap<String, FileEntry>) -> io::Result<Comparison> {
    let TarIndex { files, others } = archive.index;
    // The last one of a name counts, as for tar.
    let last: HashMap<String, ArchivedFile> = files
        .into_iter()
        .map(|file| (file.path.clone(), file))
        .collect();
    let mut outcome = Outcome {
        not_files: others,
        ..Outcome::default()
    };
    let mut uploads = HashMap::new();
    let mut files: Vec<_> = last.into_iter().collect();
    files.sort_by_key(|(_, file)| file.offset);
    for (path, file) in files {
        if let Err(error) = RemotePath::new(path.as_str()) {
            outcome.failures.push((path, Failure::from(error)));
            continue;
        }
        let condition = match existing.remove(&path) {
            None => Condition::Absent,
            Some(entry) if is_same(&entry, &file, &archive.file)? => {
                outcome.unchanged += 1;
                continue;
            }
            Some(entry) => entry.etag.map_or(Condition::Any, Condition::Unchanged),
        };
        uploads.insert(path, (file, condition));
    }
    outcome.others = existing.len() as u64;
    Ok(Comparison {
        uploads,
        others: existing.into_keys().collect(),
        outcome,
    })
}

fn is_same(entry: &FileEntry, file: &ArchivedFile, archive: &File) -> io::Result<bool> {
    Ok(entry.size == Some(file.size)
        && entry.crc64.is_some()
        && entry.crc64 == Some(file.crc64(archive)?))
}

async fn upload(
    to: &Operand,
    source: &Path,
    file: &ArchivedFile,
    condition: &Condition,
    listener: Listener,
) -> Result<(), Failure> {
    let content = content(source, file)
        .await
        .map_err(|error| Failure::with_cause(format!("can't read {}", source.display()), error))?;
    let upload = condition.apply(to.files.upload(&*file.path, content));
    let uploaded = upload.on_progress(move |progress| listener.report(progress));
    let address = to.address.with_path(&file.path);
    match uploaded.await {
        Ok(_) => Ok(()),
        Err(error) => Err(condition.explain(&error, &address, &format!("upload {address}"))),
    }
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
