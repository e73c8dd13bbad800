//! Uploading one file of a sync.

use std::{path::Path, sync::atomic::Ordering};

use super::{conflict_copy::ConflictCopy, read_ahead::Prepared, shared_state::SharedState};
use crate::{
    Error, ErrorDetail, ErrorKind, RemotePath, Result, UploadSource, Uploaded,
    file::local::{LocalFile, LocalIdentity, hash_file},
    sync::{
        plan::PlannedChange,
        state::{RemoteTime, SyncedVersion, etag_number},
    },
    transfer::{PutCondition, UpdateGuard, rejects_condition},
};

/// Maximum number of uploads of a file that changes during the upload.
const MAX_UPLOADS: u32 = 3;

impl SharedState {
    pub(super) async fn upload(
        &self,
        planned: &PlannedChange,
        Prepared {
            mut content,
            mut url,
        }: Prepared,
        local: LocalFile,
        remote: RemotePath,
        kept: &mut Option<ConflictCopy>,
    ) -> Result<u64> {
        let options = &self.options;
        let mut condition = condition_of(planned);
        if planned.keeps_both {
            // A throttled attempt may have made the copy.
            let copy = match kept {
                Some(copy) => copy,
                None => kept.insert(options.copy_remote(&planned.path).await?),
            };
            condition = copy.etag.clone().map_or(condition, PutCondition::IfMatch);
        }
        let mut compared = (planned.size, planned.modified);
        let mut remaining = MAX_UPLOADS;
        loop {
            if self.rejects_conditions.load(Ordering::Relaxed) {
                condition = PutCondition::None;
            }
            let source = UploadSource::local(local.clone(), content.take());
            let url = match url.take() {
                Some(ticket) => ticket.url().await,
                None => None,
            };
            let mut upload = options.files.upload(remote.clone(), source);
            upload = upload
                .prefetched_url(url)
                .only_if(condition.clone())
                .tolerates_change();
            if let Some(listener) = self.meter.file(&planned.path) {
                upload = upload.on_progress(listener);
            }
            remaining -= 1;
            let error = match upload.await {
                Ok(uploaded) => {
                    self.record_upload(&remote, &uploaded).await?;
                    if !uploaded.source_changed {
                        return Ok(uploaded.bytes);
                    }
                    let etag = uploaded.etag;
                    condition = etag.map_or(PutCondition::None, PutCondition::IfMatch);
                    changed_during_upload(local.path())
                }
                Err(error) if condition != PutCondition::None && rejects_condition(&error) => {
                    // 501 is about the condition. 400 has other causes, too.
                    if error.status() == Some(400)
                        && options.files.update_guard().await? == UpdateGuard::Conditions
                    {
                        return Err(error);
                    }
                    self.rejects_conditions.store(true, Ordering::Relaxed);
                    remaining += 1;
                    continue;
                }
                Err(error) if error.is_failed_condition() => {
                    return match self.is_uploaded_already(&local, &remote).await? {
                        Some(bytes) => Ok(bytes),
                        None => Err(remote_changed(error)),
                    };
                }
                Err(error) => {
                    let current = local.identity().await;
                    let current = current.map(|current| (Some(current.size), current.modified()));
                    let is_unchanged = current.is_none_or(|current| current == compared);
                    if error.kind() != ErrorKind::LocalFile || is_unchanged {
                        return Err(error);
                    }
                    compared = current.unwrap_or(compared);
                    error
                }
            };
            if remaining == 0 {
                return Err(error);
            }
        }
    }

    /// Returns the size of the local file if the remote file has its content: an earlier attempt may have uploaded it, and
    /// only the response was lost.
    async fn is_uploaded_already(
        &self,
        local: &LocalFile,
        remote: &RemotePath,
    ) -> Result<Option<u64>> {
        let Some(current) = self.options.store_checksums(remote).await? else {
            return Ok(None);
        };
        let identity = local.identity().await;
        let Some(identity) = identity.filter(|_| !current.is_empty()) else {
            return Ok(None);
        };
        let content = hash_file(local.path(), current.hasher()).await?;
        if !current.match_content(&content) {
            return Ok(None);
        }
        let etag = etag_number(current.etag());
        let checksums = (content.crc64(), etag);
        self.record_acknowledged(remote, checksums, identity)
            .await?;
        Ok(Some(identity.size))
    }

    async fn record_upload(&self, remote: &RemotePath, uploaded: &Uploaded) -> Result<()> {
        let checksums = (uploaded.crc64, etag_number(uploaded.etag.as_deref()));
        match uploaded.source {
            Some(local) => self.record_acknowledged(remote, checksums, local).await,
            None => Ok(()),
        }
    }

    /// Records an uploaded file, whose remote time is not known until it is listed.
    async fn record_acknowledged(
        &self,
        remote: &RemotePath,
        (crc64, etag): (u64, u64),
        local: LocalIdentity,
    ) -> Result<()> {
        let client = &self.options.files.client;
        let now = client.service_clock().latest(client.time().system_time());
        let version = SyncedVersion {
            crc64,
            etag,
            local,
            recent: local.is_recent(self.options.started),
            remote: RemoteTime::Acknowledged(now),
        };
        self.options.record(remote, Some(version)).await
    }
}

/// Returns the condition that the remote file is the one that was compared.
fn condition_of(planned: &PlannedChange) -> PutCondition {
    let checksums = planned.compared.remote.as_ref();
    match checksums.and_then(|checksums| checksums.etag()) {
        Some(etag) => PutCondition::IfMatch(etag.to_owned()),
        // A store that reports no ETag may not support conditions.
        None if planned.replaces => PutCondition::None,
        None => PutCondition::IfAbsent,
    }
}

fn changed_during_upload(path: &Path) -> Error {
    let message = format!("{} changed during the upload", path.display());
    Error::new(ErrorKind::LocalFile, message)
        .with_detail(ErrorDetail::Changed)
        .with_local_path(path)
}

fn remote_changed(cause: Error) -> Error {
    let message = "the remote file was changed or added since it was compared";
    Error::new(ErrorKind::Conflict, message)
        .with_detail(ErrorDetail::Changed)
        .with_source(cause)
}
