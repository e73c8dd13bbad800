//! Bringing a large file to the disk while it is still being fetched, so that at its end little is left to wait for.

use std::{
    fs::File,
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use tokio::{sync::Mutex, task::JoinHandle};

/// Bytes that are written before they are brought to the disk.
const RUN: u64 = 32 * 1024 * 1024;

/// What of a file is on its way to the disk.
#[derive(Default)]
pub(super) struct Ahead {
    unsynced: AtomicU64,
    syncing: Mutex<Option<JoinHandle<io::Result<()>>>>,
}

impl Ahead {
    /// So many bytes were written. If it is time, brings all there is to the disk, and does not wait for it: while that is
    /// under way, nothing more is begun.
    ///
    /// # Errors
    ///
    /// That of the time before. A system tells it once, so it must not get lost.
    pub(super) async fn wrote(&self, bytes: u64, file: &File) -> io::Result<()> {
        if self.unsynced.fetch_add(bytes, Ordering::Relaxed) + bytes < RUN {
            return Ok(());
        }
        let Ok(mut syncing) = self.syncing.try_lock() else {
            return Ok(());
        };
        if let Some(task) = syncing.take_if(|task| task.is_finished()) {
            ended(task).await?;
        }
        if syncing.is_none() {
            self.unsynced.store(0, Ordering::Relaxed);
            let file = file.try_clone()?;
            *syncing = Some(tokio::task::spawn_blocking(move || file.sync_data()));
        }
        Ok(())
    }

    /// Waits for what is under way.
    pub(super) async fn end(self) -> io::Result<()> {
        match self.syncing.into_inner() {
            Some(task) => ended(task).await,
            None => Ok(()),
        }
    }
}

async fn ended(task: JoinHandle<io::Result<()>>) -> io::Result<()> {
    // A runtime that shuts down ends it unasked.
    task.await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_large_is_brought_to_the_disk_meanwhile_and_its_failure_is_told() {
        let file = tempfile::tempfile().unwrap();
        let ahead = Ahead::default();
        ahead.wrote(RUN - 1, &file).await.unwrap();
        assert!(ahead.syncing.lock().await.is_none());
        ahead.wrote(1, &file).await.unwrap();
        assert!(ahead.syncing.lock().await.is_some());
        ahead.end().await.unwrap();

        // What is no file can't be synced.
        let pipe = File::options().write(true).open("/dev/full");
        if let Ok(pipe) = pipe {
            let ahead = Ahead::default();
            ahead.wrote(RUN, &pipe).await.unwrap();
            assert!(ahead.end().await.is_err());
        }
    }
}
