//! Who may use the server: the host of a request, its origin and its password.

use std::net::IpAddr;

use headers::{Authorization, HeaderMapExt, authorization::Basic};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header, uri::Authority};
use subtle::ConstantTimeEq;

use crate::response::{Body, text};

/// The rules for requests.
#[derive(Clone)]
pub(crate) struct Access {
    /// Names of this server, besides its addresses and `localhost`.
    hosts: Vec<String>,
    password: Option<String>,
}

impl Access {
    pub(crate) fn new(hosts: Vec<String>, password: Option<String>) -> Self {
        Self { hosts, password }
    }

    /// Returns the response to a request that is not allowed.
    pub(crate) fn check<B>(&self, request: &Request<B>) -> Result<(), Box<Response<Body>>> {
        let headers = request.headers();
        let Some(host) = host_of(request) else {
            let message = "the request has no valid host";
            return Err(Box::new(text(StatusCode::BAD_REQUEST, message)));
        };
        if !self.accepts(host.host()) {
            let message = "the name of this server is not known: add it with --host";
            return Err(Box::new(text(StatusCode::MISDIRECTED_REQUEST, message)));
        }
        if !is_same_origin(headers, &host) {
            let message = "requests of web pages are not allowed";
            return Err(Box::new(text(StatusCode::FORBIDDEN, message)));
        }
        if !self.is_authorized(headers) {
            return Err(Box::new(password_required()));
        }
        match self.is_local(headers.get("destination"), &host) {
            true => Ok(()),
            false => {
                let message = "the destination is on another server";
                Err(Box::new(text(StatusCode::BAD_GATEWAY, message)))
            }
        }
    }

    /// Whether a name is of this server. A web page that resolves its own name to this address is another one. Addresses can't
    /// be resolved otherwise.
    fn accepts(&self, host: &str) -> bool {
        let address = host.trim_start_matches('[').trim_end_matches(']');
        address.parse::<IpAddr>().is_ok()
            || host.eq_ignore_ascii_case("localhost")
            || self
                .hosts
                .iter()
                .any(|name| name.eq_ignore_ascii_case(host))
    }

    fn is_authorized(&self, headers: &HeaderMap) -> bool {
        let Some(password) = &self.password else {
            return true;
        };
        let given = headers.typed_get::<Authorization<Basic>>();
        given.is_some_and(|given| {
            let given = given.password().as_bytes();
            given.ct_eq(password.as_bytes()).into()
        })
    }

    /// Whether the destination of a copy is on this server.
    fn is_local(&self, destination: Option<&HeaderValue>, host: &Authority) -> bool {
        let Some(destination) = destination else {
            return true;
        };
        let uri = destination
            .to_str()
            .ok()
            .and_then(|text| text.parse::<Uri>().ok());
        match uri.as_ref().map(Uri::authority) {
            // `dav-server` rejects it.
            None => true,
            Some(None) => true,
            Some(Some(authority)) => authority == host || self.accepts(authority.host()),
        }
    }
}

fn host_of<B>(request: &Request<B>) -> Option<Authority> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let named = hosts.next().and_then(|host| host.to_str().ok());
    if hosts.next().is_some() {
        return None;
    }
    match request.uri().authority() {
        Some(authority) => Some(authority.clone()),
        None => named?.parse().ok(),
    }
}

/// Whether a request is not from a page of another origin. Only browsers send the header.
fn is_same_origin(headers: &HeaderMap, host: &Authority) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let origin = origin
        .to_str()
        .ok()
        .and_then(|text| text.parse::<Uri>().ok());
    origin.is_some_and(|origin| origin.authority() == Some(host))
}

fn password_required() -> Response<Body> {
    let message = "the password is missing or wrong; any user name is accepted";
    let mut response = text(StatusCode::UNAUTHORIZED, message);
    let challenge = HeaderValue::from_static("Basic realm=\"agb dav\", charset=\"UTF-8\"");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(access: &Access, headers: &[(&str, &str)]) -> Option<u16> {
        let mut request = Request::builder().uri("/a");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let checked = access.check(&request.body(()).unwrap());
        checked.err().map(|response| response.status().as_u16())
    }

    #[test]
    fn only_names_of_the_server_are_accepted() {
        let access = Access::new(vec!["nas.local".to_owned()], None);
        for (host, expected) in [
            ("127.0.0.1:8785", None),
            ("[::1]:8785", None),
            ("192.168.1.5", None),
            ("localhost:8785", None),
            ("NAS.local:8785", None),
            ("attacker.example:8785", Some(421)),
            ("localhost.attacker.example", Some(421)),
            ("127.0.0.1.attacker.example", Some(421)),
            ("", Some(400)),
            ("a b", Some(400)),
        ] {
            assert_eq!(status(&access, &[("host", host)]), expected, "{host}");
        }
        assert_eq!(status(&access, &[]), Some(400));
        let two = [("host", "localhost"), ("host", "attacker.example")];
        assert_eq!(status(&access, &two), Some(400));
    }

    #[test]
    fn web_pages_of_other_origins_are_refused() {
        let access = Access::new(Vec::new(), None);
        for (origin, expected) in [
            ("http://localhost:8785", None),
            ("http://localhost:1", Some(403)),
            ("https://attacker.example", Some(403)),
            ("null", Some(403)),
        ] {
            let headers = [("host", "localhost:8785"), ("origin", origin)];
            assert_eq!(status(&access, &headers), expected, "{origin}");
        }
    }

    #[test]
    fn the_password_is_required() {
        let access = Access::new(Vec::new(), Some("secret".to_owned()));
        for (credentials, expected) in [
            ("Basic dXNlcjpzZWNyZXQ=", None),
            ("Basic OnNlY3JldA==", None),
            ("Basic dXNlcjpvdGhlcg==", Some(401)),
            ("Bearer secret", Some(401)),
        ] {
            let headers = [("host", "localhost"), ("authorization", credentials)];
            assert_eq!(status(&access, &headers), expected, "{credentials}");
        }
        assert_eq!(status(&access, &[("host", "localhost")]), Some(401));
    }

    #[test]
    fn a_destination_on_another_server_is_refused() {
        let access = Access::new(Vec::new(), None);
        for (destination, expected) in [
            ("/b", None),
            ("http://localhost:8785/b", None),
            ("http://127.0.0.1:8785/b", None),
            ("http://other.example/b", Some(502)),
        ] {
            let headers = [("host", "localhost:8785"), ("destination", destination)];
            assert_eq!(status(&access, &headers), expected, "{destination}");
        }
    }
}
