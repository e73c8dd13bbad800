//! What identifies the content of a remote file without fetching it.

use std::time::SystemTime;

use crate::{FileEntry, Timestamp, file::checksum::Told};

/// A remote file as a listing shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RemoteIdentity {
    pub(super) size: Option<u64>,
    pub(super) modified: Option<SystemTime>,
    /// The checksums of its content, where the listing has them.
    pub(super) sums: Told,
}

impl RemoteIdentity {
    pub(super) fn of(entry: &FileEntry) -> Self {
        let modified = entry.modified_at.as_ref();
        Self {
            size: entry.size,
            modified: modified.and_then(Timestamp::to_system_time),
            sums: Told::listed(entry.etag.as_deref(), entry.crc64),
        }
    }

    /// The ETag to send in a condition.
    pub(super) fn etag(&self) -> Option<&str> {
        self.sums.etag()
    }
}
