//! Files that were changed on the side that is written to.

use std::path::Path;

use super::{
    Change, Setup,
    compare::Verdict,
    names,
    plan::{Decision, PlannedChange},
    skipped::SkipReason,
};
use crate::{
    Error, ErrorKind, Result,
    file::{
        local::{LocalIdentity, blocking, cannot, changed_meanwhile},
        upload::Condition,
    },
};

/// What is done with a file on the side that is written to that is not known to be an older version of the other.
///
/// With a [state](crate::SyncDir::state) that is one with other content than is remembered, and, where files are
/// [deleted](crate::SyncDir::delete), one that was added since the last time. Of a file that is not remembered the times
/// decide: one that is newer than the other, or may be, is in conflict with it. The clocks of both sides are compared by the
/// `Date` of the service's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ConflictPolicy {
    /// It is a failure of kind [`Conflict`](crate::ErrorKind::Conflict), and nothing is written.
    #[default]
    Fail,
    /// It is replaced, or deleted, like any other, if it still is the version that was compared.
    Overwrite,
    /// It is left as it is, and counted as skipped.
    Skip,
    /// It is replaced, and the replaced version is kept beside it: `notes.txt` as
    /// `notes.conflict-20250529T122000.042Z-host-abcdefgh.txt`, by the time in UTC, the name of this host and a random part.
    /// Such files are not deleted as extraneous. What would be deleted is left as it is.
    KeepBoth,
}

/// A version that is kept under another name.
pub(super) struct Kept {
    /// Its path below the folders.
    pub(super) name: String,
    /// The ETag of the remote version, where the store has one.
    pub(super) etag: Option<String>,
}

impl Setup {
    /// What follows for a file that both sides have.
    pub(super) fn decision(&self, verdict: Verdict, planned: PlannedChange) -> Decision {
        match (verdict, self.on_conflict) {
            (Verdict::Same, _) => Decision::Unchanged,
            (Verdict::Unverified, _) => Decision::Unverified,
            (Verdict::Differs, _) | (Verdict::Conflict, ConflictPolicy::Overwrite) => {
                Decision::Change(planned)
            }
            (Verdict::Conflict, ConflictPolicy::Skip) => {
                Decision::skipped(planned.path, SkipReason::Conflict)
            }
            (Verdict::Conflict, ConflictPolicy::Fail) => conflict(planned),
            (Verdict::Conflict, ConflictPolicy::KeepBoth) => Decision::Change(PlannedChange {
                keeps_both: true,
                ..planned
            }),
        }
    }

    /// What follows for an extraneous file.
    pub(super) fn deletion(&self, changed: bool, planned: PlannedChange) -> Decision {
        match self.on_conflict {
            _ if !changed => Decision::Change(planned),
            ConflictPolicy::Overwrite => Decision::Change(planned),
            ConflictPolicy::Fail => conflict(planned),
            ConflictPolicy::Skip | ConflictPolicy::KeepBoth => {
                Decision::skipped(planned.path, SkipReason::Conflict)
            }
        }
    }

    /// Whether a synchronization came to its end before, which the state remembers.
    pub(super) fn has_baseline(&self) -> bool {
        let state = self.state.as_ref();
        state.is_some_and(|state| state.has_baseline(&self.remote))
    }

    /// Whether a file that is not remembered was added by somebody else since the last time.
    pub(super) fn is_added_by_others(&self) -> bool {
        self.has_baseline()
    }

    /// Keeps the remote file under another name.
    pub(super) async fn keep_remote(&self, relative: &str) -> Result<Kept> {
        let copy = blocking(|| {
            let copy = tempfile::NamedTempFile::new();
            copy.map_err(|error| cannot("write", &std::env::temp_dir(), error))
        })
        .await?
        .into_temp_path();
        let old = names::remote(&self.remote, relative)?;
        let downloaded = self.files.download(old, &*copy).overwrite(true).await?;
        let kept = names::kept(
            &self.remote,
            relative,
            self.files.client.time().system_time(),
        );
        let there = names::remote(&self.remote, &kept)?;
        let upload = self.files.upload(there, &*copy);
        upload.only_if(Condition::Absent).await?;
        Ok(Kept {
            name: kept,
            etag: downloaded.etag,
        })
    }

    /// Gives the local file that was compared another name too. Returns that name, and the file as it is then.
    pub(super) async fn keep_local(
        &self,
        planned: &PlannedChange,
    ) -> Result<(String, LocalIdentity)> {
        let kept = names::kept(
            &self.remote,
            &planned.path,
            self.files.client.time().system_time(),
        );
        let [old, copy] = [&*planned.path, &kept].map(names::local);
        let (old, copy) = (self.local.join(old?), self.local.join(copy?));
        let compared = planned.compared.here;
        let identity = blocking(move || {
            let identity = keep(&old, &copy).map_err(|error| cannot("keep", &old, error))?;
            match compared.is_none_or(|compared| compared.is_same_file(&identity)) {
                true => Ok(identity),
                false => {
                    remove_second_name(&old, &copy);
                    Err(changed_meanwhile(&old))
                }
            }
        });
        Ok((kept, identity.await?))
    }

    /// Takes back the second name of a local file that was not replaced. Returns it if it stays, since the two are different
    /// files by now.
    pub(super) async fn unkeep_local(&self, relative: &str, kept: Kept) -> Option<Kept> {
        let [old, copy] = [relative, &*kept.name].map(|name| names::local(name).ok());
        let (old, copy) = (self.local.join(old?), self.local.join(copy?));
        let removed = blocking(move || Ok(remove_second_name(&old, &copy))).await;
        (!removed.unwrap_or(false)).then_some(kept)
    }
}

/// Removes one of two names of one file, never the only one. Returns whether it did. Blocks.
fn remove_second_name(old: &Path, copy: &Path) -> bool {
    let identities = [old, copy].map(|path| path.symlink_metadata().ok());
    let [Some(old), Some(kept)] = identities.map(|it| it.as_ref().map(LocalIdentity::of)) else {
        return false;
    };
    old.is_same_file(&kept) && std::fs::remove_file(copy).is_ok()
}

fn conflict(planned: PlannedChange) -> Decision {
    let message = match planned.change {
        Change::DeleteRemote | Change::DeleteLocal => {
            "it was changed or added on the side that is written to since the last time"
        }
        _ => "it differs on both sides, and the one that would be replaced may be newer",
    };
    let error = Error::new(ErrorKind::Conflict, message);
    Decision::failed(planned.path, Some(planned.change), error)
}

/// A second name where the file system has that, else a copy: the first name is never without the file. Returns the file as it
/// is once it is kept. Blocks.
fn keep(old: &Path, kept: &Path) -> std::io::Result<LocalIdentity> {
    if std::fs::hard_link(old, kept).is_ok() {
        return Ok(LocalIdentity::of(&old.symlink_metadata()?));
    }
    let mut from = std::fs::File::open(old)?;
    let before = LocalIdentity::of(&from.metadata()?);
    let mut to = std::fs::File::create_new(kept)?;
    let copied = std::io::copy(&mut from, &mut to).and_then(|_| to.sync_all());
    if copied.is_err() {
        // Half of a file is no version of it.
        let _ = std::fs::remove_file(kept);
    }
    copied.map(|()| before)
}
