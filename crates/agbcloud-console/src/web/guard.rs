//! The checks of every request, against pages of other origins, and the headers of every response.

use std::sync::Arc;

use agbcloud_listener::Host;
use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HeaderName, ORIGIN, REFERRER_POLICY,
            X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
        },
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{failure::Failure, login};
use crate::app::App;

/// Nothing is loaded from elsewhere, nothing runs inline, and no page can embed the console. Scripts can't turn text into
/// HTML.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'";

/// Adds the headers that protect a response, unless the handler has set a stricter one.
pub(crate) async fn add_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut add = |name: HeaderName, value: &'static str| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    add(CONTENT_SECURITY_POLICY, PAGE_POLICY);
    add(X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(CACHE_CONTROL, "no-store");
    add(X_FRAME_OPTIONS, "DENY");
    // With `no-referrer`, forms would have the origin `null`.
    add(REFERRER_POLICY, "same-origin");
    add(
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    add(
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    add(
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    );
    response
}

/// Refuses a request whose `Host` is not a loopback address: a name that another site controls may resolve to one
/// (DNS rebinding). The port may differ, as with a forwarded port.
pub(crate) async fn require_loopback_host(request: Request, next: Next) -> Response {
    match Host::of(request.uri(), request.headers()) {
        Some(host) if host.is_loopback() => next.run(request).await,
        _ => Failure::new(
            StatusCode::MISDIRECTED_REQUEST,
            "This host name is not allowed",
        )
        .hint("Open the console at 127.0.0.1 or localhost.")
        .into_response(),
    }
}

/// Refuses a change that a page of another origin requests.
pub(crate) async fn require_same_origin(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match reads || is_same_origin(&request) {
        true => next.run(request).await,
        false => Failure::new(
            StatusCode::FORBIDDEN,
            "This request comes from another page",
        )
        .hint("Open the console and repeat the action there.")
        .into_response(),
    }
}

/// Refuses a request without a session, and passes the session to the handler.
pub(crate) async fn require_session(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let cookie = cookie(request.headers(), &app.cookie);
    match cookie.and_then(|cookie| app.sessions.find(cookie)) {
        Some(session) => {
            request.extensions_mut().insert(session);
            next.run(request).await
        }
        None => login::signed_out(),
    }
}

fn is_same_origin(request: &Request) -> bool {
    let origin = request.headers().get(ORIGIN);
    origin
        .and_then(|origin| origin.to_str().ok())
        .and_then(|origin| origin.strip_prefix("http://"))
        .zip(Host::of(request.uri(), request.headers()))
        .is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host.authority().as_str()))
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(COOKIE).iter();
    cookies
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::header::HOST};

    use super::*;

    #[test]
    fn an_origin_must_equal_the_host() {
        let of = |origin: Option<&str>| {
            let mut request = Request::builder().uri("/").header(HOST, "127.0.0.1:1");
            if let Some(origin) = origin {
                request = request.header(ORIGIN, origin);
            }
            is_same_origin(&request.body(Body::empty()).unwrap())
        };
        assert!(of(Some("http://127.0.0.1:1")));
        for origin in [
            None,
            Some("null"),
            Some("http://127.0.0.1:2"),
            Some("http://127.0.0.1:11"),
            Some("https://127.0.0.1:1"),
            Some("http://attacker.example"),
        ] {
            assert!(!of(origin), "{origin:?}");
        }
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1; xb=2"));
        headers.append(COOKIE, HeaderValue::from_static("b=3"));
        assert_eq!(cookie(&headers, "b"), Some("3"));
        assert_eq!(cookie(&headers, "a"), Some("1"));
        assert_eq!(cookie(&headers, "c"), None);
    }
}
