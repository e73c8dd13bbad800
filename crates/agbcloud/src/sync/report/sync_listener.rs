//! The callbacks of a sync.

use std::{fmt, sync::Arc};

use super::{FileOutcome, SkippedEntry};
use crate::Progress;

type OnFile = dyn Fn(&FileOutcome<'_>) + Send + Sync;
type OnSkipped = dyn Fn(&SkippedEntry) + Send + Sync;
type OnProgress = dyn Fn(&str, Progress) + Send + Sync;

/// The optional callbacks of a sync.
#[derive(Clone, Default)]
pub(in crate::sync) struct SyncListener {
    pub(in crate::sync) on_file: Option<Arc<OnFile>>,
    pub(in crate::sync) on_skipped: Option<Arc<OnSkipped>>,
    pub(in crate::sync) on_progress: Option<Arc<OnProgress>>,
}

impl SyncListener {
    pub(in crate::sync) fn file(&self, outcome: &FileOutcome<'_>) {
        if let Some(listener) = &self.on_file {
            listener(outcome);
        }
    }

    pub(in crate::sync) fn skipped(&self, entry: &SkippedEntry) {
        if let Some(listener) = &self.on_skipped {
            listener(entry);
        }
    }

    /// Returns the progress callback of one file.
    pub(in crate::sync) fn progress_of(
        &self,
        path: &str,
    ) -> Option<impl Fn(Progress) + Send + Sync + 'static> {
        let (listener, path) = (self.on_progress.clone()?, path.to_owned());
        Some(move |progress| listener(&path, progress))
    }
}

impl fmt::Debug for SyncListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncListener").finish_non_exhaustive()
    }
}
