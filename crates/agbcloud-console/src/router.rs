//! The routes, and the checks that every request passes.

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};

use crate::{
    app::App,
    assets, contexts, files, plots, preview,
    web::{failure, guard, login},
};

/// Maximum bytes of a form without files.
const FORM_BYTES: usize = 256 * 1024;

pub(crate) fn router(app: Arc<App>) -> Router {
    let uploads = Router::new()
        .route("/contexts/{id}/upload", post(files::upload::form))
        .route("/contexts/{id}/content", post(files::upload::content))
        .layer(DefaultBodyLimit::disable());
    let signed_in = Router::new()
        .route("/", get(contexts::list::page))
        .route("/contexts", post(contexts::change::create))
        .route("/contexts/{id}", get(files::browser::page))
        .route("/contexts/{id}/manage", get(contexts::manage::page))
        .route("/contexts/{id}/confirm-clear", get(contexts::manage::clear))
        .route(
            "/contexts/{id}/confirm-delete",
            get(contexts::manage::delete),
        )
        .route("/contexts/{id}/rename", post(contexts::change::rename))
        .route("/contexts/{id}/clear", post(contexts::change::clear))
        .route("/contexts/{id}/delete", post(contexts::change::delete))
        .route("/contexts/{id}/state", get(contexts::manage::state))
        .route("/contexts/{id}/file", get(preview::page::page))
        .route("/contexts/{id}/image", get(preview::image::get))
        .route("/contexts/{id}/markdown", get(preview::markdown::get))
        .route("/contexts/{id}/download", get(files::download::get))
        .route("/contexts/{id}/rename-file", post(files::rename::post))
        .route(
            "/contexts/{id}/confirm-delete-file",
            get(files::delete::page),
        )
        .route("/contexts/{id}/delete-file", post(files::delete::post))
        .route("/contexts/{id}/share", post(files::share::post))
        .route("/metrics", get(plots::page))
        .route("/metrics/values", get(plots::values))
        .route("/metrics/plot/{name}", get(plots::plot))
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .merge(uploads)
        .layer(from_fn_with_state(app.clone(), guard::require_session));
    Router::new()
        .route("/login", get(login::sign_in))
        .route("/link", post(login::request_link))
        .route("/static/{name}", get(assets::get))
        .merge(signed_in)
        .fallback(login::not_found)
        .method_not_allowed_fallback(login::method_not_allowed)
        .layer(from_fn(guard::require_same_origin))
        .layer(from_fn(guard::require_loopback_host))
        // Outside the checks, whose refusals are failures, too.
        .layer(from_fn(failure::show))
        // The outermost, so that refusals have the headers, too.
        .layer(from_fn(guard::add_headers))
        .with_state(app)
}
