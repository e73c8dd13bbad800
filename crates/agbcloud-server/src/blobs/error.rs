//! The errors of the blob store.

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
    #[error(transparent)]
    NoRandom(#[from] NoRandom),
    #[error("the blob store failed: {0}")]
    Failed(object_store::Error),
    #[error("the blob store failed: {0}")]
    Io(#[from] io::Error),
}

impl From<object_store::Error> for BlobError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::Missing,
            error if is_full(&error) => Self::Full,
            error => Self::Failed(error),
        }
    }
}

/// Whether a full disk or an exhausted quota caused an error.
fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>()
            && matches!(io.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
        {
            return true;
        }
        cause = error.source();
    }
    false
}
