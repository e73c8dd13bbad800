//! What is in the context, listed while what was listed is worked on.

use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::{Error, ErrorKind, FileEntry, FileWalk, Result, task::Task};

/// Entries that may wait to be worked on, and that are worked on at a time.
const AHEAD: usize = 256;

/// Everything below a folder. The listing ends when this is dropped.
pub(super) struct Listing {
    entries: Receiver<Result<FileEntry>>,
    task: Task<()>,
}

impl Listing {
    pub(super) fn of(walk: FileWalk) -> Self {
        let (sender, entries) = mpsc::channel(AHEAD);
        let task = Task::start(list(walk, sender));
        Self { entries, task }
    }

    /// What has been listed by now; waits for the first, and is empty at the end.
    pub(super) async fn next(&mut self) -> Result<Vec<FileEntry>> {
        let mut batch = Vec::new();
        if self.entries.recv_many(&mut batch, AHEAD).await == 0 {
            // Only a listing that has got to its end shows what there is not.
            self.task.end().await.ok_or_else(|| {
                let message = "the runtime that was listing the folder has shut down";
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
