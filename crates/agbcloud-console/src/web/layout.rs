//! [`Layout`]: the frame of each page, and the responses with HTML.

use askama::Template;
use axum::{
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};

/// What the frame of a page shows.
pub(crate) struct Layout {
    pub(crate) title: String,
    /// The endpoint of the service; `None` without a session.
    pub(crate) endpoint: Option<String>,
    pub(crate) has_metrics: bool,
    pub(crate) csrf: String,
    /// The result of the last action.
    pub(crate) notice: Option<&'static str>,
}

impl Layout {
    /// The frame of a page that needs no session.
    pub(crate) fn signed_out(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            endpoint: None,
            has_metrics: false,
            csrf: String::new(),
            notice: None,
        }
    }
}

/// The content type of a page.
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// Responds with a page.
pub(crate) fn html(page: &impl Template) -> Response {
    html_with_status(StatusCode::OK, page)
}

pub(crate) fn html_with_status(status: StatusCode, page: &impl Template) -> Response {
    match render(page) {
        Some(text) => (status, [(CONTENT_TYPE, HTML)], text).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Renders a page. Logs a failure.
pub(crate) fn render(page: &impl Template) -> Option<String> {
    let text = page.render();
    text.inspect_err(|error| tracing::error!(%error, "can't render a page"))
        .ok()
}
