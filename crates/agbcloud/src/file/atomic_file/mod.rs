//! Local files that appear under their name complete, or not at all.
//!
//! An [`AtomicFile`] passes through three states: [`Writing`], [`Synced`] and [`Published`]. Its content is written to a
//! temporary file beside the target, or kept in memory while it is small. Dropping it in one of the first two states removes it.

mod destination;
mod group_sync;
mod part_file;
mod sink;
mod temporary;
mod writeback;

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use tokio::sync::OnceCell;

pub(crate) use destination::ExpectedTarget;
pub(crate) use group_sync::GroupSync;
pub(crate) use part_file::{LockedFolder, is_part, part_names, remove_abandoned_parts};
pub(crate) use sink::DownloadSink;

use super::local::{blocking, hash_file};
use crate::{Result, transfer::ContentHasher};
use destination::Destination;
use sink::FilePart;
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

    fn memory(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        let memory = self.state.memory.lock();
        memory.unwrap_or_else(PoisonError::into_inner)
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
    fn memory_bytes(&self) -> usize {
        self.memory().as_ref().map_or(0, Vec::len)
    }

    fn is_open(&self) -> bool {
        self.state.temporary.initialized()
    }

    /// Writes content that is in memory to a temporary file. Blocks.
    fn write_out(mut self) -> Result<Self> {
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
        let memory = self.memory().take().unwrap_or_default();
        let mut file = temporary.as_file();
        let filled = file.write_all(&memory).and_then(|()| {
            length.map_or(Ok(()), |length| file.set_len(length))?;
            let modified = self.state.modified;
            modified.map_or(Ok(()), |modified| file.set_modified(modified))
        });
        filled.map_err(|error| self.destination.write_failed(error))
    }

    /// Syncs the content to the disk. Blocks.
    fn sync(self) -> Result<AtomicFile<Synced>> {
        let file = self.assume_synced()?;
        let synced = file.state.temporary.as_file().sync_all();
        synced.map_err(|error| file.destination.write_failed(error))?;
        Ok(file)
    }

    /// Skips the sync, since it is not requested or that of the file system has done it. Blocks.
    fn assume_synced(mut self) -> Result<AtomicFile<Synced>> {
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
    fn folder(&self) -> &Path {
        self.destination.folder()
    }
}

impl AtomicFile<Synced> {
    /// Makes the file visible under its name. Blocks.
    fn publish(self) -> Result<AtomicFile<Published>> {
        self.destination.publish(self.state.temporary)?;
        Ok(AtomicFile {
            destination: self.destination,
            state: Published,
        })
    }
}

impl AtomicFile<Published> {
    pub(crate) fn path(&self) -> &Path {
        &self.destination.target
    }
}

#[cfg(test)]
mod tests;
