//! Errors of requests to presigned URLs, in the XML format of object stores.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use http::header::{ACCEPT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

use crate::blobs::BlobError;
use crate::http::service_failure::ServiceFailure;
use crate::metadata::{Quota, QuotaKind, StoreError};
use crate::signing::url::UrlError;

/// The error of an upload or a download.
#[derive(Debug)]
pub(in crate::http) struct ObjectError {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    /// The size of the file, if the requested range is beyond it.
    size: Option<u64>,
}

macro_rules! errors {
    ($($name:ident: $status:ident, $code:literal, $message:literal;)*) => {
        $(pub(in crate::http) const fn $name() -> Self {
            Self { status: StatusCode::$status, code: $code, message: Cow::Borrowed($message), size: None }
        })*
    };
}

impl ObjectError {
    errors! {
        expired: FORBIDDEN, "AccessDenied", "Request has expired: request a new URL";
        void: FORBIDDEN, "AccessDenied", "The context was cleared or deleted since this URL was created: request a new URL";
        revoked: FORBIDDEN, "AccessDenied", "The API key that requested this URL is no longer accepted: request a new URL with another key";
        signature: FORBIDDEN, "SignatureDoesNotMatch", "The URL was altered or created for another method: use it unchanged, or request a new URL";
        no_such_key: NOT_FOUND, "NoSuchKey", "The file does not exist: it was deleted or never uploaded";
        missing_length: LENGTH_REQUIRED, "MissingContentLength", "Send the header Content-Length: a chunked upload is not accepted";
        too_large: PAYLOAD_TOO_LARGE, "EntityTooLarge", "The file is larger than this service accepts";
        headers_too_large: REQUEST_HEADER_FIELDS_TOO_LARGE, "RequestHeadersTooLarge", "The request has more or longer headers than this service accepts: send only the required headers";
        uri_too_long: URI_TOO_LONG, "RequestUriTooLong", "The URL is longer than this service accepts: use it unchanged";
        invalid_digest: BAD_REQUEST, "InvalidDigest", "A checksum in a header is malformed: Content-MD5 and x-amz-checksum-sha256 are base64, x-amz-content-sha256 hexadecimal, x-oss-hash-crc64ecma decimal";
        bad_digest: BAD_REQUEST, "BadDigest", "The content does not match the checksum in a header: upload it again";
        content_sha256: BAD_REQUEST, "XAmzContentSHA256Mismatch", "The content does not match the SHA-256 in the header x-amz-content-sha256: upload it again";
        other_checksum: BAD_REQUEST, "UnsupportedHeader", "A header specifies a checksum that this service does not support: send Content-MD5, x-amz-checksum-sha256 or none";
        repeated_header: BAD_REQUEST, "InvalidArgument", "A header that allows one value was sent twice: send it once";
        incomplete: BAD_REQUEST, "IncompleteBody", "The body ended before its Content-Length: upload it again";
        timeout: REQUEST_TIMEOUT, "RequestTimeout", "The body did not arrive in time: upload it again";
        precondition: PRECONDITION_FAILED, "PreconditionFailed", "The file does not satisfy If-Match or If-None-Match: check its current state";
        invalid_condition: BAD_REQUEST, "InvalidArgument", "If-Match and If-None-Match require `*` or quoted entity tags";
        unsupported_header: BAD_REQUEST, "UnsupportedHeader", "A header requests a feature that this service does not support: send the bytes of the whole file unchanged";
        unsupported_encoding: UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", "Content-Encoding is not supported: send the bytes of the file unchanged";
        invalid_host: BAD_REQUEST, "InvalidRequest", "Send one header Host with the host and port of the URL";
        expectation: EXPECTATION_FAILED, "ExpectationFailed", "The header Expect only supports 100-continue";
        slow_down: SERVICE_UNAVAILABLE, "SlowDown", "Too many concurrent requests of this tenant: wait for the seconds in Retry-After, then try again";
        damaged: INTERNAL_SERVER_ERROR, "InternalError", "The stored content of the file is damaged or missing: upload it again, or ask the operator of the service to restore it";
        internal: INTERNAL_SERVER_ERROR, "InternalError", "The service failed; nothing was changed: try again";
        full: INSUFFICIENT_STORAGE, "InsufficientStorage", "The service has no room for the file; nothing was changed: delete files, or try again later";
        moved: SERVICE_UNAVAILABLE, "ServiceUnavailable", "The data folder of the service was moved or replaced: writes are rejected until it is back";
        unavailable: SERVICE_UNAVAILABLE, "ServiceUnavailable", "The service can't answer now: wait for the seconds in Retry-After, then try again";
    }

    pub(in crate::http) const fn range(size: u64) -> Self {
        Self {
            status: StatusCode::RANGE_NOT_SATISFIABLE,
            code: "InvalidRange",
            message: Cow::Borrowed("The range begins after the end of the file"),
            size: Some(size),
        }
    }

    fn quota_exceeded(quota: Quota) -> Self {
        let Quota { kind, limit, used } = quota;
        let name = kind.as_str();
        let (code, message) = match kind {
            QuotaKind::ContextFiles => (
                "TooManyFiles",
                format!(
                    "The context has the maximum number of files ({name}: {used} of {limit}): delete some, or use another context"
                ),
            ),
            QuotaKind::TenantFiles => (
                "TooManyFiles",
                format!(
                    "The tenant has the maximum number of files ({name}: {used} of {limit}): delete some, or clear or delete a context"
                ),
            ),
            QuotaKind::ContextBytes => (
                "QuotaExceeded",
                format!(
                    "The file does not fit into the context ({name}: {used} of {limit} bytes in use): delete files, or use another context"
                ),
            ),
            QuotaKind::TenantBytes => (
                "QuotaExceeded",
                format!(
                    "The file does not fit into the quota of the tenant ({name}: {used} of {limit} bytes in use): delete files, or clear or delete a context"
                ),
            ),
        };
        Self {
            status: StatusCode::CONFLICT,
            code,
            message: Cow::Owned(message),
            size: None,
        }
    }

    #[cfg(test)]
    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    pub(in crate::http) fn into_response(self, request_id: &str) -> Response {
        // Needs no escaping: all texts are constants with numbers, and a request id is hexadecimal.
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message><RequestId>{request_id}</RequestId></Error>",
            self.code, self.message
        );
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            response
                .headers_mut()
                .insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        if let Some(size) = self.size
            && let Ok(range) = HeaderValue::from_str(&format!("bytes */{size}"))
        {
            response.headers_mut().insert(CONTENT_RANGE, range);
        }
        response
    }
}

impl From<UrlError> for ObjectError {
    fn from(error: UrlError) -> Self {
        match error {
            UrlError::Signature => Self::signature(),
            UrlError::Expired => Self::expired(),
            UrlError::Revoked => Self::revoked(),
            UrlError::Unavailable => Self::unavailable(),
        }
    }
}

impl From<StoreError> for ObjectError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Stale | StoreError::NoContext => Self::void(),
            StoreError::NoFile => Self::no_such_key(),
            StoreError::Precondition => Self::precondition(),
            StoreError::QuotaExceeded(quota) => Self::quota_exceeded(quota),
            error => match ServiceFailure::from_store(&error, "a transfer failed") {
                ServiceFailure::Unavailable => Self::unavailable(),
                ServiceFailure::Full => Self::full(),
                ServiceFailure::Moved => Self::moved(),
                ServiceFailure::Internal => Self::internal(),
            },
        }
    }
}

impl From<BlobError> for ObjectError {
    fn from(error: BlobError) -> Self {
        tracing::error!(%error, "a transfer failed");
        match error {
            BlobError::Full => Self::full(),
            BlobError::Unavailable(_) => Self::unavailable(),
            _ => Self::internal(),
        }
    }
}
