//! Failures of the SDK as HTTP statuses.

use std::time::Duration;

use agbcloud::{ErrorDetail, ErrorKind};
use dav_server::fs::FsError;
use http::StatusCode;

use crate::location::InvalidLocation;

/// When a client should repeat a request, where the service reports no time.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(2);

/// Why a request failed, as its response reports it. The errors of `dav-server` have fewer statuses and no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            retry_after: None,
            message: message.into(),
        }
    }

    /// The error of a write to a location that no file can have.
    pub(crate) fn of_location(invalid: InvalidLocation) -> Self {
        match invalid {
            InvalidLocation::TooLong => Self::new(
                StatusCode::URI_TOO_LONG,
                "a path of a context has at most 1024 bytes",
            ),
            InvalidLocation::InvalidName => Self::new(
                StatusCode::BAD_REQUEST,
                "a path of a context is UTF-8 without backslashes and control characters",
            ),
        }
    }

    /// The error of `dav-server` that is nearest.
    pub(crate) fn to_fs_error(&self) -> FsError {
        match self.status {
            StatusCode::NOT_FOUND => FsError::NotFound,
            StatusCode::FORBIDDEN => FsError::Forbidden,
            StatusCode::INSUFFICIENT_STORAGE => FsError::InsufficientStorage,
            StatusCode::PAYLOAD_TOO_LARGE => FsError::TooLarge,
            _ => FsError::GeneralFailure,
        }
    }
}

impl From<&agbcloud::Error> for Failure {
    fn from(error: &agbcloud::Error) -> Self {
        let status = status_of(error);
        let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE)
            .then(|| error.retry_after().unwrap_or(DEFAULT_RETRY_AFTER));
        Self {
            status,
            retry_after,
            // Contains neither the key nor a signed URL.
            message: error.to_string(),
        }
    }
}

fn status_of(error: &agbcloud::Error) -> StatusCode {
    match (error.kind(), error.detail()) {
        // A missing context is not a missing file: a program that mirrors the share would delete its copy of the file.
        (ErrorKind::NotFound, Some(ErrorDetail::ContextNotFound))
        | (ErrorKind::Conflict, Some(ErrorDetail::ContextClearing)) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        (ErrorKind::NotFound, _) => StatusCode::NOT_FOUND,
        // The API key of this process, not the password of the client: 401 would ask for another password.
        (ErrorKind::Unauthorized | ErrorKind::UrlRejected, _) => StatusCode::FORBIDDEN,
        (ErrorKind::Conflict, Some(ErrorDetail::QuotaExceeded)) => StatusCode::INSUFFICIENT_STORAGE,
        (ErrorKind::Conflict, _) if error.status() == Some(412) => StatusCode::PRECONDITION_FAILED,
        (ErrorKind::Conflict, _) => StatusCode::CONFLICT,
        (ErrorKind::Rejected, _) if error.status() == Some(413) => StatusCode::PAYLOAD_TOO_LARGE,
        (ErrorKind::InvalidArgument, _) => StatusCode::BAD_REQUEST,
        // The temporary file of an upload.
        (ErrorKind::LocalFile, _) => StatusCode::INSUFFICIENT_STORAGE,
        // The download of a copy.
        (ErrorKind::CallerStream, _) => StatusCode::SERVICE_UNAVAILABLE,
        _ if error.is_transient() => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_GATEWAY,
    }
}

/// Whether a file is missing, and not its context.
pub(crate) fn is_missing_file(error: &agbcloud::Error) -> bool {
    error.is_not_found() && error.detail() != Some(ErrorDetail::ContextNotFound)
}
