//! Responses, and their bodies.

use std::io;

use bytes::Bytes;
use dav_server::DavMethod;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};

use crate::failure::Failure;

/// The body of a response. An error aborts the connection, so that a client does not take a part for the whole.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    let body = Full::new(bytes.into());
    body.map_err(|never| match never {}).boxed_unsync()
}

pub(crate) fn boxed(body: impl HttpBody<Data = Bytes, Error = io::Error> + Send + 'static) -> Body {
    body.boxed_unsync()
}

/// A response with a line of text.
pub(crate) fn text(status: StatusCode, message: &str) -> Response<Body> {
    let mut response = Response::new(full(format!("{message}\n")));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(crate) fn failed(failure: &Failure) -> Response<Body> {
    let mut response = text(failure.status, &failure.message);
    if let Some(after) = failure.retry_after {
        // Rounded up.
        let seconds = after.as_millis().div_ceil(1000).max(1);
        if let Ok(seconds) = HeaderValue::from_str(&seconds.to_string()) {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
    }
    response
}

/// An error of `dav-server`, which has no text, with one.
pub(crate) fn explained<B: HttpBody>(
    method: DavMethod,
    answer: &Response<B>,
) -> Option<Response<Body>> {
    let status = answer.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let has_no_text = !answer.headers().contains_key(header::CONTENT_TYPE);
    if !is_error || !has_no_text {
        return None;
    }
    let (status, message) = match (status, method) {
        // `dav-server` reports so that the body has ended early. No operation of the file system has failed.
        (StatusCode::BAD_GATEWAY, DavMethod::Put) => {
            (StatusCode::BAD_REQUEST, "the request ended early")
        }
        (StatusCode::BAD_REQUEST, _) => (status, "a header, or the body, is not valid"),
        (StatusCode::FORBIDDEN, DavMethod::Copy | DavMethod::Move) => {
            (status, "the source and the destination are the same")
        }
        (StatusCode::NOT_FOUND, _) => (status, "no such file or folder"),
        (StatusCode::METHOD_NOT_ALLOWED, DavMethod::MkCol) => {
            (status, "a file or folder of this name exists")
        }
        (StatusCode::CONFLICT, DavMethod::Unlock) => (status, "there is no lock with this token"),
        (StatusCode::CONFLICT, _) => (status, "the folder does not exist: create it first"),
        (StatusCode::PRECONDITION_FAILED, _) => {
            (status, "a condition of the request does not hold")
        }
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, _) => (status, "the request must not have a body"),
        (StatusCode::LOCKED, _) => (status, "another client has a lock"),
        _ => (status, status.canonical_reason().unwrap_or("failed")),
    };
    let mut explained = text(status, message);
    for name in [header::CONNECTION, header::ALLOW] {
        if let Some(value) = answer.headers().get(&name) {
            explained.headers_mut().insert(name, value.clone());
        }
    }
    Some(explained)
}

/// A browser that opens a file must not run its scripts: they would have the origin of this server, and could write.
pub(crate) fn protect(headers: &mut HeaderMap) {
    let policy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:";
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(policy),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    // Nor may a page of another site load it, for example as a script.
    headers.insert(
        "cross-origin-resource-policy",
        HeaderValue::from_static("same-origin"),
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn retry_after_is_in_whole_seconds() {
        for (milliseconds, seconds) in [(0, "1"), (1000, "1"), (1001, "2")] {
            let mut failure = Failure::new(StatusCode::SERVICE_UNAVAILABLE, "busy");
            failure.retry_after = Some(Duration::from_millis(milliseconds));
            let response = failed(&failure);
            assert_eq!(response.headers()["retry-after"], seconds);
        }
    }
}
