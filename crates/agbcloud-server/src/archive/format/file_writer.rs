//! Writes files on threads that may block.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::archive::error::ArchiveError;
use crate::blobs::local::blocking;

/// Size of a write in bytes.
const WRITE_BYTES: usize = 1024 * 1024;

/// A new file that only its owner can read. Collects small writes.
pub(super) struct FileWriter {
    file: Arc<File>,
    path: PathBuf,
    pending: BytesMut,
    length: u64,
}

impl FileWriter {
    /// Creates a file. Fails if it exists.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let mut options = File::options();
        options.create_new(true).write(true).read(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Self {
            file: Arc::new(options.open(path)?),
            path: path.to_owned(),
            pending: BytesMut::new(),
            length: 0,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The number of bytes that were written.
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.length += bytes.len() as u64;
        self.pending.extend_from_slice(bytes);
        match self.pending.len() >= WRITE_BYTES {
            true => self.flush().await,
            false => Ok(()),
        }
    }

    pub(super) async fn flush(&mut self) -> Result<(), ArchiveError> {
        let bytes: Bytes = self.pending.split().freeze();
        if bytes.is_empty() {
            return Ok(());
        }
        let file = self.file.clone();
        let written = blocking(move || (&*file).write_all(&bytes)).await;
        written.map_err(ArchiveError::io(&self.path))
    }

    /// Makes the content durable. The caller syncs the folder.
    pub(super) async fn finish(&mut self) -> Result<(), ArchiveError> {
        self.flush().await?;
        let file = self.file.clone();
        let synced = blocking(move || file.sync_all()).await;
        synced.map_err(ArchiveError::io(&self.path))
    }
}
