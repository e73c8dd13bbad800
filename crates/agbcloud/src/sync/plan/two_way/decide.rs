//! Decides about one file of a two-way sync.

use super::super::{
    compare::{FilePair, TwoWayComparison},
    decision::{Compared, Decision, PlannedChange},
    remote_files::RemoteIdentity,
    side_matcher::UploadCandidate,
};
use crate::{
    Error, ErrorKind, RemotePath, Result,
    file::local::LocalIdentity,
    service_clock::Order,
    sync::{
        change::Change,
        options::{SyncOptions, TwoWayConflict},
        report::SkipReason,
        state::SyncedVersion,
    },
};

/// Decides about a file that exists on both sides.
pub(super) async fn decide_pair(
    options: &SyncOptions,
    how: TwoWayConflict,
    file: UploadCandidate,
    remote: &RemoteIdentity,
) -> Decision {
    let pair = FilePair {
        local_path: &file.path,
        remote_path: &file.remote,
        local: file.identity,
        remote,
    };
    let upload = || PlannedChange {
        replaces: true,
        ..upload(&file, Some(remote))
    };
    let download = || PlannedChange {
        replaces: true,
        ..download(&file.relative, remote, Some(file.identity))
    };
    match options.compare_both(&pair).await {
        Ok(TwoWayComparison::Same) => Decision::Unchanged,
        Ok(TwoWayComparison::Unverified) => Decision::Unverified,
        Ok(TwoWayComparison::LocalChanged) => Decision::Change(upload()),
        Ok(TwoWayComparison::RemoteChanged) => Decision::Change(download()),
        Ok(TwoWayComparison::BothChanged) => match winner(options, how, file.identity, remote) {
            Winner::Local => Decision::Change(upload()),
            Winner::Remote => Decision::Change(download()),
            Winner::Both => Decision::Change(PlannedChange {
                keeps_both: true,
                ..download()
            }),
            Winner::Skipped => Decision::skipped(file.relative, SkipReason::Conflict),
            Winner::Unknown => {
                let message =
                    "the file was changed on both sides, or differs without a common version";
                Decision::failed(
                    file.relative,
                    None,
                    Error::new(ErrorKind::Conflict, message),
                )
            }
        },
        Err(error) => Decision::failed(file.relative, None, error),
    }
}

/// The side that wins a conflict.
enum Winner {
    Local,
    Remote,
    Both,
    Skipped,
    Unknown,
}

fn winner(
    options: &SyncOptions,
    how: TwoWayConflict,
    local: LocalIdentity,
    remote: &RemoteIdentity,
) -> Winner {
    let times = || local.modified().zip(remote.modified);
    let order = || {
        let clock = options.files.client.service_clock();
        times().map(|(local, remote)| clock.compare(local, remote))
    };
    match how {
        TwoWayConflict::Local => Winner::Local,
        TwoWayConflict::Remote => Winner::Remote,
        TwoWayConflict::KeepBoth => Winner::Both,
        TwoWayConflict::Skip => Winner::Skipped,
        TwoWayConflict::Fail => Winner::Unknown,
        TwoWayConflict::Newer => match order() {
            Some(Order::Later) => Winner::Local,
            Some(Order::Earlier) => Winner::Remote,
            Some(Order::Unknown) | None => Winner::Unknown,
        },
    }
}

/// Decides about a file that is not in the listing.
pub(super) async fn decide_local_only(
    options: &SyncOptions,
    how: TwoWayConflict,
    file: UploadCandidate,
) -> Decision {
    match decide_local_only_file(options, how, &file).await {
        Ok(decision) => decision,
        Err(error) => Decision::failed(file.relative, Some(Change::Upload), error),
    }
}

async fn decide_local_only_file(
    options: &SyncOptions,
    how: TwoWayConflict,
    file: &UploadCandidate,
) -> Result<Decision> {
    let Some(synced) = common_version(options, &file.remote).await? else {
        return Ok(Decision::Change(upload(file, None)));
    };
    let written = options.is_local_written(&file.path, file.identity, &synced);
    match (written.await?, how) {
        (true, TwoWayConflict::Skip) => {
            return Ok(Decision::skipped(&*file.relative, SkipReason::Conflict));
        }
        (true, TwoWayConflict::Remote) | (false, _) => {}
        (true, _) => {
            return Ok(Decision::Change(PlannedChange {
                restores: true,
                ..upload(file, None)
            }));
        }
    }
    let compared = Compared {
        local: Some(file.identity),
        remote: None,
    };
    let size = Some(file.identity.size);
    let planned = PlannedChange::deletion(&file.relative, Change::DeleteLocal, size, compared);
    Ok(Decision::Change(planned))
}

/// A remote file without a local one.
pub(super) struct RemoteOnlyFile {
    pub(super) relative: String,
    pub(super) path: RemotePath,
    pub(super) remote: RemoteIdentity,
}

/// Decides about a remote file whose local path does not exist.
pub(super) async fn decide_remote_only(
    options: &SyncOptions,
    how: TwoWayConflict,
    file: RemoteOnlyFile,
) -> Decision {
    match decide_remote_only_file(options, how, &file).await {
        Ok(decision) => decision,
        Err(error) => Decision::failed(file.relative, Some(Change::Download), error),
    }
}

async fn decide_remote_only_file(
    options: &SyncOptions,
    how: TwoWayConflict,
    file: &RemoteOnlyFile,
) -> Result<Decision> {
    let download = || download(&file.relative, &file.remote, None);
    let Some(synced) = common_version(options, &file.path).await? else {
        return Ok(Decision::Change(download()));
    };
    let written = options.is_remote_written(&file.path, &file.remote, &synced);
    let written = written.await?;
    match (written, how) {
        (true, TwoWayConflict::Skip) => {
            return Ok(Decision::skipped(&*file.relative, SkipReason::Conflict));
        }
        (true, TwoWayConflict::Local) | (false, _) => {}
        (true, _) => {
            return Ok(Decision::Change(PlannedChange {
                restores: true,
                ..download()
            }));
        }
    }
    let mut checksums = file.remote.checksums.clone();
    if written && checksums.is_empty() {
        // The deletion compares the file again, which differs from the version in the state.
        checksums = options
            .store_checksums(&file.path)
            .await?
            .unwrap_or_default();
    }
    let compared = Compared {
        local: None,
        remote: Some(checksums),
    };
    let (change, size) = (Change::DeleteRemote, file.remote.size);
    let planned = PlannedChange::deletion(&file.relative, change, size, compared);
    Ok(Decision::Change(planned))
}

/// Returns the version of a file that both sides had after the last two-way sync. Before the first one, removes the version
/// of a one-way sync, which may have left the file on one side.
async fn common_version(options: &SyncOptions, path: &RemotePath) -> Result<Option<SyncedVersion>> {
    let synced = options.synced_version(path);
    if synced.is_some() && !options.has_baseline() {
        options.record(path, None).await?;
        return Ok(None);
    }
    Ok(synced)
}

fn upload(file: &UploadCandidate, remote: Option<&RemoteIdentity>) -> PlannedChange {
    PlannedChange {
        path: file.relative.clone(),
        change: Change::Upload,
        size: Some(file.identity.size),
        replaces: false,
        keeps_both: false,
        restores: false,
        executable: file.executable,
        modified: file.identity.modified(),
        compared: Compared {
            local: None,
            remote: remote.map(|remote| remote.checksums.clone()),
        },
    }
}

fn download(
    relative: &str,
    remote: &RemoteIdentity,
    existing: Option<LocalIdentity>,
) -> PlannedChange {
    PlannedChange {
        path: relative.to_owned(),
        change: Change::Download,
        size: remote.size,
        replaces: false,
        keeps_both: false,
        restores: false,
        executable: false,
        modified: remote.modified,
        compared: Compared {
            local: existing,
            remote: None,
        },
    }
}
