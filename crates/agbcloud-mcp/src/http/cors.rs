//! Lets web pages of the allowed origins send requests and read the responses.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::origin::{AllowedOrigins, Origin};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");

/// Seconds for which a browser remembers the response to a preflight request.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// A layer around the authorization: a browser sends preflight requests without the token.
pub(super) async fn share(
    State(origins): State<AllowedOrigins>,
    request: Request,
    next: Next,
) -> Response {
    let Ok(Some(origin)) = origins.of_request(request.headers()) else {
        return next.run(request).await;
    };
    let is_preflight = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match is_preflight {
        true => preflight(request.headers()),
        false => next.run(request).await,
    };
    allow(&mut response, origin);
    response
}

fn preflight(request: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    for value in request.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        let names = value.to_str().unwrap_or_default().split(',');
        let names = names.filter_map(|name| name.trim().parse().ok());
        let names: Vec<HeaderName> = names.filter(may_be_sent).collect();
        let names: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
        if let Ok(names) = HeaderValue::try_from(names.join(", ")) {
            headers.append(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
        }
    }
    response
}

/// Whether the protocol uses this header of requests.
fn may_be_sent(name: &HeaderName) -> bool {
    let known = [
        header::ACCEPT,
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        HeaderName::from_static("last-event-id"),
    ];
    known.contains(name) || name.as_str().starts_with("mcp-")
}

fn allow(response: &mut Response, origin: &Origin) {
    let headers = response.headers_mut();
    if let Ok(origin) = HeaderValue::try_from(origin.to_string()) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    let exposed =
        HeaderValue::from_static("mcp-session-id, mcp-protocol-version, www-authenticate");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}
