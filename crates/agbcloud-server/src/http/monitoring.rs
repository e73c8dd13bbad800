//! The monitoring listener: `/metrics`, `/health` and `/ready`.

#![expect(
    clippy::disallowed_methods,
    reason = "timeouts use real time; no stored data depends on it"
)]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tokio::time::timeout;

use super::Responder;
use super::request_head::check_in_text;
use crate::blobs::Blobs;
use crate::metadata::Metadata;
use crate::metrics::Metrics;
use crate::signing::Tenant;

/// Maximum time for a response of the database. Monitoring systems wait for a few seconds.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum time for a response of the store of blobs.
const BLOBS_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum number of blobs to count. Counting more would take too long.
const MAX_BACKLOG: u32 = 1000;
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Returns the responder of the listener.
pub(crate) fn responder(
    metrics: Arc<Metrics>,
    metadata: Arc<dyn Metadata>,
    blobs: Blobs,
) -> Responder {
    let store = metadata.clone();
    let router = Router::new()
        .route("/health", get(async || "the process is up\n"))
        .route("/ready", get(move || ready(store, blobs)))
        .route("/metrics", get(move || text(metrics, metadata)))
        .layer(middleware::from_fn(check_in_text));
    let service = TowerToHyperService::new(router);
    Arc::new(move |request| {
        let answer = service.call(request);
        Box::pin(async {
            let Ok(response) = answer.await;
            response
        })
    })
}

/// Whether the database responds. Checks it with a tenant that stores nothing. A replica whose store of blobs does not respond is
/// degraded and still ready: listings and small files work, and the other replicas use the same store.
async fn ready(store: Arc<dyn Metadata>, blobs: Blobs) -> Response {
    let unused = Tenant::from("");
    let check = async {
        store.check_location().await?;
        store.context_by_id(&unused, "").await
    };
    match timeout(STORE_TIMEOUT, check).await {
        Ok(Ok(_)) if store.upload_lease().is_none() => "ready\n".into_response(),
        Ok(Ok(_)) => match timeout(BLOBS_TIMEOUT, blobs.shared_marker()).await {
            Ok(Ok(Some(_))) => "ready\n".into_response(),
            Ok(Ok(None)) => "degraded: the marker of the blob store is missing\n".into_response(),
            Ok(Err(error)) => {
                tracing::error!(%error, "the blob store does not respond");
                "degraded: the blob store fails\n".into_response()
            }
            Err(_) => "degraded: the blob store does not respond in time\n".into_response(),
        },
        Ok(Err(error)) => {
            tracing::error!(%error, "the database does not respond");
            (StatusCode::SERVICE_UNAVAILABLE, "the database fails\n").into_response()
        }
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the database does not respond in time\n",
        )
            .into_response(),
    }
}

async fn text(metrics: Arc<Metrics>, store: Arc<dyn Metadata>) -> Response {
    // Not part of the registry, because they are queried and not counted.
    let usage = timeout(STORE_TIMEOUT, store.total_usage()).await;
    let usage = usage.ok().and_then(Result::ok).map(|usage| {
        format!(
            "# HELP agb_stored_files Files of all tenants.\n# TYPE agb_stored_files gauge\nagb_stored_files {}\n\
             # HELP agb_stored_bytes Bytes of the files of all tenants.\n# TYPE agb_stored_bytes gauge\n\
             # UNIT agb_stored_bytes bytes\nagb_stored_bytes {}\n",
            usage.files, usage.bytes
        )
    });
    let backlog = timeout(STORE_TIMEOUT, store.deletion_backlog(MAX_BACKLOG)).await;
    let backlog = backlog.ok().and_then(Result::ok).map(|blobs| {
        format!(
            "# HELP agb_collection_backlog Blobs that are no longer referenced and not deleted yet, at most {MAX_BACKLOG}.\n# TYPE agb_collection_backlog gauge\nagb_collection_backlog {blobs}\n"
        )
    });
    store.measure();
    match metrics.text() {
        Ok(text) => (
            [(CONTENT_TYPE, OPEN_METRICS)],
            usage.unwrap_or_default() + &backlog.unwrap_or_default() + &text,
        )
            .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::sqlite::Sqlite;
    use crate::signing::Secret;

    #[tokio::test]
    async fn a_closed_store_is_not_ready() {
        let (store, _) = Sqlite::memory(Secret([1; 32])).await.unwrap();
        let store: Arc<dyn Metadata> = Arc::new(store);
        let blobs = Blobs::memory().unwrap();
        assert_eq!(
            ready(store.clone(), blobs.clone()).await.status(),
            StatusCode::OK
        );
        store.close();
        assert_eq!(
            ready(store.clone(), blobs).await.status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
        // Counters are still available, without the backlog of the store.
        let metrics = text(Metrics::new(Arc::default(), |_| ()), store).await;
        assert_eq!(metrics.status(), StatusCode::OK);
        let body = axum::body::to_bytes(metrics.into_body(), 1_000_000)
            .await
            .unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(
            body.contains("agb_connections 0") && !body.contains("backlog"),
            "{body}"
        );
    }
}
