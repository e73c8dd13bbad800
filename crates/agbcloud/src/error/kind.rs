//! What kinds of failure there are, each with what to do.

/// What kind of failure an [`Error`](crate::Error) is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is missing or wrong: no API key, an endpoint that is no URL.
    ///
    /// *What to do:* the message names the setting and where it can be given.
    Configuration,
    /// A value was refused before anything was sent: an empty name, a relative path, a page size of 0.
    ///
    /// *What to do:* mend the value; the message says what is allowed.
    InvalidArgument,
    /// The service does not know the API key (401), or the key may not do this (403).
    ///
    /// *What to do:* check `AGB_API_KEY` and that the endpoint is the one that the key belongs to.
    Unauthorized,
    /// There is no such context or file, or it belongs to another key.
    ///
    /// *What to do:* list what there is. After a delete, this is what was wanted.
    NotFound,
    /// The endpoint does not have the operation: the answer is a not-found that names neither a context nor a file. The
    /// endpoint has a wrong path, or belongs to another service. It is no evidence that a context or file is missing.
    ///
    /// *What to do:* check the endpoint, with its path; [`body_start`](crate::Error::body_start) shows what came.
    WrongEndpoint,
    /// The state of things forbids it: the name is in use, the context is being cleared, the local file exists.
    ///
    /// *What to do:* look at the code and the message; wait, choose another name, or allow overwriting.
    Conflict,
    /// Too many requests.
    ///
    /// *What to do:* wait for [`retry_after`](crate::Error::retry_after), then try again.
    Throttled,
    /// The service refused the call for another reason, or it asks for more than a limit of the SDK allows.
    ///
    /// *What to do:* the code and the message tell; the same call will be refused again.
    Rejected,
    /// The service or a gateway in front of it failed (5xx).
    ///
    /// *What to do:* try again a little later; report the request id if it stays.
    Unavailable,
    /// The connection could not be made or broke.
    ///
    /// *What to do:* check endpoint, network and proxy; then try again. A call that changes something may have
    /// been carried out.
    Connection,
    /// No answer in time: see [`ClientBuilder::timeout`](crate::ClientBuilder::timeout). For a transfer: no byte moved
    /// for as long as [`ClientBuilder::idle_timeout`](crate::ClientBuilder::idle_timeout) says.
    ///
    /// *What to do:* try again; a call that changes something may have been carried out.
    Timeout,
    /// Not the answer that it should be: a good status with something else in it, or a not-found of something else than the
    /// object store.
    ///
    /// *What to do:* check that the endpoint is an AGB service and no proxy's page;
    /// [`body_start`](crate::Error::body_start) shows what came.
    InvalidResponse,
    /// The service gave a page token that it had given before, or one page of a folder twice where others must follow:
    /// going on would loop forever or lose entries.
    ///
    /// *What to do:* the pages before it are good; report the request id.
    RepeatedToken,
    /// A clear did not end in time. It goes on in the service.
    ///
    /// *What to do:* wait on with the handle in [`Error::clear_timeout`](crate::Error::clear_timeout), which also
    /// tells how long and how often was looked and the last state; in another process, with
    /// [`Contexts::resume_clear`](crate::Contexts::resume_clear).
    #[doc(alias = "ClearanceTimeoutError")]
    ClearTimeout,
    /// The object store refused the presigned URL: it expired, was altered, or is from before a clear. A transfer that
    /// asks for its URLs has tried another one.
    ///
    /// *What to do:* get a new URL where one was given; else look at the code and the clocks.
    UrlRejected,
    /// An https endpoint handed out a presigned URL without TLS whose host is not loopback. Nothing was sent to it.
    ///
    /// *What to do:* fix the service's public URL, or use
    /// [`ClientBuilder::allow_insecure_urls`](crate::ClientBuilder::allow_insecure_urls) on a trusted network.
    InsecureUrl,
    /// What arrived is not what was sent: length or checksum differ.
    ///
    /// *What to do:* transfer it again. A download has left the target untouched; an upload has left a file
    /// that is not to be trusted.
    Corrupted,
    /// The local file can't be read or written.
    ///
    /// *What to do:* the source of the error is the system's own.
    LocalFile,
    /// A synchronisation would delete more than [its limit](crate::SyncDir::delete_limit) allows; nothing was done.
    ///
    /// *What to do:* look at the plan. If it is meant, raise the limit; else the wrong folder was named, or a source is not
    /// there.
    SafetyLimit,
}

impl ErrorKind {
    /// Its name for logs and metrics: `not_found`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::InvalidArgument => "invalid_argument",
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not_found",
            Self::WrongEndpoint => "wrong_endpoint",
            Self::Conflict => "conflict",
            Self::Throttled => "throttled",
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
            Self::Connection => "connection",
            Self::Timeout => "timeout",
            Self::InvalidResponse => "invalid_response",
            Self::RepeatedToken => "repeated_token",
            Self::ClearTimeout => "clear_timeout",
            Self::UrlRejected => "url_rejected",
            Self::InsecureUrl => "insecure_url",
            Self::Corrupted => "corrupted",
            Self::LocalFile => "local_file",
            Self::SafetyLimit => "safety_limit",
        }
    }

    /// What an error of this kind says when the service gave no message.
    pub(crate) fn summary(self) -> &'static str {
        match self {
            Self::Configuration => "a setting is missing or wrong",
            Self::InvalidArgument => "a value is not allowed",
            Self::Unauthorized => "the service does not accept the API key",
            Self::NotFound => "there is no such thing",
            Self::WrongEndpoint => "the endpoint does not have this operation",
            Self::Conflict => "the state of things forbids it",
            Self::Throttled => "too many requests",
            Self::Rejected => "the service refused the call",
            Self::Unavailable => "the service can't answer now",
            Self::Connection => "the connection failed",
            Self::Timeout => "no answer in time",
            Self::InvalidResponse => "the answer is not the one it should be",
            Self::RepeatedToken => "the service repeated a page token",
            Self::ClearTimeout => "the clear did not end in time",
            Self::UrlRejected => "the presigned URL was refused",
            Self::InsecureUrl => "the presigned URL is not https",
            Self::Corrupted => "what arrived is not what was sent",
            Self::LocalFile => "the local file can't be read or written",
            Self::SafetyLimit => "more would be deleted than is allowed",
        }
    }
}
