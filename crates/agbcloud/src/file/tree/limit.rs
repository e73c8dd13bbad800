//! How much may be deleted.

use std::fmt;

use super::{Change, SyncPlan};
use crate::{Error, ErrorDetail, ErrorKind, Result};

/// How many files a synchronisation may delete before it is taken for a mistake: see
/// [`SyncDir::delete_limit`](crate::SyncDir::delete_limit).
///
/// The default is 1000 files, and half of the files that there are on the side that is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeleteLimit {
    files: Option<u64>,
    percent: Option<u8>,
}

impl DeleteLimit {
    /// Any number of files.
    pub const NONE: Self = Self {
        files: None,
        percent: None,
    };

    /// So many files.
    pub const fn files(files: u64) -> Self {
        Self {
            files: Some(files),
            percent: None,
        }
    }

    /// So many of a hundred files that there are on the side that is written to. With 100, an empty source may delete all.
    pub const fn percent(percent: u8) -> Self {
        Self {
            files: None,
            percent: Some(percent),
        }
    }
}

impl Default for DeleteLimit {
    fn default() -> Self {
        Self {
            files: Some(1000),
            percent: Some(50),
        }
    }
}

impl fmt::Display for DeleteLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.files.map(|files| match files {
            1 => "1 file".to_owned(),
            files => format!("{files} files"),
        });
        match (files, self.percent) {
            (Some(files), Some(percent)) => write!(f, "{files} or {percent} %"),
            (Some(files), None) => f.write_str(&files),
            (None, Some(percent)) => write!(f, "{percent} %"),
            (None, None) => f.write_str("no limit"),
        }
    }
}

impl SyncPlan {
    /// Refuses what deletes more than the limit, as a synchronisation with that
    /// [`delete_limit`](crate::SyncDir::delete_limit) does; for a plan that was to be looked at first.
    ///
    /// # Errors
    ///
    /// [`SafetyLimit`](ErrorKind::SafetyLimit).
    pub fn check_delete_limit(&self, limit: DeleteLimit) -> Result<()> {
        let count = |change| self.count(change) as u64;
        let deleted = count(Change::DeleteLocal) + count(Change::DeleteRemote);
        let sent = count(Change::Upload) + count(Change::Download);
        let replaced = self.changes().filter(|change| change.replaces).count() as u64;
        let there = self.unchanged() + replaced + deleted;
        if deleted == 0 {
            return Ok(());
        }
        if limit == DeleteLimit::NONE {
            return Ok(());
        }
        let nothing_here = self.unchanged() + sent + self.failed() == 0;
        if nothing_here && limit.percent != Some(100) {
            let message =
                format!("there is not one file to synchronise, and {deleted} would be deleted");
            return Err(Error::new(ErrorKind::SafetyLimit, message)
                .with_detail(ErrorDetail::EmptySource { deleted }));
        }
        let many = limit.files.is_some_and(|files| deleted > files);
        let share = limit
            .percent
            .map(|percent| u128::from(deleted) * 100 > u128::from(there) * u128::from(percent));
        if many || share == Some(true) {
            let message = format!("{deleted} of {there} files would be deleted, more than {limit}");
            let total = there;
            return Err(Error::new(ErrorKind::SafetyLimit, message)
                .with_detail(ErrorDetail::DeleteLimit { deleted, total }));
        }
        Ok(())
    }
}
