//! Requesting the URLs of small files before their transfer, for many files by one call: a call for each file costs as much as
//! its transfer.

use std::{collections::VecDeque, sync::Arc};

use tokio::sync::oneshot;

use crate::{
    Operation, PresignedUrl, RemotePath, Result,
    file::batches,
    sync::{change::Change, options::SyncOptions, paths, plan::PlannedChange},
    task::Task,
};

/// Number of changes for which URLs are requested at a time.
const BATCH: usize = 128;

/// Maximum size of such a file. A URL may expire while the files of earlier changes are transferred: the time of these is
/// limited by their size, and the URL of a larger file costs little in comparison.
const MAX_SIZE: u64 = 1024 * 1024;

/// The URLs of the next changes, in their order.
pub(super) struct UrlPrefetch {
    options: SyncOptions,
    tickets: VecDeque<Option<UrlTicket>>,
}

/// The URL of one file, which may be on its way.
pub(super) struct UrlTicket {
    url: oneshot::Receiver<Option<Result<PresignedUrl>>>,
    /// Cancels the call when no file waits for it.
    _call: Arc<Task<()>>,
}

impl UrlTicket {
    /// Waits for the URL, or the error of the file. Returns `None` if the transfer must request it.
    pub(super) async fn url(self) -> Option<Result<PresignedUrl>> {
        self.url.await.ok().flatten()
    }
}

impl UrlPrefetch {
    pub(super) fn new(options: &SyncOptions) -> Self {
        Self {
            options: options.clone(),
            tickets: VecDeque::new(),
        }
    }

    /// Requests the URLs of the next changes, if those that were requested before are used up to a half.
    pub(super) fn request(&mut self, next: &[PlannedChange]) {
        if self.tickets.len() > BATCH / 2 {
            return;
        }
        let changes = next.get(self.tickets.len()..).unwrap_or_default();
        let changes = changes.get(..BATCH).unwrap_or(changes);
        let mut tickets: Vec<_> = changes.iter().map(|_| None).collect();
        for (change, operation) in [
            (Change::Upload, Operation::GetContextFileUploadUrl),
            (Change::Download, Operation::GetContextFileDownloadUrl),
        ] {
            let small = changes.iter().enumerate().filter_map(|(at, planned)| {
                let is_small = planned.size.is_some_and(|size| size <= MAX_SIZE);
                let path = (planned.change == change && is_small)
                    .then(|| paths::to_remote(&self.options.remote, &planned.path).ok());
                Some((at, path.flatten()?))
            });
            let (positions, paths): (Vec<_>, Vec<_>) = small.unzip();
            for batch in batches(&paths) {
                let (Some(positions), Some(paths)) =
                    (positions.get(batch.clone()), paths.get(batch))
                else {
                    continue;
                };
                let requested = self.request_batch(operation, paths.to_vec());
                for (at, ticket) in positions.iter().zip(requested) {
                    if let Some(slot) = tickets.get_mut(*at) {
                        *slot = Some(ticket);
                    }
                }
            }
        }
        self.tickets.extend(tickets);
    }

    /// Starts the call for a batch. A single file requests its own URL.
    fn request_batch(&self, operation: Operation, paths: Vec<RemotePath>) -> Vec<UrlTicket> {
        let files = self.options.files.clone();
        if paths.len() < 2 || !files.client.file_urls().is_available() {
            return Vec::new();
        }
        let (senders, receivers): (Vec<_>, Vec<_>) =
            paths.iter().map(|_| oneshot::channel()).unzip();
        let call = Arc::new(Task::start(async move {
            let urls = files.batch_urls(operation, paths).await;
            for (sender, url) in senders.into_iter().zip(urls) {
                // Fails if the transfer was cancelled.
                let _ = sender.send(url);
            }
        }));
        let receivers = receivers.into_iter();
        let tickets = receivers.map(|url| UrlTicket {
            url,
            _call: call.clone(),
        });
        tickets.collect()
    }

    /// Returns the URL of the next change; `None` if its transfer must request it.
    pub(super) fn next(&mut self) -> Option<UrlTicket> {
        self.tickets.pop_front().flatten()
    }
}
