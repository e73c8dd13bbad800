//! Temporary folders of tasks.

use tempfile::TempDir;

use crate::failure::Failure;

/// Creates `agb-NAME-…` in the system's folder for temporary files. It is deleted on drop.
pub(crate) fn folder(name: &str) -> Result<TempDir, Failure> {
    TempDir::with_prefix(format!("agb-{name}-")).map_err(|error| {
        Failure::new(
            format!("can't create a temporary folder: {error}"),
            "set TMPDIR to a writable folder",
        )
    })
}
