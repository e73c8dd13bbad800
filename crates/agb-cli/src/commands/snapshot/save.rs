//! Writing the files of a context to a tar archive.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Cursor, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use agbcloud::{Error, ErrorDetail, FileEntry, Files, RemoteFile, RemotePath};
use bytes::Bytes;
use futures_util::{
    StreamExt, TryStreamExt,
    future::{Either, ready},
    stream,
};

use super::{blocking_reader::BlockingReader, outcome::Outcome, tar_index::TarIndex};
use crate::{
    blocking_io::blocking,
    commands::session::Session,
    failure::{Code, ErrorContext, Failure},
    progress::TransferProgress,
};

/// Files up to this size are read ahead into memory.
const SMALL: u64 = 1024 * 1024;

/// Number of files that are requested at a time.
const CONCURRENT: usize = 16;

enum Content {
    Memory(Bytes),
    Stream(Box<RemoteFile>),
    /// The file was deleted since it was listed.
    Missing,
}

/// Writes an archive, which appears under its name when it is complete and synced to the disk. Continues an interrupted one.
pub(super) async fn save(
    session: &Session,
    files: &Files,
    target: &Path,
    force: bool,
) -> Result<Outcome, Failure> {
    if target.is_dir() {
        let failure = Failure::usage(format!("{} is a folder", target.display()));
        return Err(failure.with_hint("name the archive, such as snapshot.tar"));
    }
    if !force && target.symlink_metadata().is_ok() {
        return Err(exists(target));
    }
    let entries = files.list().walk().try_collect::<Vec<FileEntry>>().await;
    let mut entries = entries.with_action(|| "list the files".to_owned())?;
    entries.retain(|entry| !entry.is_folder());
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    let mut saved = Outcome::default();
    entries.retain(|entry| match RemotePath::new(entry.path.as_str()) {
        Ok(_) => true,
        Err(error) => {
            let failure = Failure::from(error);
            saved.failures.push((entry.path.clone(), failure));
            false
        }
    });

    let partial = partial_path(target);
    let opened = {
        let (partial, checksums) = (partial.clone(), checksums(&entries));
        blocking(move || open(&partial, &checksums)).await
    };
    let (archive, kept) = opened.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => {
            let message = format!("another snapshot is writing to {}", target.display());
            Failure::with_code(Code::Conflict, message).with_hint("wait for it, or pass --to")
        }
        _ => cannot_write(&partial, error),
    })?;
    entries.retain(|entry| match kept.get(&entry.path) {
        Some(bytes) => {
            saved.unchanged += 1;
            saved.files += 1;
            saved.bytes += bytes;
            false
        }
        None => true,
    });
    let total = entries.iter().filter_map(|entry| entry.size).sum();
    let progress = TransferProgress::start(&session.output, "saving", entries.len() as u64, total);
    let archive = append_all(files, entries, archive, &mut saved, &progress).await;
    progress.finish();
    let archive = archive?;
    let published = {
        let (partial, target) = (partial.clone(), target.to_owned());
        blocking(move || publish(&archive, &partial, &target, force)).await
    };
    published.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(target),
        _ => cannot_write(target, error),
    })?;
    Ok(saved)
}

fn exists(target: &Path) -> Failure {
    let message = format!("{} already exists", target.display());
    Failure::with_code(Code::Conflict, message).with_hint("pass --force to replace it")
}

fn cannot_write(path: &Path, error: io::Error) -> Failure {
    Failure::with_cause(format!("can't write {}", path.display()), error)
}

/// The name of the archive while it is incomplete.
fn partial_path(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    target.with_file_name(name)
}

/// Size and CRC-64 of each file whose CRC-64 the service lists.
fn checksums(entries: &[FileEntry]) -> HashMap<String, (u64, u64)> {
    let known = entries.iter().filter_map(|entry| {
        let checksum = (entry.size?, entry.crc64?);
        Some((entry.path.clone(), checksum))
    });
    known.collect()
}

/// Opens the incomplete archive, and removes everything after the files at its start that are still the same. Returns their
/// sizes by path.
fn open(
    path: &Path,
    checksums: &HashMap<String, (u64, u64)>,
) -> io::Result<(File, HashMap<String, u64>)> {
    let mut options = File::options();
    let options = options.read(true).write(true).create(true).truncate(false);
    let mut archive = options.open(path)?;
    // Until the file is closed.
    archive.try_lock()?;
    let mut kept = HashMap::new();
    let mut end = 0;
    for file in TarIndex::read_complete(&archive).files {
        let is_same = match checksums.get(&file.path) {
            Some((size, crc64)) => *size == file.size && *crc64 == file.crc64(&archive)?,
            None => false,
        };
        if !is_same || kept.contains_key(&file.path) {
            break;
        }
        end = file.end();
        kept.insert(file.path, file.size);
    }
    archive.set_len(end)?;
    archive.seek(SeekFrom::Start(end))?;
    Ok((archive, kept))
}

async fn append_all(
    files: &Files,
    entries: Vec<FileEntry>,
    archive: File,
    saved: &mut Outcome,
    progress: &TransferProgress,
) -> Result<File, Failure> {
    let contents = stream::iter(entries).map(|entry| async move {
        let content = request(files, &entry).await;
        let content = content.with_action(|| format!("read {}", entry.path))?;
        Ok::<_, Failure>((entry, content))
    });
    let mut contents = std::pin::pin!(contents.buffered(CONCURRENT));
    let mut archive = tar::Builder::new(archive);
    while let Some((entry, content)) = contents.try_next().await? {
        let path = entry.path.clone();
        let (returned, bytes) = match content {
            Content::Missing => {
                progress.finish_file(&path, entry.size.unwrap_or(0), true);
                saved.deleted.push(path);
                continue;
            }
            content => append(archive, entry, content, progress).await?,
        };
        archive = returned;
        progress.finish_file(&path, bytes, false);
        saved.files += 1;
        saved.bytes += bytes;
    }
    let finished = blocking(move || archive.into_inner()).await;
    finished.map_err(|error| Failure::with_cause("can't write the archive", error))
}

/// Requests a file. A small one is complete and verified then; a large one is verified at the end of its stream.
async fn request(files: &Files, entry: &FileEntry) -> Result<Content, Error> {
    let small = entry.size.is_some_and(|size| size <= SMALL);
    let content = match small {
        true => files.read(&*entry.path).await.map(Content::Memory),
        false => {
            let opened = files.open(&*entry.path).await;
            opened.map(|file| Content::Stream(Box::new(file)))
        }
    };
    match content {
        Err(error) if error.detail() == Some(ErrorDetail::FileNotFound) => Ok(Content::Missing),
        content => content,
    }
}

/// Appends a file and returns its size. After an error, the archive ends in an incomplete entry.
async fn append(
    mut archive: tar::Builder<File>,
    entry: FileEntry,
    content: Content,
    progress: &TransferProgress,
) -> Result<(tar::Builder<File>, u64), Failure> {
    let path = entry.path.clone();
    let size = match &content {
        Content::Memory(bytes) => Some(bytes.len() as u64),
        Content::Stream(file) => file.size(),
        Content::Missing => None,
    };
    let size = size.ok_or_else(|| Failure::new(format!("the store reports no size of {path}")))?;
    let (sender, reader) = BlockingReader::new();
    let (source, forward): (Box<dyn Read + Send>, _) = match content {
        Content::Stream(file) => {
            let listener = |bytes| progress.update_file(&path, bytes);
            let forward = BlockingReader::forward(file, sender, listener);
            (Box::new(reader), Either::Left(forward))
        }
        Content::Memory(bytes) => (Box::new(Cursor::new(bytes)), Either::Right(ready(()))),
        Content::Missing => (Box::new(io::empty()), Either::Right(ready(()))),
    };
    let appended = blocking(move || {
        let mut header = header(&entry, size);
        let name = entry.path.trim_start_matches('/');
        archive.append_data(&mut header, name, source)?;
        Ok(archive)
    });
    let (appended, ()) = tokio::join!(appended, forward);
    let archive = appended.map_err(|error| match error.downcast::<Error>() {
        Ok(error) => Failure::from(error),
        Err(error) => Failure::with_cause(format!("can't store {path} in the archive"), error),
    })?;
    Ok((archive, size))
}

fn header(entry: &FileEntry, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    let modified = entry
        .modified_at
        .as_ref()
        .and_then(agbcloud::Timestamp::to_system_time);
    let modified = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    header.set_mtime(modified.map_or(0, |time| time.as_secs()));
    header
}

/// Syncs the archive to the disk and gives it its name.
fn publish(archive: &File, partial: &Path, target: &Path, force: bool) -> io::Result<()> {
    archive.sync_all()?;
    if force {
        fs::rename(partial, target)?;
    } else {
        let mut partial = tempfile::TempPath::try_from_path(partial)?;
        partial.disable_cleanup(true);
        partial
            .persist_noclobber(target)
            .map_err(|error| error.error)?;
    }
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    match cfg!(unix) {
        true => File::open(folder)?.sync_all(),
        false => Ok(()),
    }
}
