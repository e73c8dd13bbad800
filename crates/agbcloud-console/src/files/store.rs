//! Storing a file. If the response of the store is lost, the stored content shows whether it was stored.

use std::sync::{Arc, Mutex, PoisonError};

use agbcloud::{Error, ErrorDetail, ErrorKind, Files, Operation, RemotePath, Upload, Uploaded};
use axum::http::StatusCode;

use super::{
    content::{Content, Sent},
    version::Version,
};
use crate::{
    text,
    web::failure::{Failure, Result},
};

/// A file that was stored.
pub(super) enum Stored {
    /// The store has responded.
    Confirmed(Uploaded),
    /// The response was lost, and the file has the content that was sent.
    Compared {
        /// The size of the content.
        bytes: u64,
    },
}

impl Stored {
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Confirmed(uploaded) => uploaded.bytes,
            Self::Compared { bytes } => *bytes,
        }
    }
}

/// Stores a file. Fails with the hint if it exists and is not to be replaced.
pub(super) async fn store(
    files: &Files,
    path: &RemotePath,
    content: Content,
    replace: bool,
    exists_hint: &'static str,
) -> Result<Stored> {
    let exists = || {
        Failure::conflict("A file with this name exists already")
            .cause(text::name(path.as_str()))
            .hint(exists_hint)
    };
    // A store may ignore the condition of the upload below.
    if !replace && Version::find(files, path).await?.is_some() {
        return Err(exists());
    }
    let upload = files.upload(path, content.source);
    let upload: Upload = if replace { upload } else { upload.if_absent() };
    let error = match upload.await {
        Ok(uploaded) => return Ok(Stored::Confirmed(uploaded)),
        Err(error) => error,
    };
    let is_conflict = !replace && error.is_failed_condition();
    if may_be_stored(&error) {
        return match compare(files, path, &content.sent).await {
            Some(bytes) => Ok(Stored::Compared { bytes }),
            // A store that has not answered may also store a missing file later.
            None => Err(unknown(path, error, is_conflict)),
        };
    }
    if is_conflict {
        return Err(exists());
    }
    if matches!(error.detail(), Some(ErrorDetail::SizeLimit { .. })) {
        return Err(Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The file is larger than the service allows",
        )
        .cause(error.to_string()));
    }
    Err(error.into())
}

/// Whether an attempt may have stored the file in spite of the failure.
fn may_be_stored(error: &Error) -> bool {
    let is_lost = matches!(
        error.kind(),
        ErrorKind::Connection
            | ErrorKind::Timeout
            | ErrorKind::Unavailable
            | ErrorKind::InvalidResponse
            | ErrorKind::Corrupted
    );
    let was_sent = error.operation() == Some(Operation::Upload);
    (is_lost && was_sent) || error.earlier_attempt_may_be_done()
}

/// A failure after which the file may be stored.
fn unknown(path: &RemotePath, error: Error, is_conflict: bool) -> Failure {
    let hint = format!(
        "The file may have been stored: check {} before you try again.",
        text::name(path.as_str())
    );
    let failure = Failure::from(error).hint(hint);
    match is_conflict {
        true => failure
            .status(StatusCode::CONFLICT)
            .title("The response of the service was lost, and the file differs"),
        false => failure,
    }
}

/// Returns the size of the stored file if it is what was sent, by its size and a hash of its whole content.
async fn compare(files: &Files, path: &RemotePath, sent: &Arc<Mutex<Sent>>) -> Option<u64> {
    let (expected, mut found) = {
        let sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
        (sent.fingerprint()?, sent.same_key())
    };
    let mut file = files.open(path).await.ok()?;
    if file.size().is_some_and(|size| size != expected.bytes()) {
        return None;
    }
    while let Some(chunk) = file.next().await {
        // The SDK verifies the checksum at the end of the content.
        found.add(&chunk.ok()?);
        if found.bytes() > expected.bytes() {
            return None;
        }
    }
    (found == expected).then(|| found.bytes())
}
