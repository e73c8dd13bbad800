//! The decisions that planning makes for each file.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Sender;

use super::compare::Comparison;
use crate::{
    Error, ErrorKind, Result,
    file::local::LocalIdentity,
    sync::{
        change::Change,
        options::{ConflictPolicy, SyncOptions},
        report::{FileFailure, SkipReason, SkippedEntry},
    },
    transfer::StoreChecksums,
};

/// A planned change to one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlannedChange {
    /// Path relative to the folders, with `/` between the segments.
    pub path: String,
    /// The change.
    pub change: Change,
    /// Size in bytes, if known.
    pub size: Option<u64>,
    /// Whether the change replaces an existing file. Always `false` for a deletion.
    pub replaces: bool,
    /// Whether the replaced file is in conflict and [kept](crate::ConflictPolicy::KeepBoth) under another name.
    pub keeps_both: bool,
    /// Whether a two-way sync restores a file on the side that has deleted it, since it was changed on the other side.
    pub restores: bool,
    /// Whether the change uploads an executable file. A context does not record that.
    pub executable: bool,
    /// Modification time of the file that is copied.
    #[serde(skip)]
    pub(in crate::sync) modified: Option<SystemTime>,
    /// The compared files.
    #[serde(skip)]
    pub(in crate::sync) compared: Compared,
}

/// The compared files. A file that has changed since is neither replaced nor deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::sync) struct Compared {
    pub(in crate::sync) local: Option<LocalIdentity>,
    /// The checksums of the remote file, if the listing contains them.
    pub(in crate::sync) remote: Option<StoreChecksums>,
}

impl PlannedChange {
    /// The upload of a local conflict copy.
    pub(in crate::sync) fn kept_copy(path: &str) -> Self {
        Self::deletion(path, Change::Upload, None, Compared::default())
    }

    pub(super) fn deletion(
        path: &str,
        change: Change,
        size: Option<u64>,
        compared: Compared,
    ) -> Self {
        Self {
            path: path.to_owned(),
            change,
            size,
            replaces: false,
            keeps_both: false,
            restores: false,
            executable: false,
            modified: None,
            compared,
        }
    }
}

/// Receives the results of planning in batches. Deletions are last, followed only by files that take the place of something
/// that is deleted.
pub(in crate::sync) trait PlanSink: Send {
    fn add(&mut self, decisions: Vec<Decision>) -> impl Future<Output = Result<()>> + Send;
}

/// The result of planning for one file.
pub(in crate::sync) enum Decision {
    Change(PlannedChange),
    Unchanged,
    /// Unchanged by size and time only.
    Unverified,
    Skipped(SkippedEntry),
    Failed(FileFailure),
    /// The numbers of files that both sides of a two-way sync have.
    Totals(SideTotals),
}

/// The number of files on each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sync) struct SideTotals {
    pub(in crate::sync) local: u64,
    pub(in crate::sync) remote: u64,
}

impl Decision {
    pub(super) fn skipped(path: impl Into<String>, reason: SkipReason) -> Self {
        Self::Skipped(SkippedEntry::new(path, reason))
    }

    pub(super) fn failed(path: impl Into<String>, change: Option<Change>, error: Error) -> Self {
        Self::Failed(FileFailure::new(path, change, error))
    }
}

impl SyncOptions {
    /// Decides about a file that exists on both sides.
    pub(super) fn decide_copy(&self, comparison: Comparison, planned: PlannedChange) -> Decision {
        match (comparison, self.on_conflict) {
            (Comparison::Same, _) => Decision::Unchanged,
            (Comparison::Unverified, _) => Decision::Unverified,
            (Comparison::Differs, _) | (Comparison::Conflict, ConflictPolicy::Overwrite) => {
                Decision::Change(planned)
            }
            (Comparison::Conflict, ConflictPolicy::Skip) => {
                Decision::skipped(planned.path, SkipReason::Conflict)
            }
            (Comparison::Conflict, ConflictPolicy::Fail) => conflict(planned),
            (Comparison::Conflict, ConflictPolicy::KeepBoth) => Decision::Change(PlannedChange {
                keeps_both: true,
                ..planned
            }),
        }
    }

    /// Decides about an extraneous file.
    pub(super) fn decide_deletion(&self, changed: bool, planned: PlannedChange) -> Decision {
        match self.on_conflict {
            _ if !changed => Decision::Change(planned),
            ConflictPolicy::Overwrite => Decision::Change(planned),
            ConflictPolicy::Fail => conflict(planned),
            ConflictPolicy::Skip | ConflictPolicy::KeepBoth => {
                Decision::skipped(planned.path, SkipReason::Conflict)
            }
        }
    }
}

fn conflict(planned: PlannedChange) -> Decision {
    let message = match planned.change.is_deletion() {
        true => "the file was changed or added on the target side since the last sync",
        false => "the file on the target side changed since the last sync, or may be newer",
    };
    let error = Error::new(ErrorKind::Conflict, message);
    Decision::failed(planned.path, Some(planned.change), error)
}

/// Sends decisions to the [`PlanSink`].
pub(super) struct DecisionSender(pub(super) Sender<Vec<Decision>>);

impl DecisionSender {
    pub(super) async fn send(&self, decisions: Vec<Decision>) -> Result<()> {
        self.0.send(decisions).await.map_err(|_| runtime_ended())
    }
}

pub(super) fn runtime_ended() -> Error {
    let message = "the runtime was shut down while the folders were compared";
    Error::new(ErrorKind::Connection, message)
}
