//! Whether an object store evaluates conditions of writes.

use serde::{Deserialize, Serialize};

use crate::Error;

/// How changes by other clients are noticed when a file is replaced: from
/// [`Files::update_guard`](crate::Files::update_guard) and [`Updated::guard`](crate::Updated::guard).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UpdateGuard {
    /// The object store writes only under a condition: `If-Match` or `If-None-Match`. `agb serve` and S3 do.
    Conditions,
    /// The object store ignores or rejects conditions, or reports no ETag. A change by another client can be overwritten.
    Unavailable,
}

/// Whether an upload may have failed because the store does not support its condition.
pub(crate) fn rejects_condition(error: &Error) -> bool {
    matches!(error.status(), Some(400 | 501))
}
