//! Failures of the object leg: the XML that clients of presigned URLs know.

use axum::body::Body;
use axum::response::Response;
use http::header::{ACCEPT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

use crate::blobs::BlobError;
use crate::metadata::StoreError;
use crate::random::NoRandom;
use crate::signing::url::Refusal;

/// A transfer that failed.
#[derive(Debug)]
pub(super) struct ObjectFailure {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
    /// The size of the file, for whoever asked for bytes beyond it.
    size: Option<u64>,
}

macro_rules! failures {
    ($($name:ident: $status:ident, $code:literal, $message:literal;)*) => {
        $(pub(super) const fn $name() -> Self {
            Self { status: StatusCode::$status, code: $code, message: $message, size: None }
        })*
    };
}

impl ObjectFailure {
    failures! {
        expired: FORBIDDEN, "AccessDenied", "Request has expired: ask for a new URL";
        void: FORBIDDEN, "AccessDenied", "The context was cleared or deleted since this URL was made: ask for a new URL";
        revoked: FORBIDDEN, "AccessDenied", "The API key that asked for this URL is no longer accepted: ask for a new URL with another key";
        signature: FORBIDDEN, "SignatureDoesNotMatch", "The URL was altered, or made for another method: use it unchanged, or ask for a new URL";
        no_such_key: NOT_FOUND, "NoSuchKey", "There is no such file: it was deleted since, or never uploaded";
        missing_length: LENGTH_REQUIRED, "MissingContentLength", "Send the header Content-Length: a chunked upload is not accepted";
        too_large: PAYLOAD_TOO_LARGE, "EntityTooLarge", "The file is larger than this service accepts";
        headers_too_large: REQUEST_HEADER_FIELDS_TOO_LARGE, "RequestHeadersTooLarge", "The headers are more or longer than this service accepts: send the URL with no headers but those that are needed";
        uri_too_long: URI_TOO_LONG, "RequestUriTooLong", "The URL is longer than this service accepts: use it unchanged";
        invalid_digest: BAD_REQUEST, "InvalidDigest", "A checksum in a header is malformed: Content-MD5 and x-amz-checksum-sha256 are base64, x-amz-content-sha256 hexadecimal, x-oss-hash-crc64ecma decimal";
        bad_digest: BAD_REQUEST, "BadDigest", "The content does not have the checksum that a header gives: upload it again";
        content_sha256: BAD_REQUEST, "XAmzContentSHA256Mismatch", "The content does not have the SHA-256 of the header x-amz-content-sha256: upload it again";
        other_checksum: BAD_REQUEST, "UnsupportedHeader", "The headers name a checksum that this service does not compute: send Content-MD5, x-amz-checksum-sha256 or none";
        repeated_header: BAD_REQUEST, "InvalidArgument", "A header that can have one value was sent twice: send it once";
        incomplete: BAD_REQUEST, "IncompleteBody", "The body ended before its Content-Length: upload it again";
        timeout: REQUEST_TIMEOUT, "RequestTimeout", "The body did not arrive in time: upload it again";
        precondition: PRECONDITION_FAILED, "PreconditionFailed", "The file is not as If-Match or If-None-Match demands: look at it again";
        too_many_files: CONFLICT, "TooManyFiles", "The context has as many files as it may have: delete some, or use another context";
        invalid_condition: BAD_REQUEST, "InvalidArgument", "If-Match and If-None-Match take `*` or quoted entity tags";
        unsupported_header: BAD_REQUEST, "UnsupportedHeader", "A header asks for something that this service does not do: send the bytes of the whole file as they are";
        unsupported_encoding: UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", "Content-Encoding is not supported: send the bytes of the file as they are";
        invalid_host: BAD_REQUEST, "InvalidRequest", "Send one header Host with the host and port of the URL";
        expectation: EXPECTATION_FAILED, "ExpectationFailed", "The header Expect takes 100-continue and nothing else";
        slow_down: SERVICE_UNAVAILABLE, "SlowDown", "Too many requests of this tenant are under way: wait for the seconds in Retry-After, then try again";
        damaged: INTERNAL_SERVER_ERROR, "InternalError", "The stored content of the file is damaged or missing: upload it again, or ask the operator of the service to restore it";
        internal: INTERNAL_SERVER_ERROR, "InternalError", "The service failed; nothing was changed: try again";
        full: INSUFFICIENT_STORAGE, "InsufficientStorage", "The service has no room for the file; nothing was changed: delete files, or try again later";
        moved: SERVICE_UNAVAILABLE, "ServiceUnavailable", "The data folder of the service was moved or replaced: writes are refused until it is back";
        unavailable: SERVICE_UNAVAILABLE, "ServiceUnavailable", "The service is about to stop: try again";
    }

    pub(super) const fn range(size: u64) -> Self {
        Self {
            status: StatusCode::RANGE_NOT_SATISFIABLE,
            code: "InvalidRange",
            message: "The range begins after the end of the file",
            size: Some(size),
        }
    }

    #[cfg(test)]
    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    pub(super) fn into_response(self, request_id: &str) -> Response {
        // Nothing in it has to be escaped: all texts are ours, and a request id is hexadecimal.
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

impl From<Refusal> for ObjectFailure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Signature => Self::signature(),
            Refusal::Expired => Self::expired(),
            Refusal::Revoked => Self::revoked(),
        }
    }
}

impl From<StoreError> for ObjectFailure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Stale | StoreError::NoContext => Self::void(),
            StoreError::NoFile => Self::no_such_key(),
            StoreError::Precondition => Self::precondition(),
            StoreError::TooManyFiles => Self::too_many_files(),
            StoreError::Closed => Self::unavailable(),
            StoreError::Full => {
                tracing::error!("the disk is full");
                Self::full()
            }
            StoreError::Moved(_) => {
                tracing::error!(%error, "a write was refused");
                Self::moved()
            }
            StoreError::NameTaken | StoreError::Damaged(_) | StoreError::Failed(_) => {
                tracing::error!(%error, "a transfer failed");
                Self::internal()
            }
        }
    }
}

impl From<BlobError> for ObjectFailure {
    fn from(error: BlobError) -> Self {
        tracing::error!(%error, "a transfer failed");
        match error {
            BlobError::Full => Self::full(),
            _ => Self::internal(),
        }
    }
}

impl From<NoRandom> for ObjectFailure {
    fn from(error: NoRandom) -> Self {
        BlobError::from(error).into()
    }
}
