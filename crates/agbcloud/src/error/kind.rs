//! The kinds of failure, each with what to do about it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, de::IntoDeserializer};

use super::Error;

/// The kind of failure of an [`Error`](crate::Error).
///
/// `Display`, `parse` and serde use the [name](Self::as_str):
///
/// ```
/// use agbcloud::ErrorKind;
///
/// assert_eq!(ErrorKind::NotFound.to_string(), "not_found");
/// assert_eq!("not_found".parse::<ErrorKind>()?, ErrorKind::NotFound);
/// # Ok::<(), agbcloud::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is missing or invalid: no API key, an endpoint that is not a URL.
    ///
    /// *What to do:* the message names the setting and where to set it.
    Configuration,
    /// An argument is invalid: an empty name, a relative path, a page size of 0. Nothing was sent.
    ///
    /// *What to do:* correct the value; the message names the rule.
    InvalidArgument,
    /// The service does not know the API key (401), or the key does not have the permission (403).
    ///
    /// *What to do:* check `AGB_API_KEY`, and that the key belongs to the endpoint.
    Unauthorized,
    /// The context or file does not exist, or belongs to another API key. [`detail`](crate::Error::detail) says which.
    ///
    /// *What to do:* list contexts or files. After a delete, treat it as success.
    NotFound,
    /// The endpoint does not have the operation: it responds "not found" without naming a context or a file. Its path is
    /// wrong, or it belongs to another service. This is no evidence that a context or file is missing.
    ///
    /// *What to do:* check the endpoint and its path; [`body_start`](crate::Error::body_start) has the start of the
    /// response.
    WrongEndpoint,
    /// The current state does not allow the call: the name is in use, the context is being cleared, the local file exists.
    ///
    /// *What to do:* depending on [`detail`](crate::Error::detail) and the code, wait, choose another name, or allow
    /// overwriting.
    Conflict,
    /// Too many requests: a response of the service or of a gateway, or a call that was not sent before its deadline because of
    /// earlier ones (see [`adaptive_rate_limit`](crate::ClientBuilder::adaptive_rate_limit)).
    ///
    /// *What to do:* retry after [`retry_after`](crate::Error::retry_after), send fewer requests, or allow a longer
    /// [`deadline`](crate::RetryPolicy::deadline).
    Throttled,
    /// The service rejected the call for another reason, or the call exceeds a limit of the SDK.
    ///
    /// *What to do:* see the code and the message; the same call fails again.
    Rejected,
    /// The service or a gateway failed (5xx).
    ///
    /// *What to do:* retry later; if it persists, report the request id.
    Unavailable,
    /// The connection could not be opened, or was closed early.
    ///
    /// *What to do:* check endpoint, network and proxy, and retry. A call that changes something may have been executed.
    Connection,
    /// The TLS handshake failed, and would fail again: [`detail`](crate::Error::detail) says whether the port does not speak
    /// TLS, what is wrong with its certificate, or that it requires a client certificate. With the feature `native-tls`, this is a [`Connection`](Self::Connection)
    /// failure.
    ///
    /// *What to do:* correct the scheme or the port of the endpoint, or trust the issuer of the certificate.
    Tls,
    /// The endpoint or the object store redirects to another address. The redirect is not followed, since it would send the
    /// API key to an address that was not chosen.
    ///
    /// *What to do:* set the endpoint to the final address, which the message names; often https instead of http.
    Redirected,
    /// A proxy requires a user name and a password (407), or does not accept them.
    ///
    /// *What to do:* set them in the URL of the proxy: `HTTPS_PROXY=http://user:password@host:port`.
    ProxyAuthentication,
    /// No response within [`ClientBuilder::timeout`](crate::ClientBuilder::timeout). For a transfer: no byte was
    /// transferred within [`ClientBuilder::idle_timeout`](crate::ClientBuilder::idle_timeout).
    ///
    /// *What to do:* retry; a call that changes something may have been executed.
    Timeout,
    /// The response is not one of the service: a successful status with an unexpected body, or a "not found" that is not
    /// from the object store.
    ///
    /// *What to do:* check that the endpoint is an AGB service rather than a proxy;
    /// [`body_start`](crate::Error::body_start) has the start of the response.
    InvalidResponse,
    /// The service returned a page token for the second time, or the same page of a folder twice although more pages
    /// exist. To continue would loop forever or lose entries.
    ///
    /// *What to do:* use the pages before it, which are valid; report the request id.
    RepeatedToken,
    /// A clear did not end in time. It continues in the service.
    ///
    /// *What to do:* continue to wait with [`Contexts::resume`](crate::Contexts::resume) and
    /// [`Error::clear_timeout`](crate::Error::clear_timeout); in another process, with
    /// [`Contexts::resume_clear`](crate::Contexts::resume_clear).
    #[doc(alias = "ClearanceTimeoutError")]
    ClearTimeout,
    /// The object store rejected the presigned URL: it expired, was altered, or was issued before a clear. A transfer that
    /// requests its own URLs has already retried with a new one.
    ///
    /// *What to do:* get a new URL if you passed one; otherwise check the code and the clocks.
    UrlRejected,
    /// An https endpoint returned a presigned http URL whose host is not loopback. Nothing was sent to it.
    ///
    /// *What to do:* fix the public URL of the service, or use
    /// [`ClientBuilder::allow_insecure_urls`](crate::ClientBuilder::allow_insecure_urls) on a trusted network.
    InsecureUrl,
    /// The received content differs from the sent content in length or checksum.
    ///
    /// *What to do:* transfer it again. A download has not changed its target; the remote file of an upload may be damaged.
    Corrupted,
    /// A reader, stream or writer that the caller has passed to a transfer failed, or has another length than declared.
    ///
    /// *What to do:* see the source of the error, which is that of the reader, stream or writer.
    CallerStream,
    /// The local file can't be read or written.
    ///
    /// *What to do:* see the source of the error, which is that of the operating system.
    LocalFile,
    /// A sync would delete more files than its [limit](crate::SyncDir::delete_limit) allows. Nothing was changed.
    ///
    /// *What to do:* check the plan. If the deletions are intended, raise the limit; otherwise check the folders.
    SafetyLimit,
}

impl ErrorKind {
    /// The name for logs and metrics: `not_found`.
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
            Self::Tls => "tls",
            Self::Redirected => "redirected",
            Self::ProxyAuthentication => "proxy_authentication",
            Self::Timeout => "timeout",
            Self::InvalidResponse => "invalid_response",
            Self::RepeatedToken => "repeated_token",
            Self::ClearTimeout => "clear_timeout",
            Self::UrlRejected => "url_rejected",
            Self::InsecureUrl => "insecure_url",
            Self::Corrupted => "corrupted",
            Self::CallerStream => "caller_stream",
            Self::LocalFile => "local_file",
            Self::SafetyLimit => "safety_limit",
        }
    }

    /// The message of an error without a message of the service.
    pub(crate) fn summary(self) -> &'static str {
        match self {
            Self::Configuration => "missing or invalid setting",
            Self::InvalidArgument => "invalid argument",
            Self::Unauthorized => "the service does not accept the API key",
            Self::NotFound => "not found",
            Self::WrongEndpoint => "the endpoint does not have this operation",
            Self::Conflict => "not allowed in the current state",
            Self::Throttled => "too many requests",
            Self::Rejected => "the service rejected the call",
            Self::Unavailable => "the service is unavailable",
            Self::Connection => "connection failed",
            Self::Tls => "the TLS handshake failed",
            Self::Redirected => "redirected to another address",
            Self::ProxyAuthentication => {
                "the proxy requires authentication: set user and password in its URL"
            }
            Self::Timeout => "no response in time",
            Self::InvalidResponse => "unexpected response",
            Self::RepeatedToken => "the service repeated a page token",
            Self::ClearTimeout => "the clear did not end in time",
            Self::UrlRejected => "presigned URL rejected",
            Self::InsecureUrl => "the presigned URL is not https",
            Self::Corrupted => "received content differs from sent content",
            Self::CallerStream => "a reader, stream or writer of the caller failed",
            Self::LocalFile => "the local file can't be read or written",
            Self::SafetyLimit => "more files would be deleted than the limit allows",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ErrorKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let name: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
            text.into_deserializer();
        Self::deserialize(name)
            .map_err(|error| Error::invalid_argument("unknown error kind").with_source(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_parsed_as_displayed() {
        for kind in [
            ErrorKind::NotFound,
            ErrorKind::InvalidArgument,
            ErrorKind::UrlRejected,
            ErrorKind::LocalFile,
        ] {
            assert_eq!(kind.to_string().parse::<ErrorKind>().unwrap(), kind);
            let json = serde_json::to_value(kind).unwrap();
            assert_eq!(json, kind.as_str());
        }
        assert!("NotFound".parse::<ErrorKind>().is_err());
    }
}
