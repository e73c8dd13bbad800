//! Spans, with the names of OpenTelemetry's semantic conventions for HTTP clients where they exist.
//!
//! An operation has a span (`agb.operation`, level info), with a span for each HTTP request in it (`http`, level debug). Query
//! strings are never recorded, since that of a presigned URL is a secret.
//!
//! Numbers are recorded as `i64`: `tracing-opentelemetry` exports other integers as strings.

use bytes::Bytes;
use futures_core::future::BoxFuture;
use reqwest::Url;
use tracing::{Instrument, Span, field::Empty};

use crate::{
    config::Endpoint,
    error::{Error, Operation, Result},
    model::{ContextId, Response},
    text::escape_for_display,
};

/// The span of an operation with all its attempts.
pub(crate) fn operation_span(operation: Operation, context: Option<&ContextId>) -> Span {
    named_span(operation.as_str(), operation, context)
}

/// The span of an operation on a folder. Its files have spans of their own within it.
fn folder_span(name: &str, operation: Operation, context: &ContextId) -> Span {
    named_span(name, operation, Some(context))
}

fn named_span(name: &str, operation: Operation, context: Option<&ContextId>) -> Span {
    tracing::info_span!(
        "agb.operation",
        otel.name = name,
        otel.kind = "internal",
        otel.status_code = Empty,
        agb.operation = operation.as_str(),
        agb.context.id = context.map(|id| escape_for_display(id.as_str())).as_deref(),
        agb.request.id = Empty,
        agb.files.transferred = Empty,
        agb.files.deleted = Empty,
        agb.files.failed = Empty,
        agb.bytes = Empty,
        http.response.status_code = Empty,
        error.type = Empty,
    )
}

/// The span of one attempt of a call, after `resends` failed ones.
pub(crate) fn call_span(operation: Operation, endpoint: &Endpoint, resends: usize) -> Span {
    let method = operation.method();
    tracing::debug_span!(
        "http",
        otel.name = format_args!("{method} /sdk/{operation}"),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = method,
        http.request.resend_count = resend_count(resends),
        http.response.status_code = Empty,
        url.template = format_args!("/sdk/{operation}"),
        url.full = format_args!("{}/sdk/{operation}", endpoint.url),
        server.address = without_brackets(&endpoint.host),
        server.port = endpoint.port.map(i64::from),
        agb.request.id = Empty,
        error.type = Empty,
    )
}

/// The span of a request to a presigned URL, after `resends` failed ones.
pub(crate) fn presigned_span(operation: Operation, url: &Url, resends: usize) -> Span {
    let method = operation.method();
    tracing::debug_span!(
        "http",
        otel.name = method,
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = method,
        http.request.resend_count = resend_count(resends),
        http.response.status_code = Empty,
        url.full = format_args!("{}{}?REDACTED", url.origin().ascii_serialization(), url.path()),
        server.address = url.host_str().map(without_brackets),
        server.port = url.port_or_known_default().map(i64::from),
        agb.request.id = Empty,
        error.type = Empty,
    )
}

/// Absent on the first attempt, as the conventions require.
fn resend_count(resends: usize) -> Option<i64> {
    i64::try_from(resends).ok().filter(|resends| *resends > 0)
}

/// The conventions write an IPv6 address without brackets.
fn without_brackets(host: &str) -> &str {
    host.trim_matches(['[', ']'])
}

/// Records a count as a number that exporters keep.
pub(crate) fn record_count(span: &Span, field: &str, count: u64) {
    span.record(field, i64::try_from(count).unwrap_or(i64::MAX));
}

/// A result whose span records its HTTP status and request id.
pub(crate) trait Traced {
    fn status(&self) -> Option<u16> {
        None
    }

    fn request_id(&self) -> Option<&str> {
        None
    }

    /// Records further fields.
    fn record(&self, _span: &Span) {}
}

/// Runs the work in the span, and records the result.
pub(crate) async fn instrument<T: Traced>(
    work: impl Future<Output = Result<T>>,
    span: Span,
) -> Result<T> {
    let result = work.instrument(span.clone()).await;
    if !span.is_disabled() {
        span.in_scope(|| match &result {
            Ok(result) => record_success(&span, result),
            Err(error) => record_failure(&span, error),
        });
    }
    result
}

/// What a transfer is about, for its span and its errors.
pub(crate) struct Target {
    context: Result<ContextId>,
    path: Option<String>,
}

impl From<Result<ContextId>> for Target {
    fn from(context: Result<ContextId>) -> Self {
        let path = None;
        Self { context, path }
    }
}

impl<P: AsRef<str>> From<(Result<ContextId>, &Result<P>)> for Target {
    fn from((context, path): (Result<ContextId>, &Result<P>)) -> Self {
        let path = path.as_ref().ok().map(|path| path.as_ref().to_owned());
        Self { context, path }
    }
}

impl Target {
    /// Sets the operation and the target on errors.
    pub(crate) fn of_errors(self, operation: Operation) -> impl FnOnce(Error) -> Error {
        let Self { context, path } = self;
        move |error| {
            let error = error.with_operation(operation);
            let context = context.as_ref().map(ContextId::as_str);
            let error = context.into_iter().fold(error, Error::with_context);
            path.as_deref().into_iter().fold(error, Error::with_path)
        }
    }
}

/// Runs a transfer in its span, and sets its operation and its target on errors. Fails if the context is invalid.
pub(crate) fn transfer<'w, T: Traced>(
    operation: Operation,
    target: impl Into<Target>,
    work: impl Future<Output = Result<T>> + Send + 'w,
) -> BoxFuture<'w, Result<T>> {
    let span = move |context: &ContextId| operation_span(operation, Some(context));
    transfer_in(operation, target.into(), span, work)
}

/// Transfers a folder in its span, and sets its operation and its target on errors. Fails if the context is invalid.
pub(crate) fn folder<T: Traced>(
    name: &'static str,
    operation: Operation,
    target: impl Into<Target>,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> BoxFuture<'static, Result<T>> {
    let span = move |context: &ContextId| folder_span(name, operation, context);
    transfer_in(operation, target.into(), span, work)
}

fn transfer_in<'w, T: Traced>(
    operation: Operation,
    target: Target,
    span: impl FnOnce(&ContextId) -> Span + Send + 'w,
    work: impl Future<Output = Result<T>> + Send + 'w,
) -> BoxFuture<'w, Result<T>> {
    // Boxed, since it is large and moved again.
    let work = Box::pin(work);
    Box::pin(async move {
        let context = target.context.as_ref();
        let context = context.map_err(|error| error.clone().with_operation(operation))?;
        // Created when the work starts.
        let span = span(context);
        let named = async { work.await.map_err(target.of_errors(operation)) };
        instrument(named, span).await
    })
}

fn record_success(span: &Span, result: &impl Traced) {
    span.record("http.response.status_code", result.status().map(i64::from));
    result.record(span);
    let id = result.request_id().map(escape_for_display);
    span.record("agb.request.id", id.as_deref());
    tracing::debug!("done");
}

fn record_failure(span: &Span, error: &Error) {
    span.record("http.response.status_code", error.status().map(i64::from));
    let id = error.request_id().map(escape_for_display);
    span.record("agb.request.id", id.as_deref());
    span.record("otel.status_code", "ERROR");
    match error.status().filter(|status| *status >= 400) {
        Some(status) => span.record("error.type", tracing::field::display(status)),
        None => span.record("error.type", error.kind().as_str()),
    };
    tracing::debug!(%error, "failed");
}

impl<T> Traced for Response<T> {
    /// A successful response always has this status.
    fn status(&self) -> Option<u16> {
        Some(200)
    }

    fn request_id(&self) -> Option<&str> {
        self.request_id()
    }
}

impl Traced for reqwest::Response {
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

impl Traced for Bytes {}
