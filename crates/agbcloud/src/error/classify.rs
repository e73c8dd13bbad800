//! From an answer, or the lack of one, to an [`Error`].

use std::time::{Duration, SystemTime};

use agbcloud_api::BodyFault;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER};
use serde_json::Value;

use super::{Error, ErrorKind, detail::names_context, redact, snippet, take_out};
use crate::clock::Time;

/// Bytes of a body that an error keeps.
const BODY_START: usize = 1024;

/// Bytes of a failed answer that are read to find the envelope in it.
const ENVELOPE_LIMIT: usize = 64 * 1024;

/// How long the body of a failed answer is waited for.
const REST: Duration = Duration::from_secs(2);

/// What the envelope of an answer says of how the call went.
#[derive(Debug, Default, Clone)]
pub(crate) struct Verdict {
    pub(crate) success: Option<bool>,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) http_status_code: Option<i32>,
}

/// What an answer is read with.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    /// The API key, to take it out of texts that come back.
    pub(crate) key: &'a str,
    /// For dates in the answer, and for how long the rest of it is waited for.
    pub(crate) time: &'a Time,
}

impl Reading<'_> {
    pub(crate) fn now(&self) -> SystemTime {
        self.time.system_time()
    }
}

/// What an object store says of why it refused.
#[derive(Debug, Default)]
pub(crate) struct StoreRefusal {
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) request_id: Option<String>,
}

impl Verdict {
    /// Whether it is something in front of the service that speaks: an envelope says whether it succeeded, or has a code.
    fn is_foreign(&self) -> bool {
        self.success.is_none() && self.code.is_none()
    }

    /// Whether it has every field of a failure: no other service is likely to answer like this.
    fn is_complete(&self) -> bool {
        let filled = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        self.success == Some(false)
            && self.http_status_code.is_some()
            && filled(&self.code)
            && filled(&self.request_id)
    }

    /// Whether nothing is said at all.
    pub(crate) fn is_none(&self) -> bool {
        self.success.is_none() && self.code.is_none() && self.message.is_none()
    }

    /// What an envelope says, read field by field: one of an unexpected type does not hide the others. `None`
    /// for what is no envelope.
    fn read(body: &[u8]) -> Option<Self> {
        let envelope: serde_json::Map<String, Value> = serde_json::from_slice(body).ok()?;
        let text = |name: &str| match envelope.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        Some(Self {
            success: match envelope.get("success") {
                Some(Value::Bool(truth)) => Some(*truth),
                _ => text("success").and_then(|truth| truth.to_ascii_lowercase().parse().ok()),
            },
            code: text("code"),
            message: text("message"),
            request_id: text("requestId"),
            http_status_code: text("httpStatusCode").and_then(|status| status.parse().ok()),
        })
    }
}

impl Error {
    /// An answer whose envelope says that the call failed.
    pub(crate) fn from_verdict(
        status: u16,
        headers: &HeaderMap,
        verdict: Verdict,
        reading: Reading<'_>,
    ) -> Self {
        let (key, now) = (reading.key, reading.now());
        let told = verdict
            .http_status_code
            .and_then(|code| u16::try_from(code).ok());
        let effective = if status == 200 {
            told.unwrap_or(status)
        } else {
            status
        };
        let foreign = verdict.is_foreign();
        let complete = verdict.is_complete();
        let code = verdict.code.filter(|code| !code.is_empty() && code != "ok");
        let kind = match effective {
            // By its own status this would not pass either.
            501 | 505.. if status == 200 => ErrorKind::Rejected,
            _ if foreign => foreign_kind(effective),
            _ => match kind_of(effective, code.as_deref()) {
                ErrorKind::NotFound => missing(effective, code.as_deref(), complete),
                kind => kind,
            },
        };
        let mut error = Self::new(kind, shown(&verdict.message.unwrap_or_default(), key));
        error.0.status = Some(status);
        error.0.foreign = foreign;
        error.0.code = code.map(|code| {
            if is_name(&code) && redact(&code, key) == code {
                code
            } else {
                shown(&code, key)
            }
        });
        let id = verdict
            .request_id
            .as_deref()
            .and_then(|id| filled(&redact(id, key)));
        error.0.request_id = id.or_else(|| redacted_request_id(headers, key));
        error.0.retry_after = retry_after(headers, now);
        error
    }

    /// A failure of the raw client: no answer, or one that is not a good envelope.
    pub(crate) async fn from_raw(error: agbcloud_api::Error, reading: Reading<'_>) -> Self {
        let key = reading.key;
        match error {
            agbcloud_api::Error::UnexpectedResponse(response) => {
                Self::from_answer(response, reading).await
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

    async fn from_answer(mut response: reqwest::Response, reading: Reading<'_>) -> Self {
        let fault = response.extensions().get::<BodyFault>().cloned();
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let body = start_of(response, reading.time).await;
        match Verdict::read(&body) {
            Some(verdict) if says_failure(status, &verdict) => {
                Self::from_verdict(status, &headers, verdict, reading)
            }
            _ => Self::without_envelope(status, &headers, &body, fault, reading),
        }
    }

    fn without_envelope(
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
        fault: Option<BodyFault>,
        reading: Reading<'_>,
    ) -> Self {
        let (key, now) = (reading.key, reading.now());
        let kind = match &fault {
            Some(BodyFault::Broken(error)) if error.is_timeout() => ErrorKind::Timeout,
            Some(BodyFault::Broken(_)) => ErrorKind::Connection,
            _ if status < 400 => ErrorKind::InvalidResponse,
            _ => foreign_kind(status),
        };
        let text = String::from_utf8_lossy(body);
        let mut text = redact(&text, key).into_owned();
        text.truncate(boundary_below(&text, BODY_START));
        let mut error = Self::new(kind, describe(headers, &text, fault.as_ref(), key));
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

    /// An object store's refusal of a presigned URL.
    pub(crate) fn from_store(
        kind: ErrorKind,
        status: u16,
        headers: &HeaderMap,
        refusal: StoreRefusal,
        secrets: &[String],
        now: SystemTime,
    ) -> Self {
        let told = |text: Option<String>| filled(&without(text?, secrets));
        let mut error = Self::new(kind, told(refusal.message).unwrap_or_default());
        error.0.status = Some(status);
        error.0.code = told(refusal.code);
        let id = told(refusal.request_id);
        error.0.request_id = id.or_else(|| told(request_id(headers)));
        error.0.retry_after = retry_after(headers, now);
        error
    }

    /// No answer at all.
    pub(crate) fn from_transport(error: reqwest::Error) -> Self {
        // The URL can hold a signature, and it says nothing that the operation does not say.
        let error = error.without_url();
        let failure = if error.is_connect() {
            Self::no_connection()
        } else if error.is_timeout() {
            Self::no_answer()
        } else if error.is_builder() {
            Self::invalid_argument("the request can't be built")
        } else {
            Self::broken_off()
        };
        failure.with_source(error)
    }

    /// The service was not reached: it can't have got the call.
    pub(crate) fn no_connection() -> Self {
        let message = "can't connect: check the endpoint, the network and the proxy";
        let mut error = Self::new(ErrorKind::Connection, message);
        error.0.unsent = true;
        error
    }

    /// The connection broke when the service may have got the call.
    pub(crate) fn broken_off() -> Self {
        let message = "the connection broke before the answer was whole: try again";
        Self::new(ErrorKind::Connection, message)
    }

    /// The answer did not come in time.
    pub(crate) fn no_answer() -> Self {
        let message = "no answer in time: try again, or allow more with AGB_TIMEOUT_MS";
        Self::new(ErrorKind::Timeout, message)
    }
}

/// An envelope on a good status that does not say failure is an answer of the wrong shape, not a refusal.
fn says_failure(status: u16, verdict: &Verdict) -> bool {
    let named = verdict.code.is_some() || verdict.message.is_some() || verdict.success.is_some();
    if status < 400 {
        verdict.success == Some(false)
    } else {
        named
    }
}

fn describe(headers: &HeaderMap, text: &str, fault: Option<&BodyFault>, key: &str) -> String {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let what = match fault {
        Some(BodyFault::Broken(_)) => "the answer broke off",
        Some(BodyFault::TooLarge) => "the answer is too large",
        _ => "the answer is not the service's JSON",
    };
    let start = if text.is_empty() {
        "it is empty".to_owned()
    } else {
        snippet(text)
    };
    match kind {
        Some(kind) => format!("{what} ({}): {start}", shown(kind, key)),
        None => format!("{what}: {start}"),
    }
}

/// As much as an error shows. What has failed is known: it is not worth the time of the whole call to hear the rest.
async fn start_of(mut response: reqwest::Response, time: &Time) -> Vec<u8> {
    let mut body = Vec::new();
    let deadline = time.later(REST);
    loop {
        let left = deadline.saturating_duration_since(time.now());
        let Some(Ok(Some(chunk))) = time.within(left, response.chunk()).await else {
            return body;
        };
        let room = ENVELOPE_LIMIT - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == ENVELOPE_LIMIT {
            return body;
        }
    }
}

/// What a failure is: by its code where the code is telling, else by its status.
fn kind_of(status: u16, code: Option<&str>) -> ErrorKind {
    let code = code.unwrap_or_default();
    match status {
        401 | 403 => return ErrorKind::Unauthorized,
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

/// Starts of codes that say that the operation is not there. The first is that of our own service.
const OF_OPERATION: [&str; 6] = [
    "InvalidAction",
    "InvalidApi",
    "InvalidOperation",
    "InvalidVersion",
    "UnknownOperation",
    "UnsupportedOperation",
];

/// What a not-found is. A code that names a context or file is evidence that this is missing, and so is an envelope that
/// only the service makes; a status alone is not.
fn missing(status: u16, code: Option<&str>, complete: bool) -> ErrorKind {
    let code = code.unwrap_or_default();
    let of_operation = OF_OPERATION.iter().any(|start| code.starts_with(start));
    let of_resource = names_context(code) || code.starts_with("InvalidFile");
    if of_operation {
        ErrorKind::WrongEndpoint
    } else if of_resource || complete {
        ErrorKind::NotFound
    } else if matches!(status, 404 | 410) {
        ErrorKind::WrongEndpoint
    } else {
        ErrorKind::Rejected
    }
}

/// What an answer is that is not of the service. A gateway that knows no way to it says not-found too: that is no
/// word on whether there is what was asked for.
fn foreign_kind(status: u16) -> ErrorKind {
    match kind_of(status, None) {
        ErrorKind::NotFound => ErrorKind::WrongEndpoint,
        _ if status == 405 => ErrorKind::WrongEndpoint,
        kind => kind,
    }
}

/// The last place up to `limit` where a text can be cut.
fn boundary_below(text: &str, limit: usize) -> usize {
    let limit = limit.min(text.len());
    (0..=limit)
        .rev()
        .find(|index| text.is_char_boundary(*index))
        .unwrap_or(0)
}

/// Text from outside as a message shows it.
fn shown(text: &str, key: &str) -> String {
    snippet(&redact(text, key))
}

/// Takes out what must not be shown.
fn without(mut text: String, secrets: &[String]) -> String {
    for secret in secrets {
        text = take_out(&text, secret, false).into_owned();
    }
    redact(&text, "").into_owned()
}

/// A code as services make them: nothing in it needs to be taken out or cut.
fn is_name(code: &str) -> bool {
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

/// `Retry-After` in either of its forms: seconds, or an HTTP date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // What can't be counted is very long too.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let wait = date(headers, &RETRY_AFTER)?.duration_since(now);
    Some(wait.unwrap_or_default())
}

/// A header that is an HTTP date, in one of the three forms that there are.
pub(crate) fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    let date = jiff::fmt::rfc2822::DateTimeParser::new()
        .relaxed_weekday(true)
        .parse_timestamp(value);
    match date {
        Ok(date) => Some(SystemTime::from(date)),
        Err(_) => OBSOLETE.iter().find_map(|form| obsolete_date(form, value)),
    }
}

/// The forms of RFC 850 and of asctime.
const OBSOLETE: [&str; 2] = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

fn obsolete_date(form: &str, value: &str) -> Option<SystemTime> {
    let date = jiff::fmt::strtime::parse(form, value).ok()?.to_datetime();
    let zoned = date.ok()?.to_zoned(jiff::tz::TimeZone::UTC);
    Some(zoned.ok()?.timestamp().into())
}

#[cfg(test)]
mod tests;
