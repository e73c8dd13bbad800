//! The options of a copy.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::report::CopyProgress;

/// Options of [`backup`](crate::backup), [`restore`](crate::restore) and [`migrate`](crate::migrate).
#[derive(Clone, Default)]
pub struct CopyOptions {
    dry_run: bool,
    key_file: Option<PathBuf>,
    progress: Option<Arc<dyn Fn(CopyProgress) + Send + Sync>>,
}

impl CopyOptions {
    /// Reads and verifies everything, and writes nothing.
    #[must_use]
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Copies the API keys and signing keys of a key file, too: into the database of a target in PostgreSQL, an archive, or the
    /// key file of a new data folder. For a source that has no keys in its database.
    #[must_use]
    pub fn key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.key_file = Some(path.into());
        self
    }

    /// Calls a function after each step of some files or about a megabyte. It must not block.
    #[must_use]
    pub fn on_progress(mut self, report: impl Fn(CopyProgress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(report));
        self
    }

    pub(super) fn keys(&self) -> Option<&Path> {
        self.key_file.as_deref()
    }

    pub(super) fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    pub(super) fn report(&self, progress: CopyProgress) {
        if let Some(report) = &self.progress {
            report(progress);
        }
    }
}

impl fmt::Debug for CopyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyOptions")
            .field("dry_run", &self.dry_run)
            .finish_non_exhaustive()
    }
}
