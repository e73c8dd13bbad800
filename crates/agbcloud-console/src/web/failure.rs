//! [`Failure`]: why a request failed, as a page that says what to do next.

use agbcloud::{ErrorDetail, ErrorKind};
use askama::Template;
use axum::{
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::layout::{Layout, html_with_status};
use crate::text;

/// Why a request failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    title: String,
    cause: Option<String>,
    hint: Option<String>,
    request_id: Option<String>,
}

/// The result of a handler.
pub(crate) type Result<T = Response> = std::result::Result<T, Failure>;

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage<'a> {
    layout: Layout,
    failure: &'a Failure,
    is_retryable: bool,
}

/// The same for a script.
#[derive(Serialize)]
struct FailureJson<'a> {
    error: &'a str,
    cause: Option<&'a str>,
    hint: Option<&'a str>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, title: impl Into<String>) -> Self {
        Self {
            status,
            title: title.into(),
            cause: None,
            hint: None,
            request_id: None,
        }
    }

    pub(crate) fn bad_request(title: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, title)
    }

    pub(crate) fn conflict(title: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, title)
    }

    pub(crate) fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A handler without the check of the session.
    pub(crate) fn no_session() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "This browser is not signed in")
    }

    pub(crate) fn random(error: &getrandom::Error) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The system has no random numbers",
        )
        .cause(error.to_string())
    }

    /// Responds with JSON instead of a page.
    pub(crate) fn into_json(self) -> Response {
        let body = FailureJson {
            error: &self.title,
            cause: self.cause.as_deref(),
            hint: self.hint.as_deref(),
        };
        let text = serde_json::to_string(&body).unwrap_or_default();
        (self.status, [(CONTENT_TYPE, "application/json")], text).into_response()
    }
}

impl From<agbcloud::Error> for Failure {
    fn from(error: agbcloud::Error) -> Self {
        let status = match error.kind() {
            ErrorKind::InvalidArgument => StatusCode::BAD_REQUEST,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::Throttled => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
            ErrorKind::Rejected if error.status() == Some(413) => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_GATEWAY,
        };
        Self {
            status,
            title: title(&error).to_owned(),
            cause: Some(text::name(&error.to_string())),
            hint: hint(&error).map(str::to_owned),
            request_id: error.request_id().map(text::name),
        }
    }
}

fn title(error: &agbcloud::Error) -> &'static str {
    match error.kind() {
        ErrorKind::InvalidArgument => "This value is not allowed",
        ErrorKind::Unauthorized => "The service does not accept the API key",
        ErrorKind::NotFound => match error.detail() {
            Some(ErrorDetail::ContextNotFound) => "This context does not exist",
            Some(ErrorDetail::FileNotFound) => "This file does not exist",
            _ => "Not found",
        },
        ErrorKind::Conflict => match error.detail() {
            Some(ErrorDetail::ContextClearing) => "The context is being cleared",
            _ => "The current state does not allow this",
        },
        ErrorKind::Throttled => "The service receives too many requests",
        ErrorKind::Rejected => "The service rejected the request",
        ErrorKind::Unavailable => "The service has failed",
        ErrorKind::Connection | ErrorKind::Tls => "The service can't be reached",
        ErrorKind::Timeout => "The service did not respond in time",
        ErrorKind::Corrupted => "The transferred content is damaged",
        ErrorKind::WrongEndpoint | ErrorKind::InvalidResponse | ErrorKind::Redirected => {
            "The endpoint is not an AGB service"
        }
        _ => "The request failed",
    }
}

fn hint(error: &agbcloud::Error) -> Option<&'static str> {
    Some(match error.kind() {
        ErrorKind::InvalidArgument => "Go back and correct the value.",
        ErrorKind::Unauthorized => {
            "Log in with 'agb login', or set AGB_API_KEY, and start the console again."
        }
        ErrorKind::NotFound => "It may have been deleted or renamed. Go to the list of contexts.",
        ErrorKind::Conflict => match error.detail() {
            Some(ErrorDetail::ContextClearing) => "Wait until the context is available again.",
            _ => "Reload the page to see the current state.",
        },
        ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Timeout => {
            "Wait a moment, then try again."
        }
        ErrorKind::Connection | ErrorKind::Tls => {
            "Check that the service runs and that the network reaches it, then try again. 'agb doctor' shows more."
        }
        ErrorKind::WrongEndpoint | ErrorKind::InvalidResponse | ErrorKind::Redirected => {
            "Check the endpoint with 'agb doctor', and start the console again."
        }
        ErrorKind::Rejected if error.detail() == Some(ErrorDetail::QuotaExceeded) => {
            "Delete files to make room, then try again."
        }
        _ => return None,
    })
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let page = FailurePage {
            layout: Layout::signed_out(&self.title),
            failure: &self,
            is_retryable: self.status.is_server_error(),
        };
        html_with_status(self.status, &page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_unreachable_service_is_explained() {
        let client = agbcloud::Client::builder()
            .api_key("secret-key")
            .endpoint("http://127.0.0.1:1")
            .retry(agbcloud::RetryPolicy::never())
            .build()
            .unwrap();
        let error = client.contexts().list().send().await.unwrap_err();
        let failure = Failure::from(error);
        assert_eq!(failure.status, StatusCode::BAD_GATEWAY);
        let response = failure.into_response();
        let body = axum::body::to_bytes(response.into_body(), 100_000)
            .await
            .unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains("The service can&#39;t be reached"), "{body}");
        assert!(
            body.contains("Try again") && !body.contains("secret-key"),
            "{body}"
        );
    }
}
