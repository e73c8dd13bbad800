//! The listener for those who watch: `/metrics`, `/health` and `/ready`.

#![allow(clippy::disallowed_methods)] // It waits by tokio's clock; nothing that is stored rests on it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tokio::time::timeout;

use super::Metrics;
use crate::http::required_in_text;
use crate::metadata::Metadata;
use crate::signing::Tenant;

/// How long the store may take to answer. Whoever asks has patience for a few seconds.
const READY: Duration = Duration::from_secs(2);
/// Blobs are counted up to here: whether there are more is not worth a longer look.
const MAX_BACKLOG: u32 = 1000;
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the listener answers.
pub(crate) fn router(metrics: Arc<Metrics>, metadata: Arc<dyn Metadata>) -> Router {
    let store = metadata.clone();
    Router::new()
        .route("/health", get(async || "the process is up\n"))
        .route("/ready", get(move || ready(store)))
        .route("/metrics", get(move || text(metrics, metadata)))
        .layer(middleware::from_fn(required_in_text))
}

/// Whether the store answers. Nothing is ever stored for this tenant.
async fn ready(store: Arc<dyn Metadata>) -> Response {
    let nobody = Tenant::from("");
    let answers = async {
        store.check_location().await?;
        store.context_by_id(&nobody, "").await
    };
    match timeout(READY, answers).await {
        Ok(Ok(_)) => "the store answers\n".into_response(),
        Ok(Err(error)) => {
            tracing::error!(%error, "the store does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "the store fails\n").into_response()
        }
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the store does not answer in time\n",
        )
            .into_response(),
    }
}

async fn text(metrics: Arc<Metrics>, store: Arc<dyn Metadata>) -> Response {
    // Written by hand, because it is asked for and not counted.
    let backlog = timeout(READY, store.dead_blobs(MAX_BACKLOG)).await;
    let backlog = backlog.ok().and_then(Result::ok).map(|blobs| {
        format!(
            "# HELP agb_collection_backlog Blobs that nothing names any more and that are not deleted yet, at most {MAX_BACKLOG}.\n# TYPE agb_collection_backlog gauge\nagb_collection_backlog {}\n",
            blobs.len()
        )
    });
    match metrics.text() {
        Ok(text) => (
            [(CONTENT_TYPE, OPEN_METRICS)],
            backlog.unwrap_or_default() + &text,
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
    async fn a_store_that_does_not_answer_is_not_ready() {
        let (store, _) = Sqlite::memory(Secret([1; 32])).await.unwrap();
        let store: Arc<dyn Metadata> = Arc::new(store);
        assert_eq!(ready(store.clone()).await.status(), StatusCode::OK);
        store.close();
        assert_eq!(
            ready(store.clone()).await.status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
        // What was counted can still be had, without what only the store knows.
        let metrics = text(Metrics::new(Arc::default()), store).await;
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
