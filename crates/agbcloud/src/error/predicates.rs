//! Questions that programs ask of an error.

use super::{Error, ErrorDetail, ErrorKind, StoppedBy};
use crate::Operation;

impl Error {
    /// Whether a context or file does not exist: the kind is [`NotFound`](ErrorKind::NotFound).
    /// [`detail`](Self::detail) says which.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// let settings = match files.read("/settings.json").await {
    ///     Err(error) if error.is_not_found() => "{}".into(),
    ///     settings => settings?,
    /// };
    /// assert_eq!(settings, "{}");
    /// # Ok(()) });
    /// ```
    pub fn is_not_found(&self) -> bool {
        self.kind() == ErrorKind::NotFound
    }

    /// Whether an upload failed because its condition does not hold: another client has created, changed or deleted the file.
    /// The store answers with status 412; S3 also with 409 to writes at the same time, and with 404 if the file of
    /// [`if_match`](crate::Upload::if_match) was deleted. If
    /// [`earlier_attempt_may_be_done`](Self::earlier_attempt_may_be_done), it may have been this upload that changed the file.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// files.upload("/a.txt", b"one").await?;
    /// let error = files.upload("/a.txt", b"two").if_absent().await.unwrap_err();
    /// assert!(error.is_failed_condition());
    /// # Ok(()) });
    /// ```
    pub fn is_failed_condition(&self) -> bool {
        self.operation() == Some(Operation::Upload)
            && match self.status() {
                Some(412) => true,
                Some(409) => self.code() == Some("ConditionalRequestConflict"),
                Some(404) => self.detail() == Some(ErrorDetail::FileNotFound),
                _ => false,
            }
    }

    /// Whether the current state does not allow the call: the kind is [`Conflict`](ErrorKind::Conflict).
    pub fn is_conflict(&self) -> bool {
        self.kind() == ErrorKind::Conflict
    }

    /// Whether there were too many requests: the kind is [`Throttled`](ErrorKind::Throttled).
    /// [`retry_after`](Self::retry_after) says how long to wait, where the service does.
    pub fn is_throttled(&self) -> bool {
        self.kind() == ErrorKind::Throttled
    }

    /// Whether the time was over: the kind is [`Timeout`](ErrorKind::Timeout) or
    /// [`ClearTimeout`](ErrorKind::ClearTimeout), or the call was stopped by its
    /// [deadline](StoppedBy::Deadline).
    pub fn is_timeout(&self) -> bool {
        matches!(self.kind(), ErrorKind::Timeout | ErrorKind::ClearTimeout)
            || self.stopped_by() == Some(StoppedBy::Deadline)
    }

    /// Whether the service does not accept the API key: the kind is [`Unauthorized`](ErrorKind::Unauthorized).
    pub fn is_unauthorized(&self) -> bool {
        self.kind() == ErrorKind::Unauthorized
    }

    /// Whether an argument or a setting is invalid and nothing was sent: the kind is
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) or [`Configuration`](ErrorKind::Configuration).
    pub fn is_invalid_input(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::InvalidArgument | ErrorKind::Configuration
        )
    }

    /// Whether the same call can succeed later: the connection failed, there was no response in time, or the service or a
    /// gateway was overloaded or broken, for which an invalid response is a sign. Not all of these are retried
    /// automatically: see [`RetryPolicy`](crate::RetryPolicy).
    #[doc(alias = "is_retryable")]
    pub fn is_transient(&self) -> bool {
        // A port that speaks another protocol.
        if self.detail() == Some(ErrorDetail::NotHttp) {
            return false;
        }
        matches!(
            self.kind(),
            ErrorKind::Connection
                | ErrorKind::Timeout
                | ErrorKind::Throttled
                | ErrorKind::Unavailable
                | ErrorKind::InvalidResponse
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predicates_follow_the_kind() {
        let error = |kind| Error::new(kind, "");
        assert!(error(ErrorKind::NotFound).is_not_found());
        assert!(!error(ErrorKind::WrongEndpoint).is_not_found());
        assert!(error(ErrorKind::Conflict).is_conflict());
        assert!(error(ErrorKind::Throttled).is_throttled());
        assert!(error(ErrorKind::Unauthorized).is_unauthorized());
        assert!(error(ErrorKind::Configuration).is_invalid_input());
        assert!(error(ErrorKind::ClearTimeout).is_timeout());
        assert!(!error(ErrorKind::ClearTimeout).is_transient());
    }

    #[test]
    fn a_call_that_reached_its_deadline_timed_out() {
        let refused = Error::new(ErrorKind::Throttled, "");
        assert!(!refused.is_timeout());
        let refused = refused.with_attempts(Vec::new(), StoppedBy::Deadline);
        assert!(refused.is_timeout() && refused.is_throttled());
    }
}
