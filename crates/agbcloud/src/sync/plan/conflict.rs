//! Applying the conflict policy.

use super::{
    compare::Comparison,
    decision::{Decision, PlannedChange},
};
use crate::{
    Error, ErrorKind,
    sync::{
        options::{ConflictPolicy, SyncOptions},
        report::SkipReason,
    },
};

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
        false => "the file differs on both sides, and the one on the target side may be newer",
    };
    let error = Error::new(ErrorKind::Conflict, message);
    Decision::failed(planned.path, Some(planned.change), error)
}
