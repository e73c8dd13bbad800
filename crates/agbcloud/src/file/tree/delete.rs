//! A folder of a context that is deleted with all that is in it.

use std::{future::IntoFuture, path::Path};

use futures_core::future::BoxFuture;

use super::{
    Change, Direction, FileOutcome, Files, Setup, SyncDir, SyncPlan, SyncReport, names,
    plan::{Compared, Decision, Decisions, PlannedChange},
};
use crate::{FolderPath, RemotePath, Result, trace};

/// Files of a folder of a context that are to be deleted: from [`Files::delete_dir`]. Await it, or look at the
/// [`plan`](Self::plan) first.
///
/// A file that can't be deleted does not stop the others; a failure that all others would meet too (a wrong key, a
/// context that is gone) does. One that somebody else has deleted meanwhile is no failure. The folder is listed to its
/// end before anything is deleted, since numbered pages move when it gets shorter: that takes 24 bytes for each file, and
/// what its path has not in common with the one before.
#[derive(Debug)]
#[must_use = "nothing is deleted until it is awaited"]
pub struct DeleteDir(SyncDir);

impl DeleteDir {
    pub(in crate::file) fn new(files: Files, folder: Result<FolderPath>) -> Self {
        let nowhere = std::path::PathBuf::new();
        Self(SyncDir::new(files, Direction::Away, nowhere, folder))
    }

    /// Takes just the files that match: see [`SyncDir::include`].
    pub fn include(self, glob: impl Into<String>) -> Self {
        Self(self.0.include(glob))
    }

    /// Leaves out what matches: see [`SyncDir::exclude`].
    pub fn exclude(self, glob: impl Into<String>) -> Self {
        Self(self.0.exclude(glob))
    }

    /// Files that are deleted at the same time: see [`SyncDir::max_concurrent_files`].
    pub fn max_concurrent_files(self, files: usize) -> Self {
        Self(self.0.max_concurrent_files(files))
    }

    /// Calls this for each file that was deleted or failed, for one after the other: it should be quick.
    pub fn on_file(self, listener: impl Fn(&FileOutcome<'_>) + Send + Sync + 'static) -> Self {
        Self(self.0.on_file(listener))
    }

    /// Lists the folder and deletes nothing yet.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a glob or a folder that makes no sense, and those of
    /// a listing. That there is no such folder is none: there is nothing to delete.
    pub async fn plan(self) -> Result<SyncPlan> {
        self.0.plan().await
    }
}

impl IntoFuture for DeleteDir {
    type Output = Result<SyncReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let (operation, context) = (self.0.operation(), self.0.files.context.clone());
        trace::transfer(operation, context, async {
            self.0.planned().await?.run().await
        })
    }
}

/// What is in the folder.
pub(super) async fn plan(setup: &Setup, decided: &Decisions) -> Result<()> {
    let mut listing = setup.walk();
    while let Some(entry) = listing.next().await {
        let entry = entry?;
        let Some(relative) = names::below(&setup.remote, &entry.path) else {
            continue;
        };
        if entry.is_folder() {
            continue;
        }
        let decision = match RemotePath::new(entry.path.as_str()) {
            Ok(_) if !setup.rules.takes(Path::new(relative)) => continue,
            Ok(_) => {
                // Whatever it is by now: the folder is what was named.
                let compared = Compared::default();
                let planned =
                    PlannedChange::deletion(relative, Change::DeleteRemote, entry.size, compared);
                Decision::Change(planned)
            }
            Err(error) => Decision::failed(relative, Some(Change::DeleteRemote), error),
        };
        decided.give(vec![decision]).await?;
    }
    Ok(())
}
