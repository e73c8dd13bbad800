//! Failures of the store that are not errors of the request.

use crate::metadata::StoreError;

/// Why the service can't complete a valid request. Each API reports it in its own format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServiceFailure {
    /// The service is stopping, or its database does not respond.
    Unavailable,
    /// Disk full.
    Full,
    /// The data folder was moved or replaced.
    Moved,
    Internal,
}

impl ServiceFailure {
    /// Classifies and logs an error of the store. An error without a response of its own is internal.
    pub(super) fn from_store(error: &StoreError, message: &'static str) -> Self {
        match error {
            StoreError::Closed => Self::Unavailable,
            StoreError::Unavailable(_) | StoreError::OutcomeUnknown | StoreError::UploadExpired => {
                tracing::error!(%error, "{message}");
                Self::Unavailable
            }
            StoreError::Full => {
                tracing::error!("the disk is full");
                Self::Full
            }
            StoreError::Moved(_) => {
                tracing::error!(%error, "a write was rejected");
                Self::Moved
            }
            StoreError::NoContext
            | StoreError::NoFile
            | StoreError::NameTaken
            | StoreError::Stale
            | StoreError::Precondition
            | StoreError::QuotaExceeded(_)
            | StoreError::Damaged(_)
            | StoreError::Failed(_) => {
                tracing::error!(%error, "{message}");
                Self::Internal
            }
        }
    }
}
