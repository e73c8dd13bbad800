//! Signing in with the token of a link, and what a browser sees without a session.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use askama::Template;
use axum::{
    extract::State,
    http::{Method, StatusCode, header::SET_COOKIE},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{
    extract::Query,
    failure::Failure,
    layout::{Layout, html, html_with_status},
};
use crate::app::App;

/// Minimum time between two links that browsers request.
const REQUEST_INTERVAL: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
pub(crate) struct Token {
    #[serde(default)]
    token: String,
}

#[derive(Template)]
#[template(path = "signed_in.html")]
struct SignedIn {
    layout: Layout,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOut {
    layout: Layout,
    used: bool,
    requested: bool,
}

/// Exchanges the token for a cookie. Responds with a page rather than a redirect: after a redirect of a link on another
/// page, the browser would not send the cookie.
pub(crate) async fn sign_in(
    State(app): State<Arc<App>>,
    method: Method,
    Query(Token { token }): Query<Token>,
) -> Response {
    // A program that checks the link does not use it.
    if method == Method::HEAD {
        return StatusCode::OK.into_response();
    }
    match app.sessions.sign_in(&token) {
        Ok(Some(cookie)) => {
            let cookie = format!(
                "{}={}; Path=/; HttpOnly; SameSite=Strict",
                app.cookie,
                cookie.as_str()
            );
            let page = SignedIn {
                layout: Layout::signed_out("Signed in"),
            };
            ([(SET_COOKIE, cookie)], html(&page)).into_response()
        }
        Ok(None) => signed_out_page(StatusCode::FORBIDDEN, true, false),
        Err(error) => Failure::random(&error).into_response(),
    }
}

/// The response to a request without a session.
pub(crate) fn signed_out() -> Response {
    signed_out_page(StatusCode::UNAUTHORIZED, false, false)
}

/// Passes a new link to the program that runs the console.
pub(crate) async fn request_link(State(app): State<Arc<App>>) -> Response {
    if !app.may_request_link() {
        return Failure::new(
            StatusCode::TOO_MANY_REQUESTS,
            "A link was requested a moment ago",
        )
        .hint("Use the last link in the terminal, or wait ten seconds.")
        .into_response();
    }
    match app.create_link() {
        Ok(link) => {
            (app.on_link)(&link);
            signed_out_page(StatusCode::OK, false, true)
        }
        Err(error) => Failure::random(&error).into_response(),
    }
}

pub(crate) async fn not_found() -> Failure {
    Failure::not_found()
}

pub(crate) async fn method_not_allowed() -> Failure {
    Failure::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "This address does not support the request",
    )
    .hint("It belongs to a form. Go back and use the form.")
}

impl App {
    #[expect(
        clippy::disallowed_methods,
        reason = "limits requests in real time; no stored data depends on it"
    )]
    fn may_request_link(&self) -> bool {
        let mut last = self
            .last_request
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let allowed = last.is_none_or(|last| now.duration_since(last) >= REQUEST_INTERVAL);
        if allowed {
            *last = Some(now);
        }
        allowed
    }
}

fn signed_out_page(status: StatusCode, used: bool, requested: bool) -> Response {
    let page = SignedOut {
        layout: Layout::signed_out("Sign in"),
        used,
        requested,
    };
    html_with_status(status, &page)
}
