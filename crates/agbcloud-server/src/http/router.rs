//! Routes of the service, and what applies to all requests: ids, the log and metrics.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::any;
use futures_util::FutureExt;
use http::HeaderValue;

use super::control::{self, ControlError};
use super::fault_injection::inject_faults;
use super::{App, RequestId, objects, request_head};
use crate::metrics::Metrics;
use crate::operations::operation_name;
use crate::signing::url;
use crate::system::random;

/// Returns the routes of the service.
pub(crate) fn router(app: Arc<App>) -> Router {
    let transfers = app.clone();
    let transfer = any(move |request| objects::transfer(transfers, request));
    Router::new()
        .merge(control::routes(&app))
        // A URL without a path is an altered URL like any other.
        .route(url::PREFIX, transfer.clone())
        .route(&format!("{}{{*object}}", url::PREFIX), transfer)
        .fallback(control::unknown_operation)
        .layer(middleware::from_fn_with_state(app.clone(), inject_faults))
        .layer(middleware::from_fn_with_state(
            app.clone(),
            request_head::check,
        ))
        .layer(middleware::from_fn_with_state(
            app.metrics.clone(),
            log_and_measure,
        ))
}

/// Assigns the request id, logs the request, counts it and turns a panic into a response.
async fn log_and_measure(
    State(metrics): State<Arc<Metrics>>,
    mut request: Request,
    next: Next,
) -> Response {
    #[expect(clippy::disallowed_methods, reason = "measures a duration")]
    let began = Instant::now();
    let id = random::request_id();
    let method = request.method().clone();
    // Only the name of the operation is logged: the query string of a presigned URL is a secret.
    let operation = operation_name(&method, request.uri().path());
    request.extensions_mut().insert(RequestId(id.clone()));
    let handled = AssertUnwindSafe(next.run(request)).catch_unwind().await;
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
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_handler_is_reported_as_an_internal_error() {
        async fn bug() -> Response {
            panic!("a bug")
        }
        let router = Router::new()
            .route("/bug", any(bug))
            .layer(middleware::from_fn_with_state(
                Metrics::new(Arc::default(), |_| ()),
                log_and_measure,
            ));
        let request = Request::builder().uri("/bug").body(Body::empty()).unwrap();
        let response = TowerToHyperService::new(router)
            .call(request)
            .await
            .unwrap();
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
