//! Files that were changed on the side that is written to.

use std::path::Path;

use super::{
    Setup,
    compare::Verdict,
    names,
    plan::{Decision, PlannedChange},
    skipped::SkipReason,
};
use crate::{
    Error, ErrorKind, Result,
    file::local::{blocking, cannot},
};

/// What is done with a file that both sides have, and that was changed on the side that is written to since the last time.
///
/// Only what is remembered can tell: see [`SyncDir::state`](crate::SyncDir::state).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Conflict {
    /// It is a failure of kind [`Conflict`](crate::ErrorKind::Conflict), and nothing is written.
    #[default]
    Fail,
    /// It is replaced, or deleted, like any other.
    Overwrite,
    /// It is left as it is, and counted as skipped.
    Skip,
    /// It is replaced, and what it was stays beside it: `notes.txt` as `notes.conflict-20250529T122000Z.txt`, by the time of
    /// this machine in UTC. Such files are not deleted as extraneous. What would be deleted is left as it is.
    KeepBoth,
}

impl Setup {
    /// What follows for a file that both sides have.
    pub(super) fn decision(&self, verdict: Verdict, planned: PlannedChange) -> Decision {
        match (verdict, self.on_conflict) {
            (Verdict::Same, _) => Decision::Unchanged,
            (Verdict::Differs, _) | (Verdict::Conflict, Conflict::Overwrite) => {
                Decision::Change(planned)
            }
            (Verdict::Conflict, Conflict::Skip) => {
                Decision::skipped(planned.path, SkipReason::Conflict)
            }
            (Verdict::Conflict, Conflict::Fail) => conflict(planned),
            (Verdict::Conflict, Conflict::KeepBoth) => Decision::Change(PlannedChange {
                keeps_both: true,
                ..planned
            }),
        }
    }

    /// What follows for an extraneous file.
    pub(super) fn deletion(&self, changed: bool, planned: PlannedChange) -> Decision {
        match self.on_conflict {
            _ if !changed => Decision::Change(planned),
            Conflict::Overwrite => Decision::Change(planned),
            Conflict::Fail => conflict(planned),
            Conflict::Skip | Conflict::KeepBoth => {
                Decision::skipped(planned.path, SkipReason::Conflict)
            }
        }
    }

    /// Keeps the remote file under another name.
    pub(super) async fn keep_remote(&self, relative: &str) -> Result<()> {
        let kept = names::kept(relative, self.files.agb.time().system_time());
        let copy = blocking(|| {
            let copy = tempfile::NamedTempFile::new();
            copy.map_err(|error| cannot("write", &std::env::temp_dir(), error))
        })
        .await?
        .into_temp_path();
        let old = names::remote(&self.remote, relative)?;
        self.files.download(old, &*copy).overwrite(true).await?;
        let kept = names::remote(&self.remote, &kept)?;
        self.files.upload(kept, &*copy).await?;
        Ok(())
    }

    /// Keeps the local file under another name too.
    pub(super) async fn keep_local(&self, relative: &str) -> Result<()> {
        let kept = names::kept(relative, self.files.agb.time().system_time());
        let [old, kept] = [relative, &kept].map(names::local);
        let (old, kept) = (self.local.join(old?), self.local.join(kept?));
        blocking(move || keep(&old, &kept).map_err(|error| cannot("keep", &old, error))).await
    }
}

fn conflict(planned: PlannedChange) -> Decision {
    let message = "it was changed on the other side since the last time: choose which one stays";
    let error = Error::new(ErrorKind::Conflict, message);
    Decision::failed(planned.path, Some(planned.change), error)
}

/// A second name where the file system has that, else a copy: the first name is never without the file.
fn keep(old: &Path, kept: &Path) -> std::io::Result<()> {
    std::fs::hard_link(old, kept).or_else(|_| {
        let mut from = std::fs::File::open(old)?;
        let mut to = std::fs::File::create_new(kept)?;
        std::io::copy(&mut from, &mut to)?;
        to.sync_all()
    })
}
