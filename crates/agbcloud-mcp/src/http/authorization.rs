//! Refuses requests without the token, and sessions above the limit.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use serde_json::{Value, json};

use super::{origin::AllowedOrigins, token::BearerToken};
use crate::limits::MAX_SESSIONS;

/// The header that continues a session.
const SESSION_ID: &str = "mcp-session-id";

/// Seconds after which a client may try to open another session.
const RETRY_AFTER: &str = "60";

#[derive(Clone)]
pub(super) struct Guard {
    token: BearerToken,
    origins: AllowedOrigins,
    sessions: Arc<LocalSessionManager>,
}

impl Guard {
    pub(super) fn new(
        token: BearerToken,
        origins: AllowedOrigins,
        sessions: Arc<LocalSessionManager>,
    ) -> Self {
        Self {
            token,
            origins,
            sessions,
        }
    }

    fn is_authorized(&self, headers: &HeaderMap) -> bool {
        const SCHEME: &[u8] = b"Bearer ";
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return false;
        };
        let value = value.as_bytes();
        match value.split_at_checked(SCHEME.len()) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(SCHEME) => {
                self.token.matches(token)
            }
            _ => false,
        }
    }
}

/// A layer around the endpoint. `Host` is checked by the SDK.
pub(super) async fn authorize(
    State(guard): State<Guard>,
    request: Request,
    next: Next,
) -> Response {
    if !guard.is_authorized(request.headers()) {
        let body = json!({
            "error": "the request has no valid bearer token",
            "next_step": "send the header Authorization: Bearer TOKEN with the token of the server",
        });
        return refusal(
            StatusCode::UNAUTHORIZED,
            (header::WWW_AUTHENTICATE, "Bearer"),
            &body,
        );
    }
    if guard.origins.of_request(request.headers()).is_err() {
        let body = json!({
            "error": "web pages of this origin are not allowed",
            "next_step": "start the server with --allow-origin and the origin, if that is intended",
        });
        return refusal(StatusCode::FORBIDDEN, (header::VARY, "origin"), &body);
    }
    let opens_session =
        request.method() == Method::POST && !request.headers().contains_key(SESSION_ID);
    if opens_session && guard.sessions.sessions.read().await.len() >= MAX_SESSIONS {
        let body = json!({
            "error": format!("the server has {MAX_SESSIONS} sessions"),
            "next_step": "close a session by a DELETE request, or wait",
        });
        let wait = (header::RETRY_AFTER, RETRY_AFTER);
        return refusal(StatusCode::SERVICE_UNAVAILABLE, wait, &body);
    }
    next.run(request).await
}

fn refusal(status: StatusCode, with: (HeaderName, &'static str), body: &Value) -> Response {
    let content_type = (header::CONTENT_TYPE, "application/json");
    (status, [content_type, with], body.to_string()).into_response()
}
