//! Routes of the service, and what applies to all requests: ids, the log and metrics.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::Request;
use axum::response::Response;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::HeaderValue;

use super::control::{self, ControlError};
use super::fault_injection::inject_faults;
use super::{App, RequestId, objects, request_head};
use crate::metrics::Metrics;
use crate::operations::operation_name;
use crate::signing::url;
use crate::system::random;

/// Answers the requests of a listener.
pub(crate) type Responder = Arc<dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync>;

/// Returns the responder of the service. Without axum's router and layers, which clone and box services for each request: they
/// took a sixth of the instructions of a small one.
pub(crate) fn responder(app: Arc<App>) -> Responder {
    Arc::new(move |request| {
        let app = app.clone();
        Box::pin(async move {
            let next = |operation, request| answer(app.clone(), operation, request);
            log_and_measure(&app.metrics, request, next).await
        })
    })
}

async fn answer(app: Arc<App>, operation: &'static str, request: Request) -> Response {
    match request_head::check(&app.limits, request) {
        Ok(request) => {
            let next = |request| route(app.clone(), request);
            inject_faults(&app, operation, request, next).await
        }
        Err(response) => *response,
    }
}

async fn route(app: Arc<App>, request: Request) -> Response {
    let path = request.uri().path();
    if path.starts_with(url::PREFIX) {
        objects::transfer(app, request).await
    } else if path.starts_with(control::PREFIX) {
        control::call(app, request).await
    } else {
        control::unknown_operation(request)
    }
}

/// Assigns the request id, logs the request, counts it and turns a panic into a response.
async fn log_and_measure<F: Future<Output = Response>>(
    metrics: &Metrics,
    mut request: Request,
    next: impl FnOnce(&'static str, Request) -> F,
) -> Response {
    #[expect(clippy::disallowed_methods, reason = "measures a duration")]
    let began = Instant::now();
    let id = random::request_id();
    let method = request.method().clone();
    // Only the name of the operation is logged: the query string of a presigned URL is a secret.
    let operation = operation_name(&method, request.uri().path());
    request.extensions_mut().insert(RequestId(id.clone()));
    let handled = AssertUnwindSafe(next(operation, request))
        .catch_unwind()
        .await;
    let mut response = handled.unwrap_or_else(|_| {
        tracing::error!(operation, request_id = id, "a handler panicked");
        ControlError::internal().into_response(&id)
    });
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", value);
    }
    metrics.count_request(operation, response.status(), began.elapsed());
    tracing::info!(operation, %method, status = response.status().as_u16(), request_id = id, "request");
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_handler_is_reported_as_an_internal_error() {
        async fn bug(_: &'static str, _: Request) -> Response {
            panic!("a bug")
        }
        let metrics = Metrics::new(Arc::default(), |_| ());
        let request = Request::builder().uri("/bug").body(Body::empty()).unwrap();
        let response = log_and_measure(&metrics, request, bug).await;
        assert_eq!(response.status(), 500);
        let id = response.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned();
        let body = axum::body::to_bytes(response.into_body(), 10_000)
            .await
            .unwrap();
        let envelope: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (envelope["code"].as_str(), envelope["requestId"].as_str()),
            (Some("InternalError"), Some(&*id))
        );
    }
}
