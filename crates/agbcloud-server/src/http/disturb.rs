//! Faults on their way through: what a client meets before and after its request is carried out.

#![allow(clippy::disallowed_methods)] // It waits by tokio's clock; nothing that is stored rests on it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::envelope::Failure;
use super::router::{operation_of, request_id};
use super::xml::ObjectFailure;
use super::{App, DOWNLOAD, UPLOAD, body};
use crate::faults::{Fault, Kind};

/// How long the head and what is left of a body get before the connection breaks.
const FLUSH: Duration = Duration::from_millis(20);

/// Lets a request through, late, not at all or not whole.
pub(super) async fn disturb(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let operation = operation_of(request.method(), request.uri().path());
    let before = |kind: &Kind| match kind {
        Kind::Latency(_) | Kind::Status(_) | Kind::Html => Some(*kind),
        _ => None,
    };
    for (kind, fault) in app.faults.strike(operation, before) {
        match kind {
            Kind::Latency(time) => sleep(time).await,
            Kind::Html => return refuse(request, fault, |_| page()),
            Kind::Status(status) => {
                return refuse(request, fault, |id| failure(operation, status, id));
            }
            _ => {}
        }
    }
    let cut = |kind: &Kind| match kind {
        Kind::Cut(bytes) => Some(*bytes),
        _ => None,
    };
    let cut = app.faults.strike(operation, cut);
    let response = next.run(request).await;
    match cut.into_iter().map(|(bytes, _)| bytes).min() {
        Some(left) => response.map(|body| Body::new(Cut::after(left, body))),
        None => response,
    }
}

fn refuse(request: Request, fault: &Fault, answer: impl FnOnce(&str) -> Response) -> Response {
    let mut response = answer(&request_id(&request));
    let (parts, body) = request.into_parts();
    body::drain(&parts.headers, body);
    if let Some(seconds) = fault.retry_after {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn failure(operation: &str, status: u16, id: &str) -> Response {
    let is_object = [UPLOAD, DOWNLOAD].contains(&operation);
    match (is_object, status) {
        (false, 429) => Failure::throttled().into_response(id),
        (false, 503) => Failure::unavailable().into_response(id),
        (false, _) => Failure::internal().into_response(id),
        (true, 500) => ObjectFailure::internal().into_response(id),
        (true, status) => {
            let mut response = ObjectFailure::slow_down().into_response(id);
            *response.status_mut() =
                StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            response
        }
    }
}

/// What a gateway says whose service is gone.
fn page() -> Response {
    const PAGE: &str = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n";
    let mut response = Response::new(Body::from(PAGE));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}

/// A body that breaks after so many bytes. It says that it was as long as the whole.
struct Cut {
    body: Body,
    left: u64,
    /// What came before is on its way meanwhile: a break at once would take it along.
    flushing: Option<Pin<Box<Sleep>>>,
}

impl Cut {
    fn after(left: u64, body: Body) -> Self {
        Self {
            body,
            left,
            flushing: None,
        }
    }
}

impl HttpBody for Cut {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.left == 0 {
            let flushing = self.flushing.get_or_insert_with(|| Box::pin(sleep(FLUSH)));
            ready!(flushing.as_mut().poll(context));
            return Poll::Ready(Some(Err(axum::Error::new(io::Error::other("a fault")))));
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
