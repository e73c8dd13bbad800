//! Injects faults before and after the execution of a request.

#![expect(
    clippy::disallowed_methods,
    reason = "timeouts use real time; no stored data depends on it"
)]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::control::ControlError;
use super::objects::ObjectError;
use super::{App, body};
use crate::faults::{Fault, FaultKind};
use crate::operations::{DOWNLOAD, UPLOAD};

/// Time for sending the head and the rest of a truncated body before the connection breaks.
const FLUSH: Duration = Duration::from_millis(20);

/// Delays or rejects a request, or truncates its response.
pub(super) async fn inject_faults<F: Future<Output = Response>>(
    app: &App,
    operation: &'static str,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    if app.faults.is_empty() {
        return next(request).await;
    }
    let before = |kind: &FaultKind| match kind {
        FaultKind::Latency(_) | FaultKind::Status(_) | FaultKind::Html => Some(*kind),
        _ => None,
    };
    for (kind, fault) in app.faults.matching(operation, before) {
        match kind {
            FaultKind::Latency(time) => sleep(time).await,
            FaultKind::Html => return reject(request, fault, |_| gateway_page()),
            FaultKind::Status(status) => {
                return reject(request, fault, |id| status_response(operation, status, id));
            }
            _ => {}
        }
    }
    let cut = |kind: &FaultKind| match kind {
        FaultKind::Cut(bytes) => Some(*bytes),
        _ => None,
    };
    let cut = app.faults.matching(operation, cut);
    let response = next(request).await;
    match cut.into_iter().map(|(bytes, _)| bytes).min() {
        Some(left) => response.map(|body| Body::new(TruncatedBody::new(left, body))),
        None => response,
    }
}

fn reject(request: Request, fault: &Fault, respond: impl FnOnce(&str) -> Response) -> Response {
    let mut response = body::reject(request, respond);
    if let Some(seconds) = fault.retry_after {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn status_response(operation: &str, status: u16, id: &str) -> Response {
    let is_object = [UPLOAD, DOWNLOAD].contains(&operation);
    match (is_object, status) {
        (false, 429) => ControlError::throttled().into_response(id),
        (false, 503) => ControlError::unavailable().into_response(id),
        (false, _) => ControlError::internal().into_response(id),
        (true, 500) => ObjectError::internal().into_response(id),
        (true, status) => {
            let mut response = ObjectError::slow_down().into_response(id);
            *response.status_mut() =
                StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            response
        }
    }
}

/// Returns the response of a gateway whose service is down.
fn gateway_page() -> Response {
    const PAGE: &str = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n";
    let mut response = Response::new(Body::from(PAGE));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}

/// A body that fails after a number of bytes. Its size hint is that of the complete body.
struct TruncatedBody {
    body: Body,
    left: u64,
    /// The time for sending the preceding bytes, which an immediate failure would discard.
    flushing: Option<Pin<Box<Sleep>>>,
}

impl TruncatedBody {
    fn new(left: u64, body: Body) -> Self {
        Self {
            body,
            left,
            flushing: None,
        }
    }
}

impl HttpBody for TruncatedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.left == 0 {
            let flushing = self.flushing.get_or_insert_with(|| Box::pin(sleep(FLUSH)));
            ready!(flushing.as_mut().poll(context));
            return Poll::Ready(Some(Err(axum::Error::new(io::Error::other(
                "injected fault",
            )))));
        }
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        Pin::new(&mut self.body)
            .poll_frame(context)
            .map_ok(|frame| {
                frame.map_data(|mut data| {
                    data.truncate(left);
                    self.left -= data.len() as u64;
                    data
                })
            })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream() && self.left > 0
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
