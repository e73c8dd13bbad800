//! The limit on deletions.

use std::fmt;

/// The maximum number of files that a sync deletes: see [`SyncDir::delete_limit`](crate::SyncDir::delete_limit).
///
/// Defaults to 1000 files and half of the files on the target side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeleteLimit {
    pub(super) files: Option<u64>,
    pub(super) percent: Option<u8>,
}

impl DeleteLimit {
    /// Any number of files.
    pub const NONE: Self = Self {
        files: None,
        percent: None,
    };

    /// This number of files.
    pub const fn files(files: u64) -> Self {
        Self {
            files: Some(files),
            percent: None,
        }
    }

    /// This percentage of the files on the target side. 100 allows to delete all files for an empty source.
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
