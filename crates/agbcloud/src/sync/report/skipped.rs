//! Skipped entries and the reasons.

use std::{fmt, path::Path};

use crate::sync::paths;

/// Why an entry is not copied, replaced or deleted.
///
/// Entries that [`include`](crate::SyncDir::include), [`exclude`](crate::SyncDir::exclude) or
/// [`gitignore`](crate::SyncDir::gitignore) filter out are not reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SkipReason {
    /// A symbolic link, which a context can't store. See [`Symlinks`](crate::Symlinks).
    Symlink,
    /// A socket, a named pipe or a device.
    SpecialFile,
    /// A folder without entries. A context stores only files, and a download creates no folder without a file.
    EmptyFolder,
    /// The temporary file of a running download, or of one whose process was killed.
    UnfinishedDownload,
    /// The file on the target side was changed: see [`ConflictPolicy::Skip`](crate::ConflictPolicy::Skip).
    Conflict,
    /// The file is not in the listing but in the store. It is not deleted.
    StaleListing,
    /// The service listed a name that is not valid in a request.
    InvalidName,
}

impl SkipReason {
    /// Returns a stable identifier, such as `symlink` or `empty_folder`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Symlink => "symlink",
            Self::SpecialFile => "special_file",
            Self::EmptyFolder => "empty_folder",
            Self::UnfinishedDownload => "unfinished_download",
            Self::Conflict => "conflict",
            Self::StaleListing => "stale_listing",
            Self::InvalidName => "invalid_name",
        }
    }
}

/// Formats a description, such as `symbolic link`.
impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Symlink => "symbolic link",
            Self::SpecialFile => "special file",
            Self::EmptyFolder => "empty folder",
            Self::UnfinishedDownload => "unfinished download",
            Self::Conflict => "conflict",
            Self::StaleListing => "missing in the listing",
            Self::InvalidName => "invalid name",
        })
    }
}

/// A skipped entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedEntry {
    /// Path relative to the folders, with `/` between the segments.
    pub path: String,
    /// The reason.
    pub reason: SkipReason,
}

impl SkippedEntry {
    pub(in crate::sync) fn new(path: impl Into<String>, reason: SkipReason) -> Self {
        Self {
            path: path.into(),
            reason,
        }
    }

    /// Returns the entry of a local path. A name that is not UTF-8 is converted lossily.
    pub(in crate::sync) fn local(relative: &Path, reason: SkipReason) -> Self {
        let path = paths::from_local(relative);
        Self::new(
            path.unwrap_or_else(|_| relative.to_string_lossy().into_owned()),
            reason,
        )
    }
}
