//! Writes a blob to a file of a folder, beside the task that receives it.

use std::fs::{self, File};
use std::io::{self, ErrorKind, IoSlice, Write};
use std::mem;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use object_store::path::Path as Key;
use tokio::runtime::Handle;

use super::error::BlobError;
use super::local;
use crate::durability::Durability;
use crate::system::blocking_worker::BlockingWorker;
use crate::system::durable_fs::sync_folder;

/// Size of a write in bytes. A smaller blob is written with one change of the thread.
const WRITE_BYTES: usize = 512 * 1024;

/// How many writes wait for the disk.
const WAITING_WRITES: usize = 1;

/// Number of bytes after which the system is asked to write them to the disk, so that the final sync has little left to
/// write.
const WRITEBACK_BYTES: u64 = 4 * 1024 * 1024;

/// Number of buffers in one system call. Systems reject more than 1024.
const MAX_BUFFERS: usize = 256;

/// A blob that is written to a file. If it is dropped before it is finished, its staging file is removed.
pub(super) struct FileUpload {
    folder: PathBuf,
    key: Key,
    durability: Durability,
    pending: Vec<Bytes>,
    pending_bytes: usize,
    /// Started with the first full write.
    writer: Option<BlockingWorker<StagedFile, Step>>,
}

/// The work of a writer.
enum Step {
    Write(Vec<Bytes>),
    Sync,
}

impl FileUpload {
    pub(super) fn new(folder: PathBuf, key: Key, durability: Durability) -> Self {
        Self {
            folder,
            key,
            durability,
            pending: Vec::new(),
            pending_bytes: 0,
            writer: None,
        }
    }

    /// Appends bytes. May wait for earlier writes, but not for that of these bytes.
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.pending_bytes += bytes.len();
        self.pending.push(bytes);
        if self.pending_bytes < WRITE_BYTES {
            return Ok(());
        }
        self.pending_bytes = 0;
        let pending = mem::take(&mut self.pending);
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let staged = self.staged();
                let staged = local::blocking(staged).await?;
                self.writer.insert(BlockingWorker::start(
                    staged,
                    WAITING_WRITES,
                    |staged, step| match step {
                        Step::Write(pieces) => staged.write(&pieces),
                        Step::Sync => staged.sync(),
                    },
                ))
            }
        };
        Ok(writer.send(Step::Write(pending)).await?)
    }

    /// Starts the final sync after the last bytes. It is not necessary, and bytes may follow.
    pub(super) async fn start_sync(&mut self) -> Result<(), BlobError> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        self.pending_bytes = 0;
        let rest = mem::take(&mut self.pending);
        writer.send(Step::Write(rest)).await?;
        Ok(writer.send(Step::Sync).await?)
    }

    /// Creates the staging file.
    fn staged(&self) -> impl FnOnce() -> io::Result<StagedFile> + Send + 'static {
        let (folder, key, durability) = (self.folder.clone(), self.key.clone(), self.durability);
        move || StagedFile::create(&folder, &key, durability)
    }

    pub(super) async fn finish(mut self) -> Result<(), BlobError> {
        let rest = mem::take(&mut self.pending);
        let staged = match self.writer.take() {
            Some(writer) => Ok(writer.finish().await?),
            None => Err(self.staged()),
        };
        let written = local::blocking(move || {
            let mut staged = match staged {
                Ok(staged) => staged,
                Err(create) => create()?,
            };
            staged.write(&rest)?;
            staged.publish()
        });
        Ok(written.await?)
    }

    /// Returns whether nothing is left of the blob.
    pub(super) async fn abort(mut self) -> bool {
        let Some(writer) = self.writer.take() else {
            return true;
        };
        // It may still be writing.
        drop(writer.finish().await);
        match local::remove_staged(&self.folder, self.key.as_ref()).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "failed to remove the staging file of an aborted upload; the next start removes it");
                false
            }
        }
    }
}

/// A file that gets the name of its blob when it is complete. All functions block the thread.
struct StagedFile {
    file: File,
    name: StagingName,
    blob: PathBuf,
    durability: Durability,
    written: u64,
    /// How many of the written bytes the system was asked to write to the disk.
    started: u64,
    /// Whether all written bytes are on the disk.
    synced: bool,
}

impl StagedFile {
    fn create(folder: &Path, key: &Key, durability: Durability) -> io::Result<Self> {
        let blob = folder.join(key.as_ref());
        let (file, staged) = match local::create_staged(&blob) {
            // The folders exist since the start, unless one was removed.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                local::create_folders(folder)?;
                local::create_staged(&blob)?
            }
            created => created?,
        };
        Ok(Self {
            file,
            name: StagingName(staged),
            blob,
            durability,
            written: 0,
            started: 0,
            synced: false,
        })
    }

    fn write(&mut self, pieces: &[Bytes]) -> io::Result<()> {
        if pieces.is_empty() {
            return Ok(());
        }
        self.synced = false;
        for pieces in pieces.chunks(MAX_BUFFERS) {
            let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            self.written += write_all(&mut self.file, &mut slices)?;
        }
        if self.durability == Durability::Strict && self.written - self.started >= WRITEBACK_BYTES {
            start_writeback(&self.file, self.started, self.written - self.started);
            self.started = self.written;
        }
        Ok(())
    }

    /// Writes the file to the disk in `strict`.
    fn sync(&mut self) -> io::Result<()> {
        if self.durability == Durability::Strict && !self.synced {
            self.file.sync_all()?;
            self.synced = true;
        }
        Ok(())
    }

    /// Makes the file durable under the name of the blob.
    fn publish(mut self) -> io::Result<()> {
        self.sync()?;
        close(self.file)?;
        self.name.rename(&self.blob)?;
        match self.blob.parent() {
            Some(folder) if self.durability == Durability::Strict => sync_folder(folder),
            _ => Ok(()),
        }
    }
}

/// The name of a staging file, which is removed when this is dropped. Empty after the file was renamed.
struct StagingName(PathBuf);

impl StagingName {
    fn rename(mut self, blob: &Path) -> io::Result<()> {
        fs::rename(&self.0, blob)?;
        self.0 = PathBuf::new();
        Ok(())
    }
}

impl Drop for StagingName {
    fn drop(&mut self) {
        let staged = mem::take(&mut self.0);
        if staged.as_os_str().is_empty() {
            return;
        }
        let remove = move || {
            if let Err(error) = local::remove_if_exists(&staged) {
                tracing::warn!(%error, "failed to remove the staging file of an upload; the next start removes it");
            }
        };
        // Removing a large file takes long.
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

/// Closes a file. A network file system may report only here that it could not write.
#[cfg(unix)]
fn close(file: File) -> io::Result<()> {
    Ok(nix::unistd::close(file)?)
}

#[cfg(not(unix))]
fn close(file: File) -> io::Result<()> {
    drop(file);
    Ok(())
}

/// Writes all bytes, and returns their number.
fn write_all(file: &mut File, mut slices: &mut [IoSlice<'_>]) -> io::Result<u64> {
    let mut total = 0;
    // Removes empty slices, so that a write of nothing is an error.
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => {
                total += written as u64;
                IoSlice::advance_slices(&mut slices, written);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}

/// Asks the system to start to write a part of the file to the disk. Does not wait for it. An error of the disk is one of
/// the final sync.
#[cfg(target_os = "linux")]
fn start_writeback(file: &File, start: u64, length: u64) {
    use rustix::fs::{Advice, fadvise};

    // Linux starts to write these pages. It keeps those that are not written yet.
    if let Err(error) = fadvise(file, start, length.try_into().ok(), Advice::DontNeed) {
        tracing::debug!(%error, "can't start to write an upload to the disk before its end");
    }
}

/// Other systems are not known to start writing.
#[cfg(not(target_os = "linux"))]
fn start_writeback(_file: &File, _start: u64, _length: u64) {}
