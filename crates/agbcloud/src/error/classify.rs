//! Converts responses and transport failures to an [`Error`].

use std::time::{Duration, SystemTime};

use agbcloud_api::BodyFault;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use serde_json::Value;

use super::{Error, ErrorKind, detail::names_context};
use crate::{
    clock::Time,
    redact::{redact, redact_secret},
    text::snippet,
};

/// Maximum number of bytes of a body that an error keeps.
const BODY_START: usize = 1024;

/// Maximum number of bytes of a failed response that are read to decode its envelope.
const MAX_ENVELOPE: usize = 64 * 1024;

/// Maximum time to read the body of a failed response.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// The status fields of an envelope.
#[derive(Debug, Default, Clone)]
pub(crate) struct EnvelopeStatus {
    pub(crate) success: Option<bool>,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) http_status_code: Option<i32>,
}

/// What decoding a response requires besides the response.
#[derive(Clone, Copy)]
pub(crate) struct DecodeContext<'a> {
    /// The API key, to redact it.
    pub(crate) key: &'a str,
    /// For dates in the response, and for the time to read its body.
    pub(crate) time: &'a Time,
}

impl DecodeContext<'_> {
    pub(crate) fn now(&self) -> SystemTime {
        self.time.system_time()
    }
}

/// The error document of an object store.
#[derive(Debug, Default)]
pub(crate) struct StoreError {
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) request_id: Option<String>,
}

impl EnvelopeStatus {
    /// Whether the response is not from the service, whose envelopes have `success` or a code.
    fn is_foreign(&self) -> bool {
        self.success.is_none() && self.code.is_none()
    }

    /// Whether all fields of a failure are present, which no other service is likely to send.
    fn is_complete(&self) -> bool {
        let filled = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        self.success == Some(false)
            && self.http_status_code.is_some()
            && filled(&self.code)
            && filled(&self.request_id)
    }

    /// Whether no field is present.
    pub(crate) fn is_empty(&self) -> bool {
        self.success.is_none() && self.code.is_none() && self.message.is_none()
    }

    /// Decodes an envelope field by field, so that a field of an unexpected type does not hide the others. `None` if the
    /// body is not a JSON object.
    fn decode(body: &[u8]) -> Option<Self> {
        let envelope: serde_json::Map<String, Value> = serde_json::from_slice(body).ok()?;
        let text = |name: &str| match envelope.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        Some(Self {
            success: match envelope.get("success") {
                Some(Value::Bool(success)) => Some(*success),
                _ => text("success").and_then(|success| success.to_ascii_lowercase().parse().ok()),
            },
            code: text("code"),
            message: text("message"),
            request_id: text("requestId"),
            http_status_code: text("httpStatusCode").and_then(|status| status.parse().ok()),
        })
    }
}

impl Error {
    /// A response whose envelope reports a failure.
    pub(crate) fn from_envelope(
        status: u16,
        headers: &HeaderMap,
        envelope: EnvelopeStatus,
        context: DecodeContext<'_>,
    ) -> Self {
        let (key, now) = (context.key, context.now());
        let inner = envelope
            .http_status_code
            .and_then(|code| u16::try_from(code).ok());
        let effective = match status {
            200 => inner.unwrap_or(status),
            _ => status,
        };
        let foreign = envelope.is_foreign();
        let complete = envelope.is_complete();
        let code = envelope
            .code
            .filter(|code| !code.is_empty() && code != "ok");
        let kind = match effective {
            // With this HTTP status, the call would not be retried either.
            501 | 505.. if status == 200 => ErrorKind::Rejected,
            _ if foreign => foreign_kind(effective),
            _ => match kind_of(effective, code.as_deref()) {
                ErrorKind::NotFound => not_found_kind(effective, code.as_deref(), complete),
                kind => kind,
            },
        };
        let mut error = Self::new(kind, shown(&envelope.message.unwrap_or_default(), key));
        error.0.status = Some(status);
        error.0.foreign = foreign;
        error.0.code = code.map(|code| {
            if is_plain_code(&code) && redact(&code, key) == code {
                code
            } else {
                shown(&code, key)
            }
        });
        let id = envelope
            .request_id
            .as_deref()
            .and_then(|id| filled(&redact(id, key)));
        error.0.request_id = id.or_else(|| redacted_request_id(headers, key));
        error.0.retry_after = retry_after(headers, now);
        error
    }

    /// A failure of the generated client: no response, or one without a decodable envelope.
    pub(crate) async fn from_raw(error: agbcloud_api::Error, context: DecodeContext<'_>) -> Self {
        let key = context.key;
        match error {
            agbcloud_api::Error::UnexpectedResponse(response) => {
                Self::from_response(response, context).await
            }
            agbcloud_api::Error::CommunicationError(error)
            | agbcloud_api::Error::InvalidUpgrade(error)
            | agbcloud_api::Error::ResponseBodyError(error) => Self::from_transport(error),
            agbcloud_api::Error::InvalidRequest(message) => {
                Self::invalid_argument(shown(&message, key))
            }
            other => Self::new(ErrorKind::InvalidResponse, shown(&other.to_string(), key)),
        }
    }

    async fn from_response(mut response: reqwest::Response, context: DecodeContext<'_>) -> Self {
        let fault = response.extensions().get::<BodyFault>().cloned();
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let body = body_start(response, context.time).await;
        match EnvelopeStatus::decode(&body) {
            Some(envelope) if reports_failure(status, &envelope) => {
                Self::from_envelope(status, &headers, envelope, context)
            }
            _ => Self::without_envelope(status, &headers, &body, fault, context),
        }
    }

    fn without_envelope(
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
        fault: Option<BodyFault>,
        context: DecodeContext<'_>,
    ) -> Self {
        let (key, now) = (context.key, context.now());
        let kind = match &fault {
            Some(BodyFault::Broken(error)) if error.is_timeout() => ErrorKind::Timeout,
            Some(BodyFault::Broken(_)) => ErrorKind::Connection,
            _ if status < 400 && !is_redirect(status) => ErrorKind::InvalidResponse,
            _ => foreign_kind(status),
        };
        let text = String::from_utf8_lossy(body);
        let mut text = redact(&text, key).into_owned();
        text.truncate(boundary_below(&text, BODY_START));
        let response = describe(headers, &text, fault.as_ref(), key);
        let message = match kind {
            ErrorKind::Redirected => {
                let advice = "set the endpoint to the final address";
                redirect(headers, advice, |location| shown(location, key))
            }
            // The summary says what to do, and the response is that of a gateway or a proxy.
            ErrorKind::ProxyAuthentication | ErrorKind::Throttled => {
                format!("{}: {response}", kind.summary())
            }
            _ => response,
        };
        let mut error = Self::new(kind, message);
        error.0.status = Some(status);
        error.0.foreign = true;
        error.0.request_id = redacted_request_id(headers, key);
        error.0.retry_after = retry_after(headers, now);
        error.0.body_start = Some(text).filter(|text| !text.is_empty());
        match fault {
            Some(BodyFault::Broken(source)) => error.with_source(source),
            _ => error,
        }
    }

    /// An error response of an object store.
    pub(crate) fn from_store(
        kind: ErrorKind,
        status: u16,
        headers: &HeaderMap,
        body: StoreError,
        secrets: &[String],
        now: SystemTime,
    ) -> Self {
        let shown = |text: Option<String>| filled(&without_secrets(text?, secrets));
        let message = match kind {
            ErrorKind::Redirected => redirect(
                headers,
                "the object store or a proxy in front of it is at another address",
                |location| shown(Some(location.to_owned())).unwrap_or_default(),
            ),
            _ => shown(body.message).unwrap_or_default(),
        };
        let mut error = Self::new(kind, message);
        error.0.status = Some(status);
        error.0.code = shown(body.code);
        let id = shown(body.request_id);
        error.0.request_id = id.or_else(|| shown(request_id(headers)));
        error.0.retry_after = retry_after(headers, now);
        error
    }
}

/// Whether an envelope reports a failure. With a successful status, only `success: false` does; anything else has a wrong
/// shape.
fn reports_failure(status: u16, envelope: &EnvelopeStatus) -> bool {
    let any = envelope.code.is_some() || envelope.message.is_some() || envelope.success.is_some();
    if status < 400 {
        envelope.success == Some(false)
    } else {
        any
    }
}

fn describe(headers: &HeaderMap, text: &str, fault: Option<&BodyFault>, key: &str) -> String {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let what = match fault {
        Some(BodyFault::Broken(_)) => "incomplete response",
        Some(BodyFault::TooLarge) => "response too large",
        _ => "unexpected response",
    };
    let start = if text.is_empty() {
        "empty".to_owned()
    } else {
        snippet(text)
    };
    match kind {
        Some(kind) => format!("{what} ({}): {start}", shown(kind, key)),
        None => format!("{what}: {start}"),
    }
}

/// The start of a body. Reading stops after [`BODY_TIMEOUT`], since the kind of failure is already known.
async fn body_start(mut response: reqwest::Response, time: &Time) -> Vec<u8> {
    let mut body = Vec::new();
    let deadline = time.later(BODY_TIMEOUT);
    loop {
        let time_left = deadline.saturating_duration_since(time.now());
        let Some(Ok(Some(chunk))) = time.within(time_left, response.chunk()).await else {
            return body;
        };
        let left = MAX_ENVELOPE - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(left)]);
        if body.len() == MAX_ENVELOPE {
            return body;
        }
    }
}

/// Whether the status is that of a redirect to another URL.
pub(crate) fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The message of a redirect. `shown` removes secrets.
fn redirect(headers: &HeaderMap, advice: &str, shown: impl Fn(&str) -> String) -> String {
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let location = location.map(|location| format!(" to {}", shown(location)));
    let location = location.unwrap_or_default();
    format!("redirected{location}, which is not followed: {advice}")
}

/// The kind of a failure: by its status where that is specific, otherwise by its code.
fn kind_of(status: u16, code: Option<&str>) -> ErrorKind {
    let code = code.unwrap_or_default();
    match status {
        _ if is_redirect(status) => return ErrorKind::Redirected,
        401 | 403 => return ErrorKind::Unauthorized,
        407 => return ErrorKind::ProxyAuthentication,
        404 | 410 => return ErrorKind::NotFound,
        409 | 412 => return ErrorKind::Conflict,
        429 => return ErrorKind::Throttled,
        408 => return ErrorKind::Timeout,
        500.. => return ErrorKind::Unavailable,
        _ => {}
    }
    if code.ends_with("NotFound") {
        ErrorKind::NotFound
    } else if code.starts_with("Throttling") {
        ErrorKind::Throttled
    } else if code.starts_with("Unauthorized") || code.starts_with("Forbidden") {
        ErrorKind::Unauthorized
    } else if code.ends_with("Conflict") || code.ends_with("Clearing") {
        ErrorKind::Conflict
    } else if code.starts_with("InternalError") || code.starts_with("ServiceUnavailable") {
        ErrorKind::Unavailable
    } else {
        ErrorKind::Rejected
    }
}

/// Prefixes of codes for an operation that does not exist. The first is that of `agbcloud-server`.
const UNKNOWN_OPERATION: [&str; 6] = [
    "InvalidAction",
    "InvalidApi",
    "InvalidOperation",
    "InvalidVersion",
    "UnknownOperation",
    "UnsupportedOperation",
];

/// The kind of a "not found". A context or file is missing only if the code names one, or if the envelope is complete; a
/// status alone is no evidence.
fn not_found_kind(status: u16, code: Option<&str>, complete: bool) -> ErrorKind {
    let code = code.unwrap_or_default();
    let is_operation = UNKNOWN_OPERATION
        .iter()
        .any(|start| code.starts_with(start));
    let is_resource = names_context(code) || code.starts_with("InvalidFile");
    if is_operation {
        ErrorKind::WrongEndpoint
    } else if is_resource || complete {
        ErrorKind::NotFound
    } else if matches!(status, 404 | 410) {
        ErrorKind::WrongEndpoint
    } else {
        ErrorKind::Rejected
    }
}

/// The kind of a failure that is not from the service. A gateway without a route responds "not found" too, which is no
/// evidence that a context or file is missing.
fn foreign_kind(status: u16) -> ErrorKind {
    match kind_of(status, None) {
        ErrorKind::NotFound => ErrorKind::WrongEndpoint,
        _ if status == 405 => ErrorKind::WrongEndpoint,
        kind => kind,
    }
}

/// The last character boundary up to `limit`.
fn boundary_below(text: &str, limit: usize) -> usize {
    let limit = limit.min(text.len());
    (0..=limit)
        .rev()
        .find(|index| text.is_char_boundary(*index))
        .unwrap_or(0)
}

/// Untrusted text as a message shows it.
fn shown(text: &str, key: &str) -> String {
    snippet(&redact(text, key))
}

/// Removes secrets from a text.
fn without_secrets(mut text: String, secrets: &[String]) -> String {
    for secret in secrets {
        text = redact_secret(&text, secret, false).into_owned();
    }
    redact(&text, "").into_owned()
}

/// Whether a code is short and plain, so that it can be shown as it is.
fn is_plain_code(code: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    code.len() <= 100 && code.bytes().all(plain)
}

pub(crate) fn request_id(headers: &HeaderMap) -> Option<String> {
    redacted_request_id(headers, "")
}

fn redacted_request_id(headers: &HeaderMap, key: &str) -> Option<String> {
    let id = headers
        .get("x-request-id")
        .or_else(|| headers.get("x-oss-request-id"))?;
    filled(&redact(id.to_str().ok()?, key))
}

fn filled(text: &str) -> Option<String> {
    Some(snippet(text)).filter(|text| !text.is_empty())
}

/// `Retry-After`, in seconds or as an HTTP date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that does not fit is as good as the largest.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let wait = http_date(headers, &RETRY_AFTER)?.duration_since(now);
    Some(wait.unwrap_or_default())
}

/// A header with an HTTP date, in any of the three forms of RFC 9110.
pub(crate) fn http_date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    let date = jiff::fmt::rfc2822::DateTimeParser::new()
        .relaxed_weekday(true)
        .parse_timestamp(value);
    match date {
        Ok(date) => Some(SystemTime::from(date)),
        Err(_) => OBSOLETE.iter().find_map(|form| obsolete_date(form, value)),
    }
}

/// The obsolete forms, of RFC 850 and of asctime.
const OBSOLETE: [&str; 2] = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

fn obsolete_date(form: &str, value: &str) -> Option<SystemTime> {
    let date = jiff::fmt::strtime::parse(form, value).ok()?.to_datetime();
    let zoned = date.ok()?.to_zoned(jiff::tz::TimeZone::UTC);
    Some(zoned.ok()?.timestamp().into())
}

#[cfg(test)]
mod tests;
