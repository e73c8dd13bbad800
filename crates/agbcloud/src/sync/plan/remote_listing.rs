//! The remote files, listed while the entries before are processed.

use std::time::SystemTime;

use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::{
    Error, ErrorKind, FileEntry, FileWalk, Result, Timestamp, file::transfer::StoreChecksums,
    task::Task,
};

/// Capacity of the channel, and maximum number of entries that are processed at a time.
const CAPACITY: usize = 256;

/// Identifies the content of a remote file by its entry in a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RemoteIdentity {
    pub(super) size: Option<u64>,
    pub(super) modified: Option<SystemTime>,
    /// The checksums, if the listing contains them.
    pub(super) checksums: StoreChecksums,
}

impl RemoteIdentity {
    pub(super) fn of(entry: &FileEntry) -> Self {
        let modified = entry.modified_at.as_ref();
        Self {
            size: entry.size,
            modified: modified.and_then(Timestamp::to_system_time),
            checksums: StoreChecksums::from_listing(entry.etag.as_deref(), entry.crc64),
        }
    }

    pub(super) fn etag(&self) -> Option<&str> {
        self.checksums.etag()
    }
}

/// A recursive listing of a folder, which ends when it is dropped.
pub(super) struct RemoteListing {
    entries: Receiver<Result<FileEntry>>,
    task: Task<()>,
}

impl RemoteListing {
    pub(super) fn of(walk: FileWalk) -> Self {
        let (sender, entries) = mpsc::channel(CAPACITY);
        let task = Task::start(list(walk, sender));
        Self { entries, task }
    }

    /// Waits for entries and returns those that have been listed. Returns no entries at the end.
    pub(super) async fn next(&mut self) -> Result<Vec<FileEntry>> {
        let mut batch = Vec::new();
        if self.entries.recv_many(&mut batch, CAPACITY).await == 0 {
            // An incomplete listing is no evidence that a file does not exist.
            self.task.end().await.ok_or_else(|| {
                let message = "the runtime was shut down during the listing";
                Error::new(ErrorKind::Connection, message)
            })?;
        }
        batch.into_iter().collect()
    }
}

async fn list(mut walk: FileWalk, sender: Sender<Result<FileEntry>>) {
    while let Some(entry) = walk.next().await {
        if sender.send(entry).await.is_err() {
            return;
        }
    }
}
