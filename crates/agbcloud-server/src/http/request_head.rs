//! Checks of the head of a request: the limits, and what RFC 9110 and RFC 9112 require.

use std::net::Ipv6Addr;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{EXPECT, HOST};
use http::uri::Authority;
use http::{HeaderValue, StatusCode, Version};

use super::body;
use super::control::ControlError;
use super::objects::ObjectError;
use crate::limits::{Limits, MAX_HEADERS};
use crate::signing::url;

/// Why the head of a request is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeadError {
    HeadersTooLarge,
    TargetTooLong,
    /// RFC 9112, section 3.2.
    Host,
    /// RFC 9110, section 10.1.1.
    Expectation,
}

/// Returns the response to a request whose head is invalid or exceeds the limits, and otherwise the request.
pub(super) fn check(limits: &Limits, request: Request) -> Result<Request, Box<Response>> {
    let Some(error) = size_error(&request, limits).or_else(|| conformance_error(&request)) else {
        return Ok(request);
    };
    let is_object = request.uri().path().starts_with(url::PREFIX);
    let response = body::reject(request, |id| match (is_object, error) {
        (true, HeadError::HeadersTooLarge) => ObjectError::headers_too_large().into_response(id),
        (true, HeadError::TargetTooLong) => ObjectError::uri_too_long().into_response(id),
        (true, HeadError::Host) => ObjectError::invalid_host().into_response(id),
        (true, HeadError::Expectation) => ObjectError::expectation().into_response(id),
        (false, HeadError::HeadersTooLarge) => {
            ControlError::headers_too_large(limits.head_bytes, MAX_HEADERS).into_response(id)
        }
        (false, HeadError::TargetTooLong) => {
            ControlError::uri_too_long(limits.head_bytes).into_response(id)
        }
        (false, HeadError::Host) => ControlError::invalid_host().into_response(id),
        (false, HeadError::Expectation) => ControlError::expectation().into_response(id),
    });
    Err(Box::new(response))
}

/// Rejects an invalid request with a response in plain text.
pub(super) async fn check_in_text(request: Request, next: Next) -> Response {
    match conformance_error(&request) {
        None => next.run(request).await,
        Some(HeadError::Expectation) => StatusCode::EXPECTATION_FAILED.into_response(),
        Some(_) => (StatusCode::BAD_REQUEST, "send one header Host\n").into_response(),
    }
}

/// Checks the size of the head. Connections accept larger heads than the limits, so that there can be a response.
fn size_error(request: &Request, limits: &Limits) -> Option<HeadError> {
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
        // Reports the larger part.
        return Some(if target > limits.head_bytes / 2 {
            HeadError::TargetTooLong
        } else {
            HeadError::HeadersTooLarge
        });
    }
    (request.headers().len() > MAX_HEADERS).then_some(HeadError::HeadersTooLarge)
}

fn conformance_error(request: &Request) -> Option<HeadError> {
    let headers = request.headers();
    let mut hosts = headers.get_all(HOST).iter();
    let is_valid = match (hosts.next(), hosts.next()) {
        (Some(host), None) => is_host(host),
        (None, _) => request.version() < Version::HTTP_11,
        (Some(_), Some(_)) => false,
    };
    let scheme = request.uri().scheme_str();
    if !is_valid || scheme.is_some_and(|scheme| !["http", "https"].contains(&scheme)) {
        return Some(HeadError::Host);
    }
    // HTTP/1.0 has no expectations.
    let supported = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    let has_expectations = request.version() >= Version::HTTP_11;
    (has_expectations && !headers.get_all(EXPECT).iter().all(supported))
        .then_some(HeadError::Expectation)
}

/// Whether a `Host` header contains a non-empty host, with or without a port.
fn is_host(value: &HeaderValue) -> bool {
    let Some(authority) = value
        .to_str()
        .ok()
        .and_then(|text| text.parse::<Authority>().ok())
    else {
        return false;
    };
    let (text, host) = (authority.as_str(), authority.host());
    // The parser does not check the port and the address in brackets.
    let port = match text.strip_prefix(host) {
        Some("") => true,
        Some(rest) => rest
            .strip_prefix(':')
            .is_some_and(|port| port.is_empty() || is_port(port)),
        None => false,
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => !host.is_empty(),
    };
    port && name
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn found(version: Version, target: &str, lines: &[(&str, &str)]) -> Option<HeadError> {
        let mut request = Request::builder().version(version).uri(target);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        conformance_error(&request.body(Body::empty()).unwrap())
    }

    #[test]
    fn a_request_has_exactly_one_valid_host() {
        let v11 = |hosts: &[&str]| {
            let lines: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
            found(Version::HTTP_11, "/", &lines)
        };
        for valid in [
            "a",
            "a.b:80",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:8780",
            "a:",
            "a_b",
            "xn--4ca.example",
        ] {
            assert_eq!(v11(&[valid]), None, "{valid}");
        }
        for invalid in [
            "", " ", "a b", "a/b", "u@a", "a:b", "a:99999", "a:-1", "[::1", "::1", "[x]", "[]",
            "a, b", ":80", "http://a", "a?b", "a#b", "\u{e4}",
        ] {
            assert_eq!(v11(&[invalid]), Some(HeadError::Host), "{invalid}");
        }
        assert_eq!(v11(&[]), Some(HeadError::Host));
        assert_eq!(v11(&["a", "a"]), Some(HeadError::Host));
        // HTTP/1.0 requires no host, but does not allow two.
        assert_eq!(found(Version::HTTP_10, "/", &[]), None);
        let two = [("host", "a"), ("host", "a")];
        assert_eq!(found(Version::HTTP_10, "/", &two), Some(HeadError::Host));
    }

    #[test]
    fn an_absolute_target_requires_a_host_header() {
        let v11 = |target, lines: &[_]| found(Version::HTTP_11, target, lines);
        let host = [("host", "b")];
        assert_eq!(v11("http://a/x", &host), None);
        assert_eq!(v11("http://a/x", &[]), Some(HeadError::Host));
        assert_eq!(v11("ftp://a/x", &host), Some(HeadError::Host));
    }

    #[test]
    fn only_100_continue_may_be_expected() {
        let expecting =
            |version, expected| found(version, "/", &[("host", "a"), ("expect", expected)]);
        assert_eq!(expecting(Version::HTTP_11, "100-Continue"), None);
        for other in ["", "200-ok", "100-continue, x"] {
            let rejected = Some(HeadError::Expectation);
            assert_eq!(expecting(Version::HTTP_11, other), rejected, "{other}");
            assert_eq!(expecting(Version::HTTP_10, other), None, "{other}");
        }
    }

    fn size_error_of(target: usize, header: usize, lines: usize) -> Option<HeadError> {
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
        size_error(&request.body(Body::empty()).unwrap(), &limits)
    }

    #[test]
    fn the_larger_part_of_an_oversized_head_is_reported() {
        // 22 bytes are neither target nor header value: the rest of the request line and of the header, and the empty line.
        assert_eq!(size_error_of(4000, 4170, 1), None);
        assert_eq!(
            size_error_of(4000, 4171, 1),
            Some(HeadError::HeadersTooLarge)
        );
        assert_eq!(size_error_of(4100, 4171, 1), Some(HeadError::TargetTooLong));
        assert_eq!(size_error_of(9000, 0, 1), Some(HeadError::TargetTooLong));
        assert_eq!(size_error_of(1, 9000, 1), Some(HeadError::HeadersTooLarge));
        assert_eq!(size_error_of(1, 0, MAX_HEADERS), None);
        assert_eq!(
            size_error_of(1, 0, MAX_HEADERS + 1),
            Some(HeadError::HeadersTooLarge)
        );
    }
}
