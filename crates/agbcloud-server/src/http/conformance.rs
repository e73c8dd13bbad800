//! What RFC 9110 and RFC 9112 require of the head of every request.

use std::net::Ipv6Addr;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{EXPECT, HOST};
use http::uri::Authority;
use http::{HeaderValue, StatusCode, Version};

use super::envelope::Failure;
use super::xml::ObjectFailure;
use super::{body, router};
use crate::signing::url;

/// What a request does not conform to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Violation {
    /// RFC 9112, section 3.2.
    Host,
    /// RFC 9110, section 10.1.1.
    Expectation,
}

/// Refuses a request that does not conform, as its leg does.
pub(super) async fn required(request: Request, next: Next) -> Response {
    let Some(violation) = violation(&request) else {
        return next.run(request).await;
    };
    let id = router::request_id(&request);
    let is_object = request.uri().path().starts_with(url::PREFIX);
    let (parts, body) = request.into_parts();
    body::drain(&parts.headers, body);
    match (is_object, violation) {
        (true, Violation::Host) => ObjectFailure::invalid_host().into_response(&id),
        (true, Violation::Expectation) => ObjectFailure::expectation().into_response(&id),
        (false, Violation::Host) => Failure::invalid_host().into_response(&id),
        (false, Violation::Expectation) => Failure::expectation().into_response(&id),
    }
}

/// Refuses a request that does not conform, in plain text.
pub(crate) async fn required_in_text(request: Request, next: Next) -> Response {
    match violation(&request) {
        None => next.run(request).await,
        Some(Violation::Host) => {
            (StatusCode::BAD_REQUEST, "send one header Host\n").into_response()
        }
        Some(Violation::Expectation) => StatusCode::EXPECTATION_FAILED.into_response(),
    }
}

fn violation(request: &Request) -> Option<Violation> {
    let headers = request.headers();
    let mut hosts = headers.get_all(HOST).iter();
    let is_good = match (hosts.next(), hosts.next()) {
        (Some(host), None) => is_host(host),
        (None, _) => request.version() < Version::HTTP_11,
        (Some(_), Some(_)) => false,
    };
    let scheme = request.uri().scheme_str();
    if !is_good || scheme.is_some_and(|scheme| !["http", "https"].contains(&scheme)) {
        return Some(Violation::Host);
    }
    // HTTP/1.0 has no expectations.
    let known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    let expected = request.version() >= Version::HTTP_11;
    (expected && !headers.get_all(EXPECT).iter().all(known)).then_some(Violation::Expectation)
}

/// Whether this is a host that is not empty, with or without a port.
fn is_host(value: &HeaderValue) -> bool {
    let Some(authority) = value
        .to_str()
        .ok()
        .and_then(|text| text.parse::<Authority>().ok())
    else {
        return false;
    };
    let (text, host) = (authority.as_str(), authority.host());
    // The parser lets pass what stands where a port should be, and what is between brackets.
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

    fn found(version: Version, target: &str, lines: &[(&str, &str)]) -> Option<Violation> {
        let mut request = Request::builder().version(version).uri(target);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        violation(&request.body(Body::empty()).unwrap())
    }

    #[test]
    fn a_request_has_one_host() {
        let v11 = |hosts: &[&str]| {
            let lines: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
            found(Version::HTTP_11, "/", &lines)
        };
        for good in [
            "a",
            "a.b:80",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:8780",
            "a:",
            "a_b",
            "xn--4ca.example",
        ] {
            assert_eq!(v11(&[good]), None, "{good}");
        }
        for bad in [
            "", " ", "a b", "a/b", "u@a", "a:b", "a:99999", "a:-1", "[::1", "::1", "[x]", "[]",
            "a, b", ":80", "http://a", "a?b", "a#b", "\u{e4}",
        ] {
            assert_eq!(v11(&[bad]), Some(Violation::Host), "{bad}");
        }
        assert_eq!(v11(&[]), Some(Violation::Host));
        assert_eq!(v11(&["a", "a"]), Some(Violation::Host));
        // Before HTTP/1.1 there need be none, and there can't be two.
        assert_eq!(found(Version::HTTP_10, "/", &[]), None);
        let two = [("host", "a"), ("host", "a")];
        assert_eq!(found(Version::HTTP_10, "/", &two), Some(Violation::Host));
    }

    #[test]
    fn an_absolute_target_still_needs_a_host() {
        let v11 = |target, lines: &[_]| found(Version::HTTP_11, target, lines);
        let host = [("host", "b")];
        assert_eq!(v11("http://a/x", &host), None);
        assert_eq!(v11("http://a/x", &[]), Some(Violation::Host));
        assert_eq!(v11("ftp://a/x", &host), Some(Violation::Host));
    }

    #[test]
    fn nothing_else_is_expected_than_leave_to_continue() {
        let expecting =
            |version, expected| found(version, "/", &[("host", "a"), ("expect", expected)]);
        assert_eq!(expecting(Version::HTTP_11, "100-Continue"), None);
        for other in ["", "200-ok", "100-continue, x"] {
            let refused = Some(Violation::Expectation);
            assert_eq!(expecting(Version::HTTP_11, other), refused, "{other}");
            assert_eq!(expecting(Version::HTTP_10, other), None, "{other}");
        }
    }
}
