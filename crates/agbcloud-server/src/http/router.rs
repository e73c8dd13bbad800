//! From a request to its handler, and what every answer has.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::any;
use futures_util::FutureExt;
use http::{HeaderValue, Method};

use super::disturb::disturb;
use super::envelope::Failure;
use super::operations::{Call, Operation, operations};
use super::params::Params;
use super::{App, Known, RequestId, auth, body, conformance, head, held, objects};
use crate::metrics::Metrics;
use crate::random;
use crate::signing::{Caller, url};

/// What the object leg is called in logs, metrics and faults: HEAD is a download without its bytes.
pub(crate) const UPLOAD: &str = "upload";
pub(crate) const DOWNLOAD: &str = "download";

/// The whole service.
pub(crate) fn router(app: Arc<App>) -> Router {
    let mut sdk = Router::new();
    for operation in operations() {
        let app = app.clone();
        sdk = sdk.route(
            operation.path,
            any(move |request| control(app, operation, request)),
        );
    }
    let sdk = sdk
        .route("/sdk/", any(unknown))
        .route("/sdk/{*operation}", any(unknown))
        // Who has no key learns nothing, not even which operations there are.
        .layer(middleware::from_fn_with_state(app.clone(), authenticate));
    let transfers = app.clone();
    let transfer = any(move |request| objects::transfer(transfers, request));
    Router::new()
        .merge(sdk)
        // A URL that lost all of its path is an altered one like any other.
        .route(url::PREFIX, transfer.clone())
        .route(&format!("{}{{*object}}", url::PREFIX), transfer)
        .fallback(unknown)
        .layer(middleware::from_fn_with_state(app.clone(), disturb))
        .layer(middleware::from_fn(conformance::required))
        .layer(middleware::from_fn_with_state(app.clone(), head::sized))
        .layer(middleware::from_fn_with_state(app.metrics.clone(), answer))
}

/// Gives every request its id and every answer one, whatever happens in between, and writes the log.
async fn answer(State(metrics): State<Arc<Metrics>>, mut request: Request, next: Next) -> Response {
    #[allow(clippy::disallowed_methods)] // How long something takes is no time of day.
    let began = Instant::now();
    let id = random::request_id();
    let method = request.method().clone();
    // The path alone: the query string of a presigned URL is a secret, and names of operations are all that helps.
    let operation = operation_of(&method, request.uri().path());
    request.extensions_mut().insert(RequestId(id.clone()));
    let handled = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response = handled.unwrap_or_else(|_| {
        tracing::error!(operation, request_id = id, "a handler panicked");
        Failure::internal().into_response(&id)
    });
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", value);
    }
    metrics.answered(operation, response.status(), began.elapsed());
    tracing::info!(operation, %method, status = response.status().as_u16(), request_id = id, "request");
    response
}

pub(super) fn operation_of(method: &Method, path: &str) -> &'static str {
    if path.starts_with(url::PREFIX) {
        return if method == Method::PUT {
            UPLOAD
        } else {
            DOWNLOAD
        };
    }
    operations()
        .iter()
        .find(|operation| operation.path == path)
        .map_or("unknown", |operation| operation.name)
}

async fn authenticate(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    match auth::caller(&app, request.headers()) {
        Ok(caller) => {
            let Some(place) = app.load.enter(&caller.tenant) else {
                let mut response = refuse(request, Failure::throttled());
                response.extensions_mut().insert(Known);
                return response;
            };
            request.extensions_mut().insert(caller);
            let mut response = next.run(request).await;
            response.extensions_mut().insert(Known);
            held::hold(response, place)
        }
        Err(failure) => refuse(request, failure),
    }
}

async fn unknown(request: Request) -> Response {
    refuse(request, Failure::no_such_operation())
}

fn refuse(request: Request, failure: Failure) -> Response {
    let id = request_id(&request);
    let (parts, body) = request.into_parts();
    body::drain(&parts.headers, body);
    failure.into_response(&id)
}

pub(super) fn request_id(request: &Request) -> String {
    request
        .extensions()
        .get::<RequestId>()
        .map(|id| id.0.clone())
        .unwrap_or_default()
}

async fn control(app: Arc<App>, operation: &'static Operation, request: Request) -> Response {
    if request.method() != operation.method {
        return refuse(request, Failure::other_method(operation.method));
    }
    let request_id = request_id(&request);
    // The clock that dates files: clients measure by it how far theirs is off.
    let date = HeaderValue::from_str(&app.now().http_date());
    let answered = run(app, operation, request, request_id.clone()).await;
    let mut response = answered.unwrap_or_else(|failure| failure.into_response(&request_id));
    if let Ok(date) = date {
        response.headers_mut().insert(http::header::DATE, date);
    }
    response
}

async fn run(
    app: Arc<App>,
    operation: &'static Operation,
    request: Request,
    request_id: String,
) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let Caller { tenant, issuer } = parts
        .extensions
        .get::<Caller>()
        .cloned()
        .ok_or_else(Failure::unauthorized)?;
    body::control(&parts.headers, body, &app.limits).await?;
    let params = Params::parse(operation, parts.uri.query().unwrap_or_default())?;
    (operation.run)(Call {
        app,
        tenant,
        issuer,
        params,
        request_id,
    })
    .await
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    #[tokio::test]
    async fn a_handler_that_panics_is_an_envelope_like_any_other_failure() {
        async fn bug() -> Response {
            panic!("a bug")
        }
        let router = Router::new()
            .route("/bug", any(bug))
            .layer(middleware::from_fn_with_state(
                Metrics::new(Arc::default()),
                answer,
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

    #[test]
    fn the_log_names_operations_and_never_a_path_of_a_user() {
        let named = |path| operation_of(&Method::GET, path);
        assert_eq!(named("/sdk/GetContext"), "GetContext");
        assert_eq!(named("/objects/v1/a/b"), "download");
        assert_eq!(operation_of(&Method::PUT, "/objects/v1/a/b"), "upload");
        assert_eq!(named("/sdk/secret"), "unknown");
    }
}
