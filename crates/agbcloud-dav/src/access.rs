//! Who may use the server: the host of a request, its origin and its password.

use agbcloud_listener::Host;
use headers::{Authorization, HeaderMapExt, authorization::Basic};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use reqwest::Url;
use subtle::ConstantTimeEq;

use crate::{
    request_headers::Destination,
    response::{Body, text},
};

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
        let Some(host) = Host::of(request.uri(), headers) else {
            let message = "the request has no valid host";
            return Err(Box::new(text(StatusCode::BAD_REQUEST, message)));
        };
        if !self.accepts(&host) {
            let message = "the name of this server is not known: add it with --host";
            return Err(Box::new(text(StatusCode::MISDIRECTED_REQUEST, message)));
        }
        if !is_same_origin(headers, &host) || is_from_other_site(headers) {
            let message = "requests of web pages are not allowed";
            return Err(Box::new(text(StatusCode::FORBIDDEN, message)));
        }
        if !self.is_authorized(headers) {
            return Err(Box::new(password_required()));
        }
        Ok(())
    }

    /// Whether the destination of a copy is on this server: it has the authority of the request, or a name of the server. A
    /// proxy may serve these names by https and on another port.
    pub(crate) fn is_local<B>(&self, destination: &Destination, request: &Request<B>) -> bool {
        let Destination::Url(url) = destination else {
            return true;
        };
        let host = url.host_str().unwrap_or_default();
        if matches!(url.scheme(), "http" | "https") && self.is_named(host) {
            return true;
        }
        let own = Host::of(request.uri(), request.headers());
        let own = own.and_then(|host| Url::parse(&format!("http://{}/", host.authority())).ok());
        own.is_some_and(|own| url.origin() == own.origin())
    }

    /// Whether a name is of this server. A web page that resolves its own name to this address is another one. Addresses can't
    /// be resolved otherwise.
    fn accepts(&self, host: &Host) -> bool {
        host.address().is_some() || host.is_named("localhost") || self.is_named(host.name())
    }

    fn is_named(&self, host: &str) -> bool {
        let mut names = self.hosts.iter();
        names.any(|name| name.eq_ignore_ascii_case(host))
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
}

/// Whether a request is not from a page of another origin. Only browsers send the header.
fn is_same_origin(headers: &HeaderMap, host: &Host) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let origin = origin
        .to_str()
        .ok()
        .and_then(|text| text.parse::<Uri>().ok());
    origin.is_some_and(|origin| origin.authority() == Some(host.authority()))
}

/// Whether a page of another site loads the resource, for example as a script. A user may open a link to it. Only browsers send
/// these headers.
fn is_from_other_site(headers: &HeaderMap) -> bool {
    let is = |name: &str, value: &str| {
        let header = headers.get(name);
        header.is_some_and(|header| header.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
    };
    let is_other = ["cross-site", "same-site"]
        .iter()
        .any(|site| is("sec-fetch-site", site));
    is_other && !is("sec-fetch-mode", "navigate")
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
    fn pages_of_other_sites_load_nothing() {
        let access = Access::new(Vec::new(), None);
        for (site, mode, expected) in [
            ("cross-site", "no-cors", Some(403)),
            ("same-site", "no-cors", Some(403)),
            ("cross-site", "navigate", None),
            ("same-origin", "no-cors", None),
            ("none", "navigate", None),
        ] {
            let headers = [
                ("host", "localhost:8785"),
                ("sec-fetch-site", site),
                ("sec-fetch-mode", mode),
            ];
            assert_eq!(status(&access, &headers), expected, "{site} {mode}");
        }
        let headers = [("host", "localhost"), ("sec-fetch-site", "cross-site")];
        assert_eq!(status(&access, &headers), Some(403));
    }

    #[test]
    fn a_destination_has_the_authority_of_the_request_or_a_name_of_the_server() {
        let access = Access::new(vec!["nas.local".to_owned()], None);
        let is_local = |host: &str, destination: &str| {
            let request = Request::builder().uri("/a").header("host", host);
            let request = request.header("destination", destination).body(()).unwrap();
            let destination = Destination::of(request.headers()).unwrap().unwrap();
            access.is_local(&destination, &request)
        };
        for destination in [
            "/b",
            "http://localhost:8785/b",
            "http://LOCALHOST:8785/b c",
            "http://nas.local/b",
            "https://nas.local:8443/b",
        ] {
            assert!(is_local("localhost:8785", destination), "{destination}");
        }
        for destination in [
            "http://127.0.0.1:8785/b",
            "http://localhost:1/b",
            "https://localhost:8785/b",
            "http://localhost/b",
            "http://10.9.8.7:8785/b",
            "http://other.example/b",
            "http://other.example/b c",
            "ftp://nas.local/b",
            "file:///b",
        ] {
            assert!(!is_local("localhost:8785", destination), "{destination}");
        }
        assert!(is_local("[::1]:80", "http://[::1]/b"));
    }
}
