//! Spans, with the names of OpenTelemetry's semantic conventions for HTTP clients where those have one.
//!
//! An operation has a span (`agb.operation`, level info), and in it one for each HTTP request (`http`, level debug). The
//! query string of a URL is in neither: that of a presigned one is a secret.

use bytes::Bytes;
use futures_core::future::BoxFuture;
use reqwest::Url;
use tracing::{Instrument, Span, field::Empty};

use crate::{
    ContextId, Downloaded, Error, Operation, Response, Result, SyncReport, Uploaded,
    config::Endpoint, error::in_operation, escape_for_display,
};

/// The span of an operation with all its tries.
pub(crate) fn operation(operation: Operation, context: Option<&ContextId>) -> Span {
    tracing::info_span!(
        "agb.operation",
        otel.name = operation.as_str(),
        otel.kind = "internal",
        otel.status_code = Empty,
        agb.operation = operation.as_str(),
        agb.context.id = context.map(|id| escape_for_display(id.as_str())).as_deref(),
        agb.request.id = Empty,
        http.response.status_code = Empty,
        error.type = Empty,
    )
}

/// The span of one try of a call, of which `before` have failed.
pub(crate) fn call(operation: Operation, endpoint: &Endpoint, before: usize) -> Span {
    let method = operation.method();
    tracing::debug_span!(
        "http",
        otel.name = format_args!("{method} /sdk/{operation}"),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = method,
        http.request.resend_count = (before > 0).then_some(before),
        http.response.status_code = Empty,
        url.template = format_args!("/sdk/{operation}"),
        url.full = format_args!("{}/sdk/{operation}", endpoint.url),
        server.address = endpoint.host,
        server.port = endpoint.port,
        agb.request.id = Empty,
        error.type = Empty,
    )
}

/// The span of a request to a presigned URL.
pub(crate) fn presigned(operation: Operation, url: &Url) -> Span {
    let method = operation.method();
    tracing::debug_span!(
        "http",
        otel.name = method,
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = method,
        http.response.status_code = Empty,
        url.full = format_args!("{}{}?REDACTED", url.origin().ascii_serialization(), url.path()),
        server.address = url.host_str(),
        server.port = url.port_or_known_default(),
        agb.request.id = Empty,
        error.type = Empty,
    )
}

/// What a good result tells of itself.
pub(crate) trait Outcome {
    fn status(&self) -> Option<u16>;
    fn request_id(&self) -> Option<&str>;
}

/// Does the work in the span, and tells there how it ended.
pub(crate) async fn told<T: Outcome>(
    work: impl Future<Output = Result<T>>,
    span: Span,
) -> Result<T> {
    let result = work.instrument(span.clone()).await;
    if !span.is_disabled() {
        span.in_scope(|| match &result {
            Ok(outcome) => succeeded(&span, outcome),
            Err(error) => failed(&span, error),
        });
    }
    result
}

/// A transfer as a future: in its span, and its failures with its name.
pub(crate) fn transfer<T: Outcome>(
    operation: Operation,
    context: ContextId,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> BoxFuture<'static, Result<T>> {
    // In a box of its own: it is large, and moved once more.
    let work = Box::pin(work);
    Box::pin(async move {
        let span = self::operation(operation, Some(&context));
        let named = async { work.await.map_err(in_operation(operation)) };
        told(named, span).await
    })
}

fn succeeded(span: &Span, outcome: &impl Outcome) {
    span.record("http.response.status_code", outcome.status());
    let id = outcome.request_id().map(escape_for_display);
    span.record("agb.request.id", id.as_deref());
    tracing::debug!("done");
}

fn failed(span: &Span, error: &Error) {
    span.record("http.response.status_code", error.status());
    let id = error.request_id().map(escape_for_display);
    span.record("agb.request.id", id.as_deref());
    span.record("otel.status_code", "ERROR");
    match error.status().filter(|status| *status >= 400) {
        Some(status) => span.record("error.type", tracing::field::display(status)),
        None => span.record("error.type", error.kind().as_str()),
    };
    tracing::debug!(%error, "failed");
}

impl<T> Outcome for Response<T> {
    /// Only an answer with this status is a good one.
    fn status(&self) -> Option<u16> {
        Some(200)
    }

    fn request_id(&self) -> Option<&str> {
        self.request_id()
    }
}

impl Outcome for reqwest::Response {
    fn status(&self) -> Option<u16> {
        Some(self.status().as_u16())
    }

    fn request_id(&self) -> Option<&str> {
        let headers = self.headers();
        let id = headers
            .get("x-request-id")
            .or_else(|| headers.get("x-oss-request-id"))?;
        id.to_str().ok()
    }
}

impl Outcome for Bytes {
    fn status(&self) -> Option<u16> {
        None
    }

    fn request_id(&self) -> Option<&str> {
        None
    }
}

macro_rules! transferred {
    ($name:ident) => {
        impl Outcome for $name {
            fn status(&self) -> Option<u16> {
                None
            }

            fn request_id(&self) -> Option<&str> {
                self.request_id.as_deref()
            }
        }
    };
}

transferred!(Uploaded);
transferred!(Downloaded);

impl Outcome for SyncReport {
    fn status(&self) -> Option<u16> {
        None
    }

    fn request_id(&self) -> Option<&str> {
        None
    }
}
