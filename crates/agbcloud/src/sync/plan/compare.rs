//! Comparing a local and a remote file.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use super::remote_files::RemoteIdentity;
use crate::{
    RemotePath, Result,
    file::local::{LocalIdentity, hash_file},
    service_clock::Order,
    sync::{
        options::{Compare, Direction, SyncOptions},
        state::{RemoteTime, SyncedVersion, etag_number},
    },
    transfer::{ContentHasher, StoreChecksums},
};

const SECOND: Duration = Duration::from_secs(1);

/// A file that exists on both sides.
pub(super) struct FilePair<'a> {
    pub(super) local_path: &'a Path,
    pub(super) remote_path: &'a RemotePath,
    pub(super) local: LocalIdentity,
    pub(super) remote: &'a RemoteIdentity,
}

/// The result of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Same,
    /// The same by size and time only, since the store reports no checksum.
    Unverified,
    Differs,
    /// The files differ, and the target was changed since the last sync, or may be newer than the source.
    Conflict,
}

/// The result of a comparison with the common version of both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TwoWayComparison {
    Same,
    /// The same by size and time only, since the store reports no checksum.
    Unverified,
    LocalChanged,
    RemoteChanged,
    /// Both were changed to different contents, or they differ and have no common version.
    BothChanged,
}

/// Whether a remote file has changed since the last sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChangeSinceSync {
    Unchanged,
    /// Unchanged by size and time only.
    UnchangedUnverified,
    Changed,
}

impl SyncOptions {
    pub(super) async fn compare_pair(&self, pair: &FilePair<'_>) -> Result<Comparison> {
        match self.synced_version(pair.remote_path) {
            Some(synced) => self.compare_with_state(pair, &synced).await,
            None => self.compare_without_state(pair).await,
        }
    }

    async fn compare_with_state(
        &self,
        pair: &FilePair<'_>,
        synced: &SyncedVersion,
    ) -> Result<Comparison> {
        let (local_changed, remote) = self.changes_since_sync(pair, synced).await?;
        let remote_changed = remote == ChangeSinceSync::Changed;
        let (source_changed, target_changed) = match self.direction {
            Direction::Down => (remote_changed, local_changed),
            Direction::Up | Direction::DeleteOnly | Direction::Both(_) => {
                (local_changed, remote_changed)
            }
        };
        if target_changed {
            // Both sides may have been changed to the same content.
            return Ok(match self.has_same_content(pair).await? {
                Some(true) => Comparison::Same,
                Some(false) | None => Comparison::Conflict,
            });
        }
        if source_changed {
            return Ok(Comparison::Differs);
        }
        self.refresh(pair, synced).await?;
        Ok(match remote {
            ChangeSinceSync::UnchangedUnverified => Comparison::Unverified,
            _ => Comparison::Same,
        })
    }

    /// Whether each side has changed since the last sync.
    async fn changes_since_sync(
        &self,
        pair: &FilePair<'_>,
        synced: &SyncedVersion,
    ) -> Result<(bool, ChangeSinceSync)> {
        let local = self.is_local_changed(pair.local_path, pair.local, synced);
        let remote = self.remote_change(pair.remote_path, pair.remote, synced);
        Ok((local.await?, remote.await?))
    }

    /// Records the current times of files whose content is that in the state.
    async fn refresh(&self, pair: &FilePair<'_>, synced: &SyncedVersion) -> Result<()> {
        let etag = pair.remote.etag();
        let current = SyncedVersion {
            etag: etag.map_or(synced.etag, |etag| etag_number(Some(etag))),
            ..self.current_version(pair, synced.crc64)
        };
        match current == *synced {
            true => Ok(()),
            false => self.record(pair.remote_path, Some(current)).await,
        }
    }

    /// Compares both sides with their common version in the state.
    pub(super) async fn compare_both(&self, pair: &FilePair<'_>) -> Result<TwoWayComparison> {
        let Some(synced) = self.synced_version(pair.remote_path) else {
            return Ok(match self.compare_without_state(pair).await? {
                Comparison::Same => {
                    if pair.local.size == 0 {
                        self.record_equal(pair).await?;
                    }
                    TwoWayComparison::Same
                }
                Comparison::Unverified => {
                    self.record_equal(pair).await?;
                    TwoWayComparison::Unverified
                }
                Comparison::Differs | Comparison::Conflict => TwoWayComparison::BothChanged,
            });
        };
        let (local_changed, remote) = self.changes_since_sync(pair, &synced).await?;
        match (local_changed, remote) {
            (false, ChangeSinceSync::Changed) => Ok(TwoWayComparison::RemoteChanged),
            (true, ChangeSinceSync::Changed) => Ok(match self.has_same_content(pair).await? {
                Some(true) => TwoWayComparison::Same,
                Some(false) | None => TwoWayComparison::BothChanged,
            }),
            (true, _) => Ok(TwoWayComparison::LocalChanged),
            (false, remote) => {
                self.refresh(pair, &synced).await?;
                Ok(match remote {
                    ChangeSinceSync::UnchangedUnverified => TwoWayComparison::Unverified,
                    _ => TwoWayComparison::Same,
                })
            }
        }
    }

    /// Compares files that are not in the state. A target that is or may be newer than the source is in conflict.
    async fn compare_without_state(&self, pair: &FilePair<'_>) -> Result<Comparison> {
        let (local, remote) = (pair.local, pair.remote);
        if remote.size == Some(local.size) {
            if local.size == 0 {
                return Ok(Comparison::Same);
            }
            match self.has_same_content(pair).await? {
                Some(true) => return Ok(Comparison::Same),
                None if self.times_match(pair) => return Ok(Comparison::Unverified),
                Some(false) | None => {}
            }
        }
        let times = local.modified().zip(remote.modified);
        let order = times.map_or(Order::Unknown, |(local, remote)| {
            self.files.client.service_clock().compare(local, remote)
        });
        let is_source_newer = match self.direction {
            Direction::Down => order == Order::Earlier,
            Direction::Up | Direction::DeleteOnly | Direction::Both(_) => order == Order::Later,
        };
        Ok(match is_source_newer {
            true => Comparison::Differs,
            false => Comparison::Conflict,
        })
    }

    /// Compares the content by checksum, and records it in the state if it is the same. Returns `None` if the store reports
    /// no checksum.
    async fn has_same_content(&self, pair: &FilePair<'_>) -> Result<Option<bool>> {
        if pair.remote.size.is_some_and(|size| size != pair.local.size) {
            return Ok(Some(false));
        }
        let requested;
        let checksums = match pair.remote.checksums.is_empty() {
            false => &pair.remote.checksums,
            true => match self.store_checksums(pair.remote_path).await? {
                Some(checksums) => {
                    requested = checksums;
                    &requested
                }
                // The file was deleted after it was listed.
                None => return Ok(Some(false)),
            },
        };
        if checksums.is_empty() {
            return Ok(None);
        }
        let content = hash_file(pair.local_path, checksums.hasher()).await?;
        if !checksums.match_content(&content) {
            return Ok(Some(false));
        }
        let current = SyncedVersion {
            etag: etag_number(checksums.etag()),
            ..self.current_version(pair, content.crc64())
        };
        self.record(pair.remote_path, Some(current)).await?;
        Ok(Some(true))
    }

    /// Records files that are the same without a checksum of the store. Without a record, a deletion of one of them would be
    /// taken for an addition of the other.
    async fn record_equal(&self, pair: &FilePair<'_>) -> Result<()> {
        let content = hash_file(pair.local_path, ContentHasher::crc64_only()).await?;
        let current = SyncedVersion {
            etag: etag_number(pair.remote.etag()),
            ..self.current_version(pair, content.crc64())
        };
        self.record(pair.remote_path, Some(current)).await
    }

    fn current_version(&self, pair: &FilePair<'_>, crc64: u64) -> SyncedVersion {
        let now = self.files.client.time().system_time();
        SyncedVersion {
            crc64,
            etag: 0,
            local: pair.local,
            recent: pair.local.is_recent(self.started),
            remote: match pair.remote.modified {
                Some(modified) => RemoteTime::Listed {
                    modified,
                    recent: self.files.client.service_clock().is_recent(modified, now),
                },
                None => RemoteTime::Unknown,
            },
        }
    }

    /// Whether the content of a local file differs from that in the state.
    pub(super) async fn is_local_changed(
        &self,
        path: &Path,
        local: LocalIdentity,
        synced: &SyncedVersion,
    ) -> Result<bool> {
        if local.size != synced.local.size {
            return Ok(true);
        }
        if self.compare == Compare::SizeAndTime && local == synced.local && !synced.recent {
            return Ok(false);
        }
        let content = hash_file(path, ContentHasher::crc64_only()).await?;
        Ok(content.crc64() != synced.crc64)
    }

    /// Whether a local file without a remote one was written since the last sync, even with the same content.
    pub(super) async fn is_local_written(
        &self,
        path: &Path,
        local: LocalIdentity,
        synced: &SyncedVersion,
    ) -> Result<bool> {
        let is_written = local.modified() != synced.local.modified();
        Ok(is_written || self.is_local_changed(path, local, synced).await?)
    }

    /// Whether a remote file without a local one was written since the last sync, even with the same content.
    pub(super) async fn is_remote_written(
        &self,
        path: &RemotePath,
        remote: &RemoteIdentity,
        synced: &SyncedVersion,
    ) -> Result<bool> {
        let is_written = remote.modified.is_some_and(|now| match synced.remote {
            RemoteTime::Unknown => false,
            RemoteTime::Listed { modified, .. } => now != modified,
            RemoteTime::Acknowledged(then) => now > then + SECOND,
        });
        Ok(is_written || self.is_remote_changed(path, remote, synced).await?)
    }

    /// Whether the content of a remote file differs from that in the state.
    pub(super) async fn is_remote_changed(
        &self,
        path: &RemotePath,
        remote: &RemoteIdentity,
        synced: &SyncedVersion,
    ) -> Result<bool> {
        Ok(self.remote_change(path, remote, synced).await? == ChangeSinceSync::Changed)
    }

    async fn remote_change(
        &self,
        path: &RemotePath,
        remote: &RemoteIdentity,
        synced: &SyncedVersion,
    ) -> Result<ChangeSinceSync> {
        if remote.size.is_some_and(|size| size != synced.local.size) {
            return Ok(ChangeSinceSync::Changed);
        }
        if let Some(change) = change_by_checksums(&remote.checksums, synced) {
            return Ok(change);
        }
        if let RemoteTime::Listed {
            modified,
            recent: false,
        } = synced.remote
            && self.compare == Compare::SizeAndTime
            && remote.modified == Some(modified)
        {
            return Ok(ChangeSinceSync::Unchanged);
        }
        let Some(requested) = self.store_checksums(path).await? else {
            // The file was deleted after it was listed, so nothing can be lost.
            return Ok(ChangeSinceSync::Unchanged);
        };
        if let Some(change) = change_by_checksums(&requested, synced) {
            return Ok(change);
        }
        let is_same_time = remote.modified.is_none_or(|modified| match synced.remote {
            RemoteTime::Unknown => true,
            RemoteTime::Listed { modified: then, .. } => modified == then,
            RemoteTime::Acknowledged(then) => modified <= then + SECOND,
        });
        Ok(match is_same_time {
            true => ChangeSinceSync::UnchangedUnverified,
            false => ChangeSinceSync::Changed,
        })
    }

    /// Whether the times are those of a copy, for stores without checksums: an upload makes the remote file newer than the
    /// local one, and a download gives the local file the time of the remote one.
    fn times_match(&self, pair: &FilePair<'_>) -> bool {
        let times = pair.local.modified().zip(pair.remote.modified);
        times.is_some_and(|(local, remote)| match self.direction {
            // Without a source, an older local file is no evidence of an upload.
            Direction::Down | Direction::Both(_) => {
                let truncated = remote.duration_since(local);
                truncated.is_ok_and(|truncated| truncated < precision_of(local))
            }
            Direction::Up | Direction::DeleteOnly => {
                self.files.client.service_clock().compare(local, remote) != Order::Later
            }
        })
    }
}

/// Whether the checksums show that the content differs from that in the state.
pub(in crate::sync) fn is_other_content(
    checksums: &StoreChecksums,
    synced: &SyncedVersion,
) -> bool {
    change_by_checksums(checksums, synced) == Some(ChangeSinceSync::Changed)
}

/// Compares checksums with those in the state. Returns `None` if they have none in common.
fn change_by_checksums(
    checksums: &StoreChecksums,
    synced: &SyncedVersion,
) -> Option<ChangeSinceSync> {
    let etag = etag_number(checksums.etag());
    let is_same = match checksums.crc64() {
        Some(crc64) => crc64 == synced.crc64,
        None if etag == 0 || synced.etag == 0 => return None,
        None => etag == synced.etag,
    };
    Some(match is_same {
        true => ChangeSinceSync::Unchanged,
        false => ChangeSinceSync::Changed,
    })
}

/// Returns the precision of a local time: a second if it has no fraction, and otherwise at worst 100 ns. FAT has a precision
/// of two seconds, but to assume that everywhere would hide changes.
fn precision_of(time: SystemTime) -> Duration {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    match since.is_ok_and(|since| since.subsec_nanos() == 0) {
        true => SECOND,
        false => Duration::from_nanos(100),
    }
}
