//! Uploads of `write_file` and `edit_file`, under a condition.

use agbcloud::{ErrorKind, RemotePath, UpdateGuard, Uploaded};

use crate::{
    failure::{Failure, MAYBE_WRITTEN, Result, TOO_LARGE, UNSUPPORTED},
    limits::MAX_WRITE_BYTES,
    scope::Place,
};

/// When a file may be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// The file does not exist.
    Absent,
    /// The file has this version.
    Version(String),
    Always,
}

/// A finished upload.
pub(super) struct Written {
    pub(super) uploaded: Uploaded,
    /// Whether the store checked the condition. `None` without a condition.
    pub(super) guard: Option<UpdateGuard>,
}

/// Writes a file after a check of the condition, which the store checks again.
pub(super) async fn check_and_upload(
    place: &Place,
    path: &RemotePath,
    content: Vec<u8>,
    condition: Condition,
) -> Result<Written> {
    check_size(content.len())?;
    check(place, path, &condition).await?;
    upload(place, path, content, condition).await
}

/// Writes a file. The store checks the condition. If it can't, the condition is checked before the write, so that only the time
/// between the two is unguarded.
pub(super) async fn upload(
    place: &Place,
    path: &RemotePath,
    content: Vec<u8>,
    condition: Condition,
) -> Result<Written> {
    let guard = match &condition {
        Condition::Always => None,
        Condition::Absent => Some(place.files.update_guard().await?),
        Condition::Version(version) => Some(place.files.version_guard(version).await?),
    };
    // The first detection of the guard takes several requests, in which another client can write.
    if guard == Some(UpdateGuard::Unavailable) {
        check(place, path, &condition).await?;
    }
    let upload = place.files.upload(path, content);
    let result = match (&condition, guard) {
        (Condition::Absent, Some(UpdateGuard::Conditions)) => upload.if_absent().await,
        (Condition::Version(version), Some(UpdateGuard::Conditions)) => {
            upload.if_match(version).await
        }
        // A store that does not support a condition may reject it.
        _ => upload.await,
    };
    let uploaded = result.map_err(|error| failed(path, &condition, error))?;
    Ok(Written { uploaded, guard })
}

/// The failure of an upload.
fn failed(path: &RemotePath, condition: &Condition, error: agbcloud::Error) -> Failure {
    let may_be_done = error.earlier_attempt_may_be_done();
    let failure = match condition {
        Condition::Always => return error.into(),
        _ if !error.is_failed_condition() => {
            let is_lost = matches!(
                error.kind(),
                ErrorKind::Connection | ErrorKind::Timeout | ErrorKind::Unavailable
            );
            let mut failure = Failure::from(error);
            if may_be_done || is_lost {
                failure.next_step = MAYBE_WRITTEN.to_owned();
            }
            return failure;
        }
        _ if may_be_done => Failure::maybe_written(path.as_str()),
        Condition::Absent => exists(path),
        Condition::Version(_) => Failure::changed(path.as_str()),
    };
    Failure {
        request_id: error.request_id().map(str::to_owned),
        ..failure
    }
}

/// Fails if the content is larger than these tools write.
pub(super) fn check_size(bytes: usize) -> Result<()> {
    if bytes <= MAX_WRITE_BYTES {
        return Ok(());
    }
    Err(Failure::new(
        TOO_LARGE,
        format!("the content has {bytes} bytes, more than 4 MiB"),
        "split the content into several files, or call create_upload_url",
    ))
}

async fn check(place: &Place, path: &RemotePath, condition: &Condition) -> Result<()> {
    if *condition == Condition::Always {
        return Ok(());
    }
    let current = match place.files.open(path).await {
        Ok(file) => Some(file.etag().map(str::to_owned)),
        Err(error) if error.is_not_found() => None,
        Err(error) => return Err(error.into()),
    };
    match (condition, current) {
        (Condition::Absent, Some(_)) => Err(exists(path)),
        (Condition::Version(_), None) => Err(Failure::new(
            ErrorKind::NotFound.as_str(),
            format!("{} does not exist any more", path.as_str()),
            "leave out if_version to create the file",
        )),
        (Condition::Version(expected), Some(Some(etag))) if *expected != etag => {
            Err(Failure::changed(path.as_str()))
        }
        (Condition::Version(_), Some(None)) => Err(Failure::new(
            UNSUPPORTED,
            "the store reports no version of the file, so that if_version can't be compared",
            "read the file; pass overwrite true instead of if_version to replace it in any case",
        )),
        _ => Ok(()),
    }
}

fn exists(path: &RemotePath) -> Failure {
    Failure::new(
        ErrorKind::Conflict.as_str(),
        format!("{} exists", path.as_str()),
        "read the file, then pass its version as if_version, or overwrite true to replace any version",
    )
}
