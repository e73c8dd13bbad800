//! Preparing changes ahead: reading small files before their upload, several at a time, since switching threads for each file
//! costs more than reading it, and requesting URLs.

use std::vec;

use tokio::task::JoinHandle;

use super::url_prefetch::{UrlPrefetch, UrlTicket};
use crate::{
    file::local::{LocalContent, LocalFile},
    sync::{change::Change, options::SyncOptions, paths, plan::PlannedChange},
};

/// Number of changes in a batch.
const BATCH: usize = 16;

/// Maximum size of a file that is read ahead. Two batches take 2 MiB of memory.
const MAX_SIZE: u64 = 64 * 1024;

/// The content of a file that was read ahead.
type PreRead = Option<LocalContent>;

/// What was prepared for a change.
#[derive(Default)]
pub(super) struct Prepared {
    pub(super) content: Option<LocalContent>,
    pub(super) url: Option<UrlTicket>,
}

/// Returns changes in batches. The files of the next batch are read while one is processed.
pub(super) struct ReadAhead {
    options: SyncOptions,
    urls: UrlPrefetch,
    remaining: vec::IntoIter<PlannedChange>,
    next: Option<ReadBatch>,
}

struct ReadBatch {
    changes: Vec<(PlannedChange, Option<UrlTicket>)>,
    /// `None` if there is nothing to read.
    contents: Option<JoinHandle<Vec<PreRead>>>,
}

impl ReadAhead {
    pub(super) fn new(options: &SyncOptions, changes: Vec<PlannedChange>) -> Self {
        let mut batches = Self {
            options: options.clone(),
            urls: UrlPrefetch::new(options),
            remaining: changes.into_iter(),
            next: None,
        };
        batches.start_next();
        batches
    }

    pub(super) async fn next(&mut self) -> Option<impl Iterator<Item = (PlannedChange, Prepared)>> {
        let batch = self.next.take()?;
        // A file that could not be read is read again for its upload, which then returns the error.
        let contents = match batch.contents {
            Some(contents) => contents.await.unwrap_or_default(),
            None => Vec::new(),
        };
        self.start_next();
        let contents = contents.into_iter().chain(std::iter::repeat_with(|| None));
        let changes = batch.changes.into_iter().zip(contents);
        Some(changes.map(|((planned, url), content)| (planned, Prepared { content, url })))
    }

    fn start_next(&mut self) {
        self.urls.request(self.remaining.as_slice());
        let changes: Vec<_> = self.remaining.by_ref().take(BATCH).collect();
        if changes.is_empty() {
            return;
        }
        let files: Vec<_> = changes
            .iter()
            .map(|change| self.small_file(change))
            .collect();
        let changes = changes.into_iter();
        let changes = changes.map(|change| (change, self.urls.next())).collect();
        let contents = files.iter().any(Option::is_some).then(|| {
            let read = |file: Option<LocalFile>| file?.open_blocking().ok();
            tokio::task::spawn_blocking(move || files.into_iter().map(read).collect())
        });
        self.next = Some(ReadBatch { changes, contents });
    }

    /// Returns the local file of an upload, if it is small.
    fn small_file(&self, planned: &PlannedChange) -> Option<LocalFile> {
        let is_small = planned.size.is_some_and(|size| size <= MAX_SIZE);
        if planned.change != Change::Upload || !is_small {
            return None;
        }
        let path = paths::to_local(&planned.path).ok()?;
        self.options.local_file(path).ok()
    }
}
