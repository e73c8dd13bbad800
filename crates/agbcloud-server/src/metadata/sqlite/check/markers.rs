//! Checks that the database belongs to the folder of blobs.

use std::path::Path;

use super::{CheckResult, CheckTransaction};
use crate::metadata::check::{Problem, ProblemKind};
use crate::markers::{DatabaseMarker, FolderMarker, MarkerFile, check_match};
use crate::metadata::sqlite::meta;
use crate::metadata::sqlite::open::copy_log;
use crate::metadata::sqlite::row_checksums;

/// The markers of a store.
pub(crate) struct MarkerCheck {
    database: Option<DatabaseMarker>,
    folder: Option<FolderMarker>,
    /// Whether both can be read.
    readable: bool,
    /// Whether they are known to belong together.
    matching: bool,
}

impl CheckTransaction<'_> {
    /// Compares the markers of the database and of the folder of blobs. With `accept`, all problems count as repaired.
    pub(crate) fn markers(
        &self,
        blobs: &Path,
        accept: bool,
    ) -> CheckResult<(MarkerCheck, Vec<Problem>)> {
        let mut problems: Vec<Problem> = Vec::new();
        let damaged = meta::damaged_rows(&self.db)?.into_iter();
        for name in damaged.filter(|name| meta::MARKER.contains(&&**name)) {
            problems.push(ProblemKind::MetaChecksum(name).into());
        }
        let database = meta::marker(&self.db).unwrap_or_else(|error| {
            problems.push(ProblemKind::Unreadable(error.to_string()).into());
            None
        });
        let folder = MarkerFile::read(blobs).unwrap_or_else(|error| {
            problems.push(ProblemKind::Unreadable(error.to_string()).into());
            None
        });
        let readable = problems.is_empty();
        if readable && let Err(mismatch) = check_match(database.as_ref(), folder.as_ref()) {
            problems.push(ProblemKind::StoreMismatch(mismatch).into());
            copy_log(blobs)?;
        }
        let check = MarkerCheck {
            database,
            folder,
            readable,
            matching: problems.is_empty(),
        };
        let problems = problems.into_iter().map(|problem| problem.repaired(accept));
        Ok((check, problems.collect()))
    }

    /// Starts a run for the changes of a repair, and returns the new marker of the folder of blobs, which is written after the
    /// commit. Returns `None` if the markers do not match and that is not accepted.
    pub(crate) fn start_run(
        &self,
        check: &MarkerCheck,
        accept: bool,
    ) -> CheckResult<Option<FolderMarker>> {
        if !check.matching && !accept {
            return Ok(None);
        }
        // A damaged marker is replaced by a new one.
        let known = check.database.filter(|_| check.readable);
        let known = known.map(|marker| DatabaseMarker {
            confirmed: marker.confirmed.filter(|_| check.matching),
            ..marker
        });
        let at_least = check.folder.map_or(0, |marker| marker.position.sequence);
        row_checksums::create_triggers(&self.db)?;
        let marker = meta::start_run(&self.db, known, at_least)?;
        Ok(Some(FolderMarker {
            store: marker.store,
            position: marker.position,
            // Whether staging files were acknowledged depends on the previous run.
            strict: check.matching && check.folder.is_some_and(|marker| marker.strict),
        }))
    }
}
