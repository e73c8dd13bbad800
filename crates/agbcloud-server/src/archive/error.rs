//! Why a copy failed.

use std::io;
use std::path::{Path, PathBuf};

use super::report::CopyReport;
use crate::blobs::BlobError;
use crate::error::StartError;
use crate::key_file::KeyFileError;
use crate::metadata::StoreError;
use crate::metadata::sqlite::DatabaseError;
use crate::storage::Storage;

/// Why a backup, a restore or a migration failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The source or the target store can't be opened.
    #[error(transparent)]
    Store(#[from] StartError),
    /// A store in memory, or of an engine that this build does not support, can't be copied.
    #[error("a store in {storage} can't be copied")]
    Unsupported {
        /// The storage, without passwords.
        storage: String,
    },
    /// The running service does not keep the contents of deleted files for a backup.
    #[error(
        "the service that uses {} has an older version, which can't be backed up while it runs: restart it with this version, or stop it", path.display()
    )]
    OlderService {
        /// The data folder.
        path: PathBuf,
    },
    /// The source and the target are the same.
    #[error("the source and the target are the same store")]
    SameStore,
    /// There is no store in the database of the source.
    #[error("{place} contains no store")]
    NoStore {
        /// The source, without passwords.
        place: String,
    },
    /// The contents of the source belong to another database.
    #[error("the metadata and the contents of {place} do not belong together: check the URLs")]
    OtherBlobs {
        /// The source, without passwords.
        place: String,
    },
    /// Both the source and the key file have keys.
    #[error("{place} contains keys already: use it without a key file")]
    OtherKeys {
        /// The source, without passwords.
        place: String,
    },
    /// The key file can't be read.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The target contains a store already.
    #[error("{target} is not empty: use another target")]
    NotEmpty {
        /// The target, without passwords.
        target: String,
    },
    /// Another import into the target did not finish: from another source, or with another store of contents.
    #[error(
        "another restore or migration into {target} did not finish: repeat that one, or delete the target"
    )]
    OtherImport {
        /// The target, without passwords.
        target: String,
    },
    /// The archive exists already.
    #[error("{} exists already: use another name", path.display())]
    Exists {
        /// The archive.
        path: PathBuf,
    },
    /// The archive has no manifest: the backup did not finish, or the file is cut off.
    #[error("the archive {} is incomplete: it has no manifest", path.display())]
    Incomplete {
        /// The archive.
        path: PathBuf,
    },
    /// The archive has the format of another version.
    #[error("the archive {} has the format version {found}, but this version supports only {known}", path.display())]
    Version {
        /// The archive.
        path: PathBuf,
        /// The version of the archive.
        found: u64,
        /// The version that is supported.
        known: u64,
    },
    /// A part of the archive other than a content is damaged.
    #[error("the archive {} is damaged: {detail}", path.display())]
    Invalid {
        /// The archive.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// Rows or contents are damaged. The report lists them.
    #[error("{place} is damaged: {} found", count(.report))]
    Damaged {
        /// Where the damage is, without passwords.
        place: String,
        /// What was read so far, with the findings.
        report: Box<CopyReport>,
    },
    /// A file or folder can't be read or written.
    #[error("can't use {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The store failed while it was copied.
    #[error("the copy failed: {reason}")]
    Failed {
        /// The error of the store.
        reason: String,
    },
}

fn count(report: &CopyReport) -> String {
    match report.findings.len() {
        1 => "1 problem".to_owned(),
        more => format!("{more} problems"),
    }
}

impl ArchiveError {
    pub(super) fn unsupported(store: &Storage) -> Self {
        Self::Unsupported {
            storage: store.to_string(),
        }
    }

    /// Adds a path to an error of the operating system.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(super) fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed {
            reason: error.to_string(),
        }
    }

    /// Describes why a target can't be used.
    pub(super) fn of_target(error: DatabaseError, target: &Path) -> Self {
        let target = target.display().to_string();
        match error {
            DatabaseError::NotEmpty => Self::NotEmpty { target },
            DatabaseError::OtherImport => Self::OtherImport { target },
            other => other.into(),
        }
    }
}

impl From<DatabaseError> for ArchiveError {
    fn from(error: DatabaseError) -> Self {
        Self::Store(error.into())
    }
}

impl From<StoreError> for ArchiveError {
    fn from(error: StoreError) -> Self {
        Self::failed(error)
    }
}

impl From<BlobError> for ArchiveError {
    fn from(error: BlobError) -> Self {
        Self::failed(error)
    }
}
