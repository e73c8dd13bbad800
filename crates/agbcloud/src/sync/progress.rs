//! The progress of a sync with all its files.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use super::change::Change;
use crate::{Progress, lock::lock};

/// The progress of a sync: see [`SyncDir::on_progress`](crate::SyncDir::on_progress).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncProgress<'a> {
    /// Path of the file that progressed, relative to the folders, with `/` between the segments.
    pub path: &'a str,
    /// The progress of this file. Starts again from 0 if the file is retried.
    pub file: Progress,
    /// Number of files copied so far.
    pub files: u64,
    /// Number of files to copy. Includes files that fail.
    pub total_files: u64,
    /// Bytes copied so far, those of running copies included.
    pub bytes: u64,
    /// Number of bytes to copy, as far as the sizes are known.
    pub total_bytes: u64,
}

pub(super) type OnSyncProgress = dyn Fn(&SyncProgress<'_>) + Send + Sync;

/// Adds up the progress of all files, and reports it.
#[derive(Clone)]
pub(super) struct SyncMeter(Option<Arc<MeterInner>>);

struct MeterInner {
    listener: Arc<OnSyncProgress>,
    totals: Mutex<Totals>,
}

#[derive(Default)]
struct Totals {
    files: u64,
    bytes: u64,
    planned_files: u64,
    planned_bytes: u64,
    /// Bytes of the running copies, by path.
    running: HashMap<String, u64>,
}

impl SyncMeter {
    pub(super) fn new(listener: Option<Arc<OnSyncProgress>>) -> Self {
        Self(listener.map(|listener| {
            Arc::new(MeterInner {
                listener,
                totals: Mutex::default(),
            })
        }))
    }

    /// Adds planned changes to the totals.
    pub(super) fn add_planned(&self, sizes: impl IntoIterator<Item = (Change, Option<u64>)>) {
        let Some(inner) = &self.0 else {
            return;
        };
        let mut totals = lock(&inner.totals);
        for (change, size) in sizes {
            if !change.is_deletion() {
                totals.planned_files += 1;
                totals.planned_bytes += size.unwrap_or(0);
            }
        }
    }

    /// Returns the progress callback of one file.
    pub(super) fn file(&self, path: &str) -> Option<impl Fn(Progress) + Send + Sync + 'static> {
        let (inner, path) = (self.0.clone()?, path.to_owned());
        Some(move |progress| inner.report(&path, progress))
    }

    /// Ends the copy of a file, which has this number of bytes; `None` if it failed.
    pub(super) fn finish_file(&self, path: &str, copied: Option<u64>) {
        if let Some(inner) = &self.0 {
            inner.finish(path, copied);
        }
    }
}

impl MeterInner {
    fn report(&self, path: &str, file: Progress) {
        // The lock is held, so that reports arrive in order.
        let mut totals = lock(&self.totals);
        let before = match totals.running.get_mut(path) {
            Some(bytes) => std::mem::replace(bytes, file.bytes),
            None => {
                totals.running.insert(path.to_owned(), file.bytes);
                0
            }
        };
        totals.bytes = totals.bytes - before + file.bytes;
        (self.listener)(&totals.progress(path, file));
    }

    fn finish(&self, path: &str, copied: Option<u64>) {
        let mut totals = lock(&self.totals);
        let before = totals.running.remove(path).unwrap_or(0);
        totals.bytes = totals.bytes - before + copied.unwrap_or(0);
        let Some(bytes) = copied else {
            return;
        };
        totals.files += 1;
        let file = Progress {
            bytes,
            total: copied,
        };
        (self.listener)(&totals.progress(path, file));
    }
}

impl Totals {
    fn progress<'a>(&self, path: &'a str, file: Progress) -> SyncProgress<'a> {
        SyncProgress {
            path,
            file,
            files: self.files,
            total_files: self.planned_files,
            bytes: self.bytes,
            total_bytes: self.planned_bytes,
        }
    }
}
