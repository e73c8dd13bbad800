//! The sweep: moves what earlier processes left in the folder of blobs to the quarantine.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use super::local::{blob_of, blocking, file_names, parts, remove_if_exists};
use super::quarantine::{FileTotals, Quarantine};
use crate::system::clock::Micros;

/// Blobs that are looked up with one query.
const BLOBS_PER_QUERY: usize = 500;

/// The outcome of a sweep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SweepOutcome {
    /// Staging files that were deleted.
    pub(crate) removed: u64,
    /// Files that were moved to the quarantine.
    pub(crate) moved: FileTotals,
}

/// A sweep over the files that earlier processes left in the folder of blobs.
pub(super) struct Sweep<'a> {
    pub(super) folder: &'a Path,
    /// The keys of this process begin with this; a sweep ignores them.
    pub(super) run: &'a str,
    pub(super) quarantine: &'a Quarantine,
    /// Whether the staging files of the last run belong to uploads that were never acknowledged.
    pub(super) staged_is_unacknowledged: bool,
    pub(super) now: Micros,
}

impl Sweep<'_> {
    /// Moves unreferenced blobs and staging files to the quarantine. Deletes staging files of unreferenced blobs whose upload
    /// was never acknowledged. `unreferenced` returns those of the given blobs that no row references.
    pub(super) async fn run<F>(
        &self,
        unreferenced: impl Fn(Vec<String>) -> F,
    ) -> io::Result<SweepOutcome>
    where
        F: Future<Output = io::Result<Vec<String>>>,
    {
        let mut outcome = SweepOutcome::default();
        for part in parts() {
            let (path, own) = (self.folder.join(&part), format!("{}-", self.run));
            let names = blocking(move || {
                let mut names = file_names(&path)?;
                names.retain(|name| !name.starts_with(&own));
                Ok(names)
            })
            .await?;
            let blobs: HashSet<_> = names.iter().map(|name| blob_of(name)).collect();
            let blobs: Vec<_> = blobs.iter().map(|name| format!("{part}/{name}")).collect();
            let mut unnamed = HashSet::new();
            for keys in blobs.chunks(BLOBS_PER_QUERY) {
                unnamed.extend(unreferenced(keys.to_vec()).await?);
            }
            let is_unnamed = |name: &str| unnamed.contains(&format!("{part}/{}", blob_of(name)));
            let (removed, moved): (Vec<_>, Vec<_>) = names
                .into_iter()
                .filter(|name| name.contains('#') || is_unnamed(name))
                .partition(|name| {
                    self.staged_is_unacknowledged && name.contains('#') && is_unnamed(name)
                });
            outcome.removed += removed.len() as u64;
            let (folder, quarantine, now) =
                (self.folder.to_owned(), self.quarantine.clone(), self.now);
            let totals = blocking(move || {
                let path = folder.join(&part);
                removed
                    .iter()
                    .try_for_each(|name| remove_if_exists(&path.join(name)))?;
                quarantine.move_blobs(&folder, &part, &moved, now)
            })
            .await?;
            outcome.moved += totals;
        }
        Ok(outcome)
    }
}
