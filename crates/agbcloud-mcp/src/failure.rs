//! [`Failure`]: why a tool failed, and what a model can do about it.

use agbcloud::{ErrorDetail, ErrorKind};
use rmcp::{
    ErrorData,
    model::{CallToolResult, ContentBlock},
};
use serde::Serialize;

use crate::limits::MAX_FAILURE_CHARS;

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// The error of a tool or a resource. It contains no API key and no signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Failure {
    /// One of the kinds of the SDK, such as `not_found`, or one of this crate.
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
    /// What to do, in the imperative.
    pub(crate) next_step: String,
}

/// Kinds that the SDK does not have.
pub(crate) const NOT_ALLOWED: &str = "not_allowed";
pub(crate) const CANCELLED: &str = "cancelled";
pub(crate) const TOO_LARGE: &str = "too_large";
pub(crate) const NOT_TEXT: &str = "not_text";
pub(crate) const UNSUPPORTED: &str = "unsupported";
const INTERNAL: &str = "internal";

const CHANGED: &str = "read the file again, and repeat the change with its new version";

/// What to do if a change may have been made.
pub(crate) const MAYBE_WRITTEN: &str = "read the file; repeat only what is missing";

impl Failure {
    pub(crate) fn new(
        kind: &'static str,
        message: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            message: shorten(message.into()),
            request_id: None,
            next_step: next_step.into(),
        }
    }

    pub(crate) fn invalid_argument(
        message: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        Self::new(ErrorKind::InvalidArgument.as_str(), message, next_step)
    }

    pub(crate) fn not_allowed(message: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self::new(NOT_ALLOWED, message, next_step)
    }

    /// The file is not the version that the caller read.
    pub(crate) fn changed(path: &str) -> Self {
        let message = format!("{path} is not the version that was read");
        Self::new(ErrorKind::Conflict.as_str(), message, CHANGED)
    }

    /// The file may contain the change, since the response to an attempt was lost.
    pub(crate) fn maybe_written(path: &str) -> Self {
        Self::new(
            ErrorKind::Conflict.as_str(),
            format!(
                "{path} has changed, and may contain your change: the response to an earlier attempt was lost"
            ),
            MAYBE_WRITTEN,
        )
    }

    /// A defect of this server.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(
            INTERNAL,
            message,
            "report the call and this message to the user; check with stat_file or get_context whether a change was made",
        )
    }

    pub(crate) fn timed_out() -> Self {
        Self::new(
            ErrorKind::Timeout.as_str(),
            "the call did not end in time; a change may have been made",
            "check with stat_file or get_context what was done, then repeat the call with smaller limits",
        )
    }

    pub(crate) fn cancelled() -> Self {
        Self::new(
            CANCELLED,
            "the client cancelled the call; a change may have been made",
            "check with stat_file or get_context what was done",
        )
    }

    /// The answer of a tool: JSON in a text. It has no structured content, since that must match the schema of a success.
    pub(crate) fn into_answer(self) -> CallToolResult {
        let text = serde_json::to_string(&self).unwrap_or(self.message);
        CallToolResult::error(vec![ContentBlock::text(text)])
    }

    /// The error of a request that is not the call of a tool.
    pub(crate) fn into_protocol_error(self) -> ErrorData {
        let data = serde_json::to_value(&self).ok();
        let message = format!("{}; next step: {}", self.message, self.next_step);
        match self.kind {
            "not_found" => ErrorData::resource_not_found(message, data),
            "invalid_argument" | NOT_ALLOWED | TOO_LARGE => {
                ErrorData::invalid_params(message, data)
            }
            _ => ErrorData::internal_error(message, data),
        }
    }
}

impl From<agbcloud::Error> for Failure {
    fn from(error: agbcloud::Error) -> Self {
        Self {
            kind: error.kind().as_str(),
            message: shorten(error.to_string()),
            request_id: error.request_id().map(str::to_owned),
            next_step: next_step(&error),
        }
    }
}

/// Removes the middle of a long message. It can contain an argument of megabytes, and the cause follows it.
fn shorten(message: String) -> String {
    const HALF: usize = MAX_FAILURE_CHARS / 2;
    let start = message.char_indices().nth(HALF);
    let end = message.char_indices().nth_back(HALF - 1);
    match (start, end) {
        (Some((start, _)), Some((end, _))) if start < end => {
            format!("{} … {}", &message[..start], &message[end..])
        }
        _ => message,
    }
}

fn next_step(error: &agbcloud::Error) -> String {
    if error.status() == Some(412) {
        return CHANGED.to_owned();
    }
    let by_detail = match error.detail() {
        Some(ErrorDetail::ContextNotFound) => {
            Some("call list_contexts for the names and ids of contexts")
        }
        Some(ErrorDetail::FileNotFound) => Some("call list_files or search_files to find the path"),
        Some(ErrorDetail::ContextClearing) => {
            Some("call get_context until the state is not clearing, then repeat the call")
        }
        Some(ErrorDetail::QuotaExceeded) => {
            Some("delete files that are not needed, or ask the user for a higher limit")
        }
        _ => None,
    };
    if let Some(step) = by_detail {
        return step.to_owned();
    }
    match error.kind() {
        ErrorKind::InvalidArgument => "correct the argument: the message names the rule",
        ErrorKind::NotFound => "call list_contexts or list_files to find what exists",
        ErrorKind::Unauthorized => {
            "ask the user to check the API key and the endpoint of the server"
        }
        ErrorKind::Configuration | ErrorKind::WrongEndpoint | ErrorKind::Redirected => {
            "ask the user to check the settings of the server with 'agb doctor'"
        }
        ErrorKind::Tls | ErrorKind::ProxyAuthentication | ErrorKind::InsecureUrl => {
            "ask the user to check the network with 'agb doctor'"
        }
        ErrorKind::Conflict => "call get_context or stat_file for the current state",
        ErrorKind::Throttled => match error.retry_after() {
            Some(wait) => {
                return format!(
                    "wait {} seconds, then repeat the call",
                    wait.as_secs().max(1)
                );
            }
            None => "wait a few seconds, then repeat the call with fewer calls at a time",
        },
        _ if error.is_transient() => {
            "repeat the call; if it fails again, report the message and the request id to the user"
        }
        _ => "report the message and the request id to the user",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use agbcloud::{ContextId, RemotePath};
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn an_error_of_the_sdk_has_a_kind_and_a_next_step() {
        let failure = Failure::from(RemotePath::new("no/slash").unwrap_err());
        assert_eq!(failure.kind, "invalid_argument");
        assert!(failure.next_step.contains("correct the argument"));
        let failure = Failure::from(ContextId::new("").unwrap_err());
        assert_eq!(failure.kind, "invalid_argument");
    }

    #[test]
    fn an_answer_is_json_in_a_text_and_marked_as_an_error() {
        let answer = Failure::changed("/a.txt").into_answer();
        assert_eq!(answer.is_error, Some(true));
        assert_eq!(answer.structured_content, None);
        let text = answer.content[0].as_text().unwrap();
        let json: Value = serde_json::from_str(&text.text).unwrap();
        assert_eq!(
            json,
            json!({
                "kind": "conflict",
                "message": "/a.txt is not the version that was read",
                "next_step": CHANGED,
            })
        );
    }

    #[test]
    fn a_long_message_is_cut_in_the_middle() {
        for (message, expected) in [
            ("short".to_owned(), "short".len()),
            ("ä".repeat(MAX_FAILURE_CHARS), MAX_FAILURE_CHARS),
            (
                format!("{} end", "ä".repeat(1 << 20)),
                MAX_FAILURE_CHARS + 3,
            ),
        ] {
            let failure = Failure::invalid_argument(message.clone(), "next");
            assert_eq!(failure.message.chars().count(), expected);
            assert_eq!(failure.message.ends_with("end"), message.ends_with("end"));
        }
    }

    #[test]
    fn a_missing_resource_has_the_code_of_the_protocol() {
        let missing = Failure::new("not_found", "no such file", "look elsewhere");
        let error = missing.into_protocol_error();
        assert_eq!(error.code, rmcp::model::ErrorCode::RESOURCE_NOT_FOUND);
        assert_eq!(error.data.unwrap()["next_step"], "look elsewhere");
    }
}
