//! Who is told what becomes of files.

use std::{fmt, sync::Arc};

use super::{FileOutcome, SkippedEntry};
use crate::Progress;

type Tell = dyn Fn(&FileOutcome<'_>) + Send + Sync;
type TellSkipped = dyn Fn(&SkippedEntry) + Send + Sync;
type TellBytes = dyn Fn(&str, Progress) + Send + Sync;

/// Whom to tell.
#[derive(Clone, Default)]
pub(super) struct Listener {
    file: Option<Arc<Tell>>,
    skipped: Option<Arc<TellSkipped>>,
    bytes: Option<Arc<TellBytes>>,
}

impl Listener {
    pub(super) fn hear_files(
        &mut self,
        listener: impl Fn(&FileOutcome<'_>) + Send + Sync + 'static,
    ) {
        self.file = Some(Arc::new(listener));
    }

    pub(super) fn on_skipped(&mut self, listener: impl Fn(&SkippedEntry) + Send + Sync + 'static) {
        self.skipped = Some(Arc::new(listener));
    }

    pub(super) fn hear_bytes(&mut self, listener: impl Fn(&str, Progress) + Send + Sync + 'static) {
        self.bytes = Some(Arc::new(listener));
    }

    pub(super) fn tell(&self, outcome: &FileOutcome<'_>) {
        if let Some(listener) = &self.file {
            listener(outcome);
        }
    }

    pub(super) fn skip(&self, entry: &SkippedEntry) {
        if let Some(listener) = &self.skipped {
            listener(entry);
        }
    }

    /// What tells of the bytes of one file.
    pub(super) fn of_file(&self, path: &str) -> Option<impl Fn(Progress) + Send + Sync + 'static> {
        let (listener, path) = (self.bytes.clone()?, path.to_owned());
        Some(move |progress| listener(&path, progress))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = self.file.is_some() || self.skipped.is_some() || self.bytes.is_some();
        f.write_str(if told { "Listener" } else { "None" })
    }
}
