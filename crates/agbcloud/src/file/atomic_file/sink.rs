//! Receiving the bytes of a download.

use std::io::{self, SeekFrom};

use tokio::{
    fs::File,
    io::{AsyncSeekExt, AsyncWriteExt},
};

use super::{AtomicFile, Writing};
use crate::{Error, Result, file::local::BUFFER};

/// Receives the bytes of a download, chunk by chunk.
pub(crate) trait DownloadSink: Send {
    fn write(&mut self, chunk: &[u8]) -> impl Future<Output = Result<()>> + Send;

    /// Discards what was written. Returns whether that is possible.
    fn restart(&mut self) -> impl Future<Output = Result<bool>> + Send;

    /// Ends the content.
    fn finish(&mut self) -> impl Future<Output = Result<()>> + Send;
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
    pub(super) fn new(new: &'a AtomicFile<Writing>, first: u64) -> Self {
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
        self.new.memory().take();
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
    async fn write(&mut self, chunk: &[u8]) -> Result<()> {
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
            *self.new.memory() = Some(std::mem::take(&mut self.pending));
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
