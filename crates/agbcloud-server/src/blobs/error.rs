//! The errors of the blob store.

use std::error::Error;
use std::io::{self, ErrorKind};

use crate::system::random::NoRandom;

/// Why bytes could not be stored or fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BlobError {
    /// No blob has this key: it was replaced or lost.
    #[error("blob not found")]
    Missing,
    /// The bytes differ from those that were written.
    #[error("the blob is damaged: {0}")]
    Damaged(io::Error),
    #[error("disk full")]
    Full,
    /// The store can't be reached, is overloaded, does not respond in time, or rejects the credentials. A later attempt may
    /// succeed.
    #[error("the blob store is not available: {0}")]
    Unavailable(StoreFailure),
    #[error(transparent)]
    NoRandom(#[from] NoRandom),
    #[error("the blob store failed: {0}")]
    Failed(object_store::Error),
    #[error("the blob store failed: {0}")]
    Io(io::Error),
}

impl BlobError {
    /// Whether the store can't be reached or does not respond. Then other requests fail, too.
    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(StoreFailure::Timeout | StoreFailure::Transport(_))
        )
    }
}

/// Why a request to a bucket failed. Contains no header and no body, which may contain secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(not(feature = "s3"), expect(dead_code))]
pub(crate) enum StoreFailure {
    #[error("no response in time")]
    Timeout,
    #[error("{0}")]
    Transport(String),
    #[error("status {status} {code}")]
    Status {
        status: u16,
        /// The code in the response of the store, such as `SlowDown`.
        code: String,
    },
}

impl From<object_store::Error> for BlobError {
    fn from(error: object_store::Error) -> Self {
        #[cfg(feature = "s3")]
        if let Some(failure) = StoreFailure::of(&error) {
            return match failure {
                StoreFailure::Status { status: 507, .. } => Self::Full,
                // The request is wrong, and a later attempt does not correct it.
                StoreFailure::Status {
                    status: 400 | 405 | 411 | 413 | 416 | 501,
                    ..
                } => Self::Failed(error),
                failure => Self::Unavailable(failure),
            };
        }
        match error {
            object_store::Error::NotFound { .. } => Self::Missing,
            error if is_full(&error) => Self::Full,
            error => Self::Failed(error),
        }
    }
}

impl From<io::Error> for BlobError {
    fn from(error: io::Error) -> Self {
        match is_full(&error) {
            true => Self::Full,
            false => Self::Io(error),
        }
    }
}

#[cfg(feature = "s3")]
impl StoreFailure {
    /// Returns `None` if the store responded with success, or with an error that [`object_store::Error`] represents.
    pub(super) fn of(error: &object_store::Error) -> Option<Self> {
        use object_store::client::HttpError;

        let http = causes(error).find_map(|cause| cause.downcast_ref::<HttpError>())?;
        Some(Self::of_http(http))
    }

    pub(super) fn of_http(error: &object_store::client::HttpError) -> Self {
        use object_store::client::HttpErrorKind;

        if let Some(failure) = causes(error).find_map(|cause| cause.downcast_ref::<Self>()) {
            return failure.clone();
        }
        match error.kind() {
            HttpErrorKind::Timeout => Self::Timeout,
            // The last cause is that of the operating system or of TLS.
            _ => Self::Transport(
                causes(error)
                    .last()
                    .map_or_else(String::new, ToString::to_string),
            ),
        }
    }
}

/// An error and its causes.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// Whether a full disk or an exhausted quota caused an error.
fn is_full(error: &(dyn Error + 'static)) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|io| matches!(io.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
}
