//! [`Failure`]: why a request failed, as a page that says what to do next.

use std::sync::Arc;

use agbcloud::{ErrorDetail, ErrorKind};
use askama::Template;
use axum::{
    body::Body,
    extract::Request,
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, REFERER},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tokio::task::JoinError;

use super::layout::{HTML, Layout, html_with_status, render};
use crate::text;

/// Why a request failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    title: String,
    cause: Option<String>,
    hint: Option<Box<str>>,
    request_id: Option<Box<str>>,
    /// Where a search or a list starts, if the position in it is not valid.
    first_page: Option<Box<str>>,
    /// Titles and their entries, below the cause.
    lists: Box<[(&'static str, Vec<String>)]>,
}

/// The result of a handler.
pub(crate) type Result<T = Response> = std::result::Result<T, Failure>;

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage<'a> {
    layout: Layout,
    failure: &'a Failure,
    is_retryable: bool,
    /// The page with the form.
    back: Option<String>,
}

/// The same in a frame, which can't lead to another page.
#[derive(Template)]
#[template(path = "frame_failure.html")]
struct FrameFailure<'a> {
    failure: &'a Failure,
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
            first_page: None,
            lists: Box::default(),
        }
    }

    pub(crate) fn bad_request(title: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, title)
    }

    pub(crate) fn conflict(title: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, title)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "This page does not exist")
            .hint("Go to the list of contexts.")
    }

    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    pub(crate) fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into().into());
        self
    }

    /// Sets the status, and links to the first page.
    pub(crate) fn first_page(mut self, status: StatusCode, url: impl Into<String>) -> Self {
        self.status = status;
        self.first_page = Some(url.into().into());
        self.hint("Start at the first page.")
    }

    /// Sets the lists below the cause. Those without entries are not shown.
    pub(crate) fn lists<const N: usize>(mut self, lists: [(&'static str, Vec<String>); N]) -> Self {
        self.lists = Box::new(lists);
        self
    }

    /// The title and the cause in one sentence.
    pub(crate) fn summary(&self) -> String {
        match &self.cause {
            Some(cause) => format!("{}: {cause}", self.title),
            None => self.title.clone(),
        }
    }

    /// The title, the cause and the hint in one line.
    pub(crate) fn advice(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}. {hint}", self.summary()),
            None => self.summary(),
        }
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

    /// Responds with a page without links.
    pub(crate) fn into_frame(self) -> Response {
        html_with_status(self.status, &FrameFailure { failure: &self })
    }

    fn page(&self, method: &Method, back: Option<String>) -> String {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let page = FailurePage {
            layout: Layout::signed_out(&self.title),
            failure: self,
            // Repeating a change would need its form.
            is_retryable: reads && self.status.is_server_error(),
            back: back.filter(|_| !reads),
        };
        render(&page).unwrap_or_else(|| self.title.clone())
    }
}

/// Of a preview.
impl From<JoinError> for Failure {
    fn from(error: JoinError) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The preview can't be shown",
        )
        .cause(error.to_string())
        .hint("Download the file.")
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
            hint: hint(&error).map(Box::from),
            request_id: error.request_id().map(|id| text::name(id).into()),
            first_page: None,
            lists: Box::default(),
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
        // The page depends on the request: `show` renders it.
        let mut response = self.status.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// Renders the failures of handlers and checks as pages.
pub(crate) async fn show(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let back = back(request.headers());
    let mut response = next.run(request).await;
    if let Some(failure) = response.extensions_mut().remove::<Arc<Failure>>() {
        let page = failure.page(&method, back);
        *response.body_mut() = Body::from(page);
        let headers = response.headers_mut();
        headers.remove(CONTENT_LENGTH);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(HTML));
    }
    response
}

/// The page of the console that has sent a form, as a path.
fn back(headers: &HeaderMap) -> Option<String> {
    let host = headers.get(HOST)?.to_str().ok()?;
    let from = headers.get(REFERER)?.to_str().ok()?;
    let path = from.strip_prefix("http://")?.strip_prefix(host)?;
    let is_path = path.starts_with('/') && !path.starts_with("//") && !path.contains('\\');
    is_path.then(|| path.to_owned())
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
        let body = failure.page(&Method::GET, None);
        assert!(body.contains("The service can&#39;t be reached"), "{body}");
        assert!(
            body.contains("Try again") && !body.contains("secret-key"),
            "{body}"
        );
        // Repeating a form by its address would be another request.
        let body = failure.page(&Method::POST, Some("/contexts/a".to_owned()));
        assert!(!body.contains("Try again"), "{body}");
        assert!(body.contains("href=\"/contexts/a\">Back</a>"), "{body}");
    }

    #[test]
    fn back_leads_to_a_page_of_the_console_only() {
        let of = |from: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("127.0.0.1:1"));
            headers.insert(REFERER, HeaderValue::from_str(from).unwrap());
            back(&headers)
        };
        assert_eq!(
            of("http://127.0.0.1:1/contexts/a?folder=%2Fb").as_deref(),
            Some("/contexts/a?folder=%2Fb")
        );
        for other in [
            "",
            "http://attacker.example/",
            "http://127.0.0.1:12/",
            "http://127.0.0.1:1@attacker.example/",
            "http://127.0.0.1:1//attacker.example",
            "http://127.0.0.1:1/\\attacker.example",
            "https://127.0.0.1:1/",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
