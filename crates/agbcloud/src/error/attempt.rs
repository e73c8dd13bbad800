//! The failed attempts of a call, and why there were no more.

use std::time::Duration;

use super::{Error, ErrorKind};

/// One attempt of a call that failed in the end: see [`Error::attempts`](crate::Error::attempts).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// The kind of failure.
    pub kind: ErrorKind,
    /// The HTTP status of the response, if there was one.
    pub status: Option<u16>,
    /// Id of the request, if there was a response.
    pub request_id: Option<String>,
    /// Time waited before the next attempt; `None` after the last.
    pub wait: Option<Duration>,
    /// Whether the service can have received the call, and so executed it.
    pub(crate) sent: bool,
}

impl Attempt {
    pub(crate) fn of(error: &Error) -> Self {
        Self {
            kind: error.kind(),
            status: error.status(),
            request_id: error.request_id().map(str::to_owned),
            wait: None,
            sent: error.was_sent(),
        }
    }

    /// Whether the service may have executed the call in spite of the failure.
    pub(crate) fn may_be_done(&self) -> bool {
        let unsure = matches!(
            self.kind,
            ErrorKind::Connection | ErrorKind::Timeout | ErrorKind::Unavailable
        );
        self.sent && unsure
    }
}

/// Why a call was not retried again: see [`Error::stopped_by`](crate::Error::stopped_by).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoppedBy {
    /// The same call would fail again.
    NotRetryable,
    /// The call reached [`RetryPolicy::max_attempts`](crate::RetryPolicy::max_attempts). By default, attempts that the
    /// service throttled do not count.
    Attempts,
    /// The [`RetryBudget`](crate::RetryBudget) that all clones of a client share is empty, because most of their recent calls
    /// failed.
    Budget,
    /// The next wait would exceed [`RetryPolicy::deadline`](crate::RetryPolicy::deadline), or the deadline passed
    /// during the last attempt, or while the call waited for the rate limit of the client.
    Deadline,
}
