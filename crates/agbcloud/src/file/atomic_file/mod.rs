//! Local files that appear under their name complete, or not at all.
//!
//! An [`AtomicFile`] passes through three states: [`Writing`], [`Synced`] and [`Published`]. Its content is written to a
//! temporary file beside the target, or kept in memory while it is small. Dropping it in one of the first two states removes
//! it, unless a [`KeptFile`] holds its content.

mod destination;
mod kept_file;
mod part_file;
mod temporary;
mod writeback;

use std::{
    io::{self, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::SystemTime,
};

use bytes::Bytes;
use tokio::{
    fs::File,
    io::{AsyncSeekExt, AsyncWriteExt},
    sync::OnceCell,
};

pub(crate) use destination::ExpectedTarget;
pub(crate) use kept_file::{KeptFile, KeptFiles};
pub(crate) use part_file::{
    LockedFolder, is_part, kept_name, lock_at, part_names, remove_abandoned_parts,
};

use super::{
    download_sink::DownloadSink,
    local::{BUFFER, blocking, check_no_symlinks, hash_file},
};
use crate::{Error, Result, lock::lock, transfer::ContentHasher};
use destination::Destination;
use temporary::Temporary;
use writeback::Writeback;

/// A local file that a download writes.
pub(crate) struct AtomicFile<S> {
    destination: Arc<Destination>,
    state: S,
}

/// The file receives its content.
#[derive(Default)]
pub(crate) struct Writing {
    /// Created when the content exceeds what is kept in memory.
    temporary: OnceCell<Temporary>,
    /// The whole content, if it is small.
    memory: Mutex<Option<Vec<u8>>>,
    /// `Some` if the file is synced to the disk before it is published.
    writeback: Option<Writeback>,
    /// The modification time that the file gets.
    modified: Option<SystemTime>,
}

/// A temporary file has the whole content, and the disk too if that was requested.
pub(crate) struct Synced {
    temporary: Temporary,
}

/// The file is visible under its name.
pub(crate) struct Published;

impl AtomicFile<Writing> {
    pub(crate) fn new(target: PathBuf, overwrite: bool) -> Self {
        Self::to(Destination {
            target,
            overwrite,
            expected: ExpectedTarget::Any,
            root: None,
        })
    }

    /// A file below a folder. A symbolic link between the two is an error.
    pub(crate) fn within(root: PathBuf, target: PathBuf, expected: ExpectedTarget) -> Self {
        Self::to(Destination {
            target,
            overwrite: true,
            expected,
            root: Some(root),
        })
    }

    fn to(destination: Destination) -> Self {
        Self {
            destination: Arc::new(destination),
            state: Writing::default(),
        }
    }

    /// Starts to sync a large file to the disk while it is still written.
    pub(crate) fn durable(mut self, durable: bool) -> Self {
        self.state.writeback = durable.then(Writeback::default);
        self
    }

    /// Checks that the target can be written, unless the caller has compared it already.
    pub(crate) async fn check(&self) -> Result<()> {
        if self.destination.expected != ExpectedTarget::Any {
            return Ok(());
        }
        let destination = self.destination.clone();
        blocking(move || destination.check()).await
    }

    /// The path that the file gets.
    pub(crate) fn target(&self) -> &Path {
        &self.destination.target
    }

    /// Opens kept files beside the target.
    pub(crate) fn kept_files(&self) -> KeptFiles {
        KeptFiles::new(self.destination.clone())
    }

    /// Receives the content in this file. Returns `false` if the content has another one already.
    pub(crate) fn use_kept(&self, kept: KeptFile) -> bool {
        self.state.temporary.set(Temporary::Kept(kept)).is_ok()
    }

    /// Receives the content from this byte on.
    pub(crate) fn part(&self, first: u64) -> FilePart<'_> {
        FilePart::new(self, first)
    }

    /// Hashes the content, which must be in the temporary file.
    pub(crate) async fn hash(&self, hasher: ContentHasher) -> Result<ContentHasher> {
        hash_file(&self.temporary().await?.path(), hasher).await
    }

    /// Discards the content. A write that is still running does not reach the new temporary file.
    pub(crate) fn restart(&mut self) {
        let writeback = self.state.writeback.as_ref();
        self.state = Writing {
            writeback: writeback.map(|_| Writeback::default()),
            ..Writing::default()
        };
    }

    async fn temporary(&self) -> Result<&Temporary> {
        let create = || {
            let destination = self.destination.clone();
            blocking(move || Temporary::shared(&destination))
        };
        self.state.temporary.get_or_try_init(create).await
    }

    /// Ends the content after this number of bytes, and sets the modification time.
    pub(crate) async fn complete(
        mut self,
        bytes: u64,
        modified: Option<SystemTime>,
    ) -> Result<Self> {
        if let Some(writeback) = self.state.writeback.take() {
            let finished = writeback.finish().await;
            finished.map_err(|error| self.destination.write_failed(error))?;
        }
        self.state.modified = modified;
        if !self.is_open() {
            return Ok(self);
        }
        // An earlier attempt may have written more bytes.
        let fill = move || {
            if let Some(temporary) = self.state.temporary.get() {
                self.fill(temporary, Some(bytes))?;
            }
            Ok(self)
        };
        blocking(fill).await
    }

    /// Bytes of memory that the content takes.
    pub(super) fn memory_bytes(&self) -> usize {
        lock(&self.state.memory).as_ref().map_or(0, Vec::len)
    }

    pub(super) fn is_open(&self) -> bool {
        self.state.temporary.initialized()
    }

    /// Writes content that is in memory to a temporary file. Blocks.
    pub(super) fn write_out(mut self) -> Result<Self> {
        if !self.is_open() {
            self.state.temporary = self.filled_temporary()?.into();
        }
        Ok(self)
    }

    fn filled_temporary(&self) -> Result<Temporary> {
        let temporary = Temporary::new(&self.destination)?;
        self.fill(&temporary, None)?;
        Ok(temporary)
    }

    fn fill(&self, temporary: &Temporary, length: Option<u64>) -> Result<()> {
        let memory = lock(&self.state.memory).take().unwrap_or_default();
        let mut file = temporary.as_file();
        let filled = file.write_all(&memory).and_then(|()| {
            length.map_or(Ok(()), |length| file.set_len(length))?;
            let modified = self.state.modified;
            modified.map_or(Ok(()), |modified| file.set_modified(modified))
        });
        filled.map_err(|error| self.destination.write_failed(error))
    }

    /// Syncs the content to the disk. Blocks.
    pub(super) fn sync(self) -> Result<AtomicFile<Synced>> {
        let file = self.assume_synced()?;
        let synced = file.state.temporary.as_file().sync_all();
        synced.map_err(|error| file.destination.write_failed(error))?;
        Ok(file)
    }

    /// Skips the sync, since it is not requested or that of the file system has done it. Blocks.
    pub(super) fn assume_synced(mut self) -> Result<AtomicFile<Synced>> {
        let temporary = match self.state.temporary.take() {
            Some(temporary) => temporary,
            None => self.filled_temporary()?,
        };
        Ok(AtomicFile {
            destination: self.destination,
            state: Synced { temporary },
        })
    }

    /// Syncs the file, if requested, and makes it visible under its name.
    pub(crate) async fn publish(self, durable: bool) -> Result<AtomicFile<Published>> {
        blocking(move || {
            let synced = match durable {
                true => self.sync()?,
                false => self.assume_synced()?,
            };
            synced.publish()
        })
        .await
    }

    #[cfg(target_os = "linux")]
    pub(super) fn folder(&self) -> &Path {
        self.destination.folder()
    }
}

impl AtomicFile<Synced> {
    /// Makes the file visible under its name. Blocks.
    pub(super) fn publish(self) -> Result<AtomicFile<Published>> {
        let Self { destination, state } = self;
        // Checked immediately before: a link may have been created while the file was downloaded.
        if let Some(root) = &destination.root {
            check_no_symlinks(&destination.target, root)?;
        }
        let record = state.temporary.record();
        if destination.overwrite && destination.expected != ExpectedTarget::Absent {
            destination.replace(state.temporary.into_named(&destination)?)?;
        } else {
            state.temporary.persist_new(&destination)?;
        }
        if let Some(record) = record {
            // A record that stays describes a file that no longer exists, which the next download notices.
            let _ = std::fs::remove_file(record);
        }
        let state = Published;
        Ok(AtomicFile { destination, state })
    }
}

impl AtomicFile<Published> {
    pub(crate) fn path(&self) -> &Path {
        &self.destination.target
    }
}

/// A range of the bytes of a new file.
pub(crate) struct FilePart<'a> {
    new: &'a AtomicFile<Writing>,
    first: u64,
    pending: Vec<u8>,
    /// `Some` once the part exceeds what is kept in memory.
    file: Option<File>,
}

impl<'a> FilePart<'a> {
    fn new(new: &'a AtomicFile<Writing>, first: u64) -> Self {
        Self {
            new,
            first,
            pending: Vec::new(),
            file: None,
        }
    }

    fn failed(&self, error: io::Error) -> Error {
        self.new.destination.write_failed(error)
    }

    /// The temporary file, positioned at the end of what this part has written.
    async fn file(&mut self) -> Result<File> {
        if let Some(file) = self.file.take() {
            return Ok(file);
        }
        lock(&self.new.state.memory).take();
        let handle = self.new.temporary().await?.reopen();
        let mut file = File::from_std(handle.map_err(|error| self.failed(error))?);
        if self.first > 0 {
            let sought = file.seek(SeekFrom::Start(self.first)).await;
            sought.map_err(|error| self.failed(error))?;
        }
        Ok(file)
    }

    /// Writes what is held in memory.
    async fn flush_pending(&mut self) -> Result<()> {
        let mut file = self.file().await?;
        let written = file.write_all(&self.pending).await;
        self.file = Some(file);
        let bytes = self.pending.len() as u64;
        self.pending.clear();
        written.map_err(|error| self.failed(error))?;
        let Writing {
            writeback,
            temporary,
            ..
        } = &self.new.state;
        match (writeback, temporary.get()) {
            (Some(writeback), Some(temporary)) => {
                let started = writeback.wrote(bytes, temporary.as_file()).await;
                started.map_err(|error| self.failed(error))
            }
            _ => Ok(()),
        }
    }
}

impl DownloadSink for FilePart<'_> {
    async fn write(&mut self, chunk: &Bytes) -> Result<()> {
        if self.pending.len() + chunk.len() > BUFFER {
            self.flush_pending().await?;
        }
        self.pending.extend_from_slice(chunk);
        Ok(())
    }

    async fn restart(&mut self) -> Result<bool> {
        self.pending.clear();
        if let Some(file) = &mut self.file {
            let sought = file.seek(SeekFrom::Start(self.first)).await;
            sought.map_err(|error| self.failed(error))?;
        }
        Ok(true)
    }

    async fn finish(&mut self) -> Result<()> {
        if self.first == 0 && self.file.is_none() {
            *lock(&self.new.state.memory) = Some(std::mem::take(&mut self.pending));
            return Ok(());
        }
        self.flush_pending().await?;
        match &mut self.file {
            Some(file) => {
                let flushed = file.flush().await;
                flushed.map_err(|error| self.failed(error))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
