//! The head of a request, held against its limits.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::envelope::Failure;
use super::xml::ObjectFailure;
use super::{App, body, router};
use crate::limits::{HEADERS, Limits};
use crate::signing::url;

/// What of a head is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Excess {
    Headers,
    Target,
}

/// Refuses a head over the limits. A connection reads more than them, so that there is an answer to who sent it.
pub(super) async fn sized(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match excess(&request, &app.limits) {
        Some(excess) => refuse(request, excess, &app.limits),
        None => next.run(request).await,
    }
}

fn excess(request: &Request, limits: &Limits) -> Option<Excess> {
    let uri = request.uri();
    let authority = uri.authority().map_or(0, |name| name.as_str().len());
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let target = authority + path;
    let line = request.method().as_str().len() + target + "  HTTP/1.1\r\n".len();
    let headers = request.headers().iter();
    let headers: usize = headers
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum();
    if line + headers + "\r\n".len() > limits.head_bytes {
        // Whichever takes the larger part is what has to become shorter.
        return Some(if target > limits.head_bytes / 2 {
            Excess::Target
        } else {
            Excess::Headers
        });
    }
    (request.headers().len() > HEADERS).then_some(Excess::Headers)
}

fn refuse(request: Request, excess: Excess, limits: &Limits) -> Response {
    let id = router::request_id(&request);
    let is_object = request.uri().path().starts_with(url::PREFIX);
    let (parts, body) = request.into_parts();
    body::drain(&parts.headers, body);
    match (is_object, excess) {
        (true, Excess::Headers) => ObjectFailure::headers_too_large().into_response(&id),
        (true, Excess::Target) => ObjectFailure::uri_too_long().into_response(&id),
        (false, Excess::Headers) => {
            Failure::headers_too_large(limits.head_bytes, HEADERS).into_response(&id)
        }
        (false, Excess::Target) => Failure::uri_too_long(limits.head_bytes).into_response(&id),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn excess_of(target: usize, header: usize, lines: usize) -> Option<Excess> {
        let target = format!("/{}", "a".repeat(target - 1));
        let mut request = Request::builder()
            .uri(target)
            .header("x", "b".repeat(header));
        for _ in 1..lines {
            request = request.header("y", "");
        }
        let limits = Limits {
            head_bytes: 8192,
            ..Limits::default()
        };
        excess(&request.body(Body::empty()).unwrap(), &limits)
    }

    #[test]
    fn the_larger_part_of_a_head_is_what_is_too_much() {
        // Beside the two there are 22 bytes: the rest of the request line, of the header, and the empty line.
        assert_eq!(excess_of(4000, 4170, 1), None);
        assert_eq!(excess_of(4000, 4171, 1), Some(Excess::Headers));
        assert_eq!(excess_of(4100, 4171, 1), Some(Excess::Target));
        assert_eq!(excess_of(9000, 0, 1), Some(Excess::Target));
        assert_eq!(excess_of(1, 9000, 1), Some(Excess::Headers));
        assert_eq!(excess_of(1, 0, HEADERS), None);
        assert_eq!(excess_of(1, 0, HEADERS + 1), Some(Excess::Headers));
    }
}
