//! Syncing a large file to the disk while it is still written, so that the final sync has little left to write.

use std::{
    fs::File,
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use tokio::{sync::Mutex, task::JoinHandle};

/// Number of bytes after which a sync starts.
const SYNC_INTERVAL: u64 = 32 * 1024 * 1024;

/// The sync that runs while a file is written.
#[derive(Default)]
pub(super) struct Writeback {
    unsynced: AtomicU64,
    syncing: Mutex<Option<JoinHandle<io::Result<()>>>>,
}

impl Writeback {
    /// Counts bytes that were written, and starts a sync after each interval unless one is running. Does not wait for it.
    ///
    /// # Errors
    ///
    /// Those of the previous sync. The system reports a failure once, so it must not be lost.
    pub(super) async fn wrote(&self, bytes: u64, file: &File) -> io::Result<()> {
        if self.unsynced.fetch_add(bytes, Ordering::Relaxed) + bytes < SYNC_INTERVAL {
            return Ok(());
        }
        let Ok(mut syncing) = self.syncing.try_lock() else {
            return Ok(());
        };
        if let Some(task) = syncing.take_if(|task| task.is_finished()) {
            join(task).await?;
        }
        if syncing.is_none() {
            self.unsynced.store(0, Ordering::Relaxed);
            let file = file.try_clone()?;
            *syncing = Some(tokio::task::spawn_blocking(move || file.sync_data()));
        }
        Ok(())
    }

    /// Waits for the running sync.
    pub(super) async fn finish(self) -> io::Result<()> {
        match self.syncing.into_inner() {
            Some(task) => join(task).await,
            None => Ok(()),
        }
    }
}

async fn join(task: JoinHandle<io::Result<()>>) -> io::Result<()> {
    // A runtime that shuts down cancels the task.
    task.await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_large_file_is_synced_while_it_is_written() {
        let file = tempfile::tempfile().unwrap();
        let writeback = Writeback::default();
        writeback.wrote(SYNC_INTERVAL - 1, &file).await.unwrap();
        assert!(writeback.syncing.lock().await.is_none());
        writeback.wrote(1, &file).await.unwrap();
        assert!(writeback.syncing.lock().await.is_some());
        writeback.finish().await.unwrap();
    }

    #[tokio::test]
    async fn a_failed_sync_is_reported() {
        // A device can't be synced.
        let device = File::options().write(true).open("/dev/full");
        if let Ok(device) = device {
            let writeback = Writeback::default();
            writeback.wrote(SYNC_INTERVAL, &device).await.unwrap();
            assert!(writeback.finish().await.is_err());
        }
    }
}
