//! What was tried.

use std::time::Duration;

use crate::{Error, ErrorKind};

/// One try of a call that failed in the end: see [`Error::attempts`](crate::Error::attempts).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// How it failed.
    pub kind: ErrorKind,
    /// The HTTP status of its answer, if there was one.
    pub status: Option<u16>,
    /// Id of its answer, if there was one.
    pub request_id: Option<String>,
    /// How long was waited after it, before the next; `None` after the last.
    pub wait: Option<Duration>,
    /// Whether the service can have got the call, and so carried it out.
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

    /// Whether the call may have been carried out all the same.
    pub(crate) fn may_be_done(&self) -> bool {
        let unsure = matches!(
            self.kind,
            ErrorKind::Connection | ErrorKind::Timeout | ErrorKind::Unavailable
        );
        self.sent && unsure
    }
}

/// Why a call was not tried once more: see [`Error::stopped_by`](crate::Error::stopped_by).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoppedBy {
    /// The same call would fail again.
    NotRetryable,
    /// It was tried as often as [`RetryPolicy::max_attempts`](crate::RetryPolicy::max_attempts) allows.
    Attempts,
    /// So many calls of this client and its clones have failed lately that more tries would only add to the
    /// trouble of the service.
    Budget,
    /// The next wait would have gone over [`RetryPolicy::deadline`](crate::RetryPolicy::deadline), or it passed
    /// during the last try.
    Deadline,
}
