//! The envelope of control responses.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use crate::http::service_failure::ServiceFailure;
use crate::metadata::StoreError;
use crate::system::random::NoRandom;

/// The error of a control call, as reported in the envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http) struct ControlError {
    status: StatusCode,
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    header: Option<(HeaderName, &'static str)>,
}

macro_rules! errors {
    ($($name:ident: $status:ident, $code:literal, $message:literal $(, $header:ident: $value:literal)?;)*) => {
        $(pub(in crate::http) fn $name() -> Self {
            Self {
                $(header: Some(($header, $value)),)?
                ..Self::new(StatusCode::$status, $code, $message)
            }
        })*
    };
}

impl ControlError {
    fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            header: None,
        }
    }

    pub(in crate::http) fn missing(parameter: &str, what: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            format!("MissingParameter.{}", capitalized(parameter)),
            format!("parameter `{parameter}` is missing: give {what}"),
        )
    }

    pub(in crate::http) fn invalid(parameter: &str, what: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            format!("InvalidParameter.{}", capitalized(parameter)),
            format!("parameter `{parameter}`: {what}"),
        )
    }

    /// Whether the service failed, and not the request.
    pub(super) fn is_service_failure(&self) -> bool {
        self.status.is_server_error()
    }

    /// Replaces the description.
    pub(super) fn with_message(self, message: String) -> Self {
        Self {
            message: message.into(),
            ..self
        }
    }

    /// Returns the status, the code and the description.
    pub(super) fn into_parts(self) -> (StatusCode, String, String) {
        let (code, message) = (self.code.into_owned(), self.message.into_owned());
        (self.status, code, message)
    }

    pub(in crate::http) fn body_too_large(max: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestTooLarge",
            format!(
                "the body of a control call is at most {max} bytes: send parameters in the query string and files to a presigned URL"
            ),
        )
    }

    pub(in crate::http) fn headers_too_large(bytes: usize, lines: usize) -> Self {
        Self::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "RequestHeadersTooLarge",
            format!(
                "a request line with its headers is at most {bytes} bytes and {lines} headers: send fewer or shorter headers"
            ),
        )
    }

    pub(in crate::http) fn uri_too_long(bytes: usize) -> Self {
        Self::new(
            StatusCode::URI_TOO_LONG,
            "RequestUriTooLong",
            format!(
                "a request line with its headers is at most {bytes} bytes: send shorter parameters"
            ),
        )
    }

    pub(in crate::http) fn other_method(allowed: &'static str) -> Self {
        Self {
            header: Some((ALLOW, allowed)),
            ..Self::method_not_allowed()
        }
    }

    errors! {
        invalid_body: BAD_REQUEST, "InvalidParameter.Body", "the body is not JSON: send no body or `{}`, and the parameters in the query string";
        incomplete_body: BAD_REQUEST, "InvalidParameter.Body", "the body ended too early: send no body or `{}`, and the parameters in the query string";
        body_timeout: REQUEST_TIMEOUT, "RequestTimeout", "the body did not arrive in time: send no body or `{}`, then try again";
        encoded_body: UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", "Content-Encoding is not supported: send no body or `{}`, and the parameters in the query string", ACCEPT_ENCODING: "identity";
        invalid_host: BAD_REQUEST, "InvalidRequest", "send one header Host with the host and port of the URL";
        expectation: EXPECTATION_FAILED, "ExpectationFailed", "the header Expect only supports 100-continue";
        throttled: TOO_MANY_REQUESTS, "Throttling", "too many concurrent requests with this key: wait for the seconds in Retry-After, then try again", RETRY_AFTER: "1";
        unauthorized: UNAUTHORIZED, "Unauthorized", "send the header `authorization: Bearer <API key>` with a key that this service knows", WWW_AUTHENTICATE: "Bearer";
        no_such_operation: NOT_FOUND, "InvalidAction.NotFound", "there is no such operation: the operations are listed in the OpenAPI document";
        method_not_allowed: METHOD_NOT_ALLOWED, "InvalidMethod", "this operation takes another HTTP method: see the Allow header";
        no_context: NOT_FOUND, "InvalidContext.NotFound", "there is no such context: list the contexts, or create it by GetContext with allowCreate=true";
        no_file: NOT_FOUND, "InvalidFile.NotFound", "there is no such file in this context: list the folder to see its files";
        name_taken: CONFLICT, "InvalidContext.NameConflict", "another context has this name: choose another name, or rename or delete that context first";
        clearing: CONFLICT, "InvalidContext.Clearing", "the context is being cleared; poll GetContext until its state is `available`, then try again";
        internal: INTERNAL_SERVER_ERROR, "InternalError", "the service failed; nothing was changed: try again, and report the request id if it stays";
        unavailable: SERVICE_UNAVAILABLE, "ServiceUnavailable", "the service can't answer now: wait for the seconds in Retry-After, then try again", RETRY_AFTER: "1";
        moved: SERVICE_UNAVAILABLE, "ServiceUnavailable", "the data folder of the service was moved or replaced: writes are rejected until it is back";
        full: INSUFFICIENT_STORAGE, "InsufficientStorage", "the service has no room left; nothing was changed: delete files or contexts, or try again later";
    }

    pub(in crate::http) fn into_response(self, request_id: &str) -> Response {
        let mut response = json(
            self.status,
            &agbcloud_api::types::Failure {
                request_id: Some(request_id.to_owned()),
                success: Some(false),
                code: Some(self.code.into_owned()),
                message: Some(self.message.into_owned()),
                http_status_code: Some(i32::from(self.status.as_u16())),
            },
        );
        if let Some((name, value)) = self.header {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl From<StoreError> for ControlError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoContext | StoreError::Stale => Self::no_context(),
            StoreError::NoFile => Self::no_file(),
            StoreError::NameTaken => Self::name_taken(),
            error => match ServiceFailure::from_store(&error, "a control call failed") {
                ServiceFailure::Unavailable => Self::unavailable(),
                ServiceFailure::Full => Self::full(),
                ServiceFailure::Moved => Self::moved(),
                ServiceFailure::Internal => Self::internal(),
            },
        }
    }
}

impl From<NoRandom> for ControlError {
    fn from(error: NoRandom) -> Self {
        StoreError::from(error).into()
    }
}

/// `loginRegionId` → `LoginRegionId`.
fn capitalized(parameter: &str) -> String {
    let mut name = parameter.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    name
}

/// Returns a response with a JSON body.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    // Wire types always serialize, so the fallback is never used.
    let body = serde_json::to_vec(body).unwrap_or_else(|_| b"{}".to_vec());
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Returns the response of a successful call: an envelope of a wire type with its payload.
macro_rules! success {
    ($call:expr, $envelope:ident $(, $field:ident: $value:expr)* $(,)?) => {{
        #[allow(clippy::needless_update, reason = "only some envelopes have more fields")]
        let envelope = agbcloud_api::types::$envelope {
            request_id: Some($call.request_id.clone()),
            success: Some(true),
            code: Some("ok".to_owned()),
            message: Some(String::new()),
            http_status_code: Some(200),
            $($field: $value,)*
            ..Default::default()
        };
        $crate::http::control::envelope::json(http::StatusCode::OK, &envelope)
    }};
}
pub(super) use success;
