//! [`Host`]: the server that a request is for.

use std::net::IpAddr;

use http::{HeaderMap, Uri, header, uri::Authority};

/// The host of a request, with its port. A server on loopback must check it: a web page can make its own name resolve to a
/// loopback address (DNS rebinding), and then read the responses. It can't do so under another name or an address.
///
/// ```
/// use agbcloud_listener::Host;
/// use http::{HeaderMap, HeaderValue, Uri, header};
///
/// let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("localhost:8785"))]);
/// let host = Host::of(&Uri::from_static("/a"), &headers).unwrap();
/// assert!(host.is_loopback());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(Authority);

impl Host {
    /// Returns the host of a request: that of its URI, if that is absolute, and otherwise the header. Returns `None` if it is
    /// missing or no valid host, or if there are several headers.
    pub fn of(uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(header::HOST).iter();
        let value = values.next();
        if values.next().is_some() {
            return None;
        }
        let authority = match uri.authority() {
            Some(authority) => authority.clone(),
            None => value?.to_str().ok()?.parse().ok()?,
        };
        // A user name is no part of a host.
        let is_host = !authority.as_str().contains('@') && !authority.host().is_empty();
        is_host.then_some(Self(authority))
    }

    /// Returns the host and the port, as they were sent: `localhost:8785`.
    pub fn authority(&self) -> &Authority {
        &self.0
    }

    /// Returns the name or the address, without the port. An IPv6 address is in brackets.
    pub fn name(&self) -> &str {
        self.0.host()
    }

    /// Returns the address, if the host is one.
    pub fn address(&self) -> Option<IpAddr> {
        let name = self.name();
        let address = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        address.unwrap_or(name).parse().ok()
    }

    /// Whether it has this name, without regard to case.
    pub fn is_named(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }

    /// Whether it is `localhost` or a loopback address.
    pub fn is_loopback(&self) -> bool {
        self.is_named("localhost") || self.address().is_some_and(|address| address.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn host(text: &str) -> Option<Host> {
        let value = HeaderValue::from_str(text).unwrap();
        Host::of(
            &Uri::from_static("/"),
            &HeaderMap::from_iter([(header::HOST, value)]),
        )
    }

    #[test]
    fn only_loopback_hosts_are_loopback() {
        for text in [
            "127.0.0.1:8790",
            "localhost",
            "LOCALHOST:1",
            "[::1]:8790",
            "127.9.9.9",
        ] {
            assert!(host(text).unwrap().is_loopback(), "{text}");
        }
        for text in [
            "attacker.example",
            "attacker.example:8790",
            "127.0.0.1.attacker.example",
            "localhost.attacker.example",
            "10.0.0.1",
            "0.0.0.0",
            "[::]",
        ] {
            assert!(!host(text).unwrap().is_loopback(), "{text}");
        }
    }

    #[test]
    fn a_text_that_is_no_host_is_refused() {
        for text in [
            "",
            "a b",
            ":80",
            "127.0.0.1@attacker.example",
            "attacker.example@127.0.0.1",
            "127.0.0.1/x",
        ] {
            assert_eq!(host(text), None, "{text}");
        }
    }

    #[test]
    fn there_is_one_host() {
        let uri = Uri::from_static("/");
        assert_eq!(Host::of(&uri, &HeaderMap::new()), None);
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, HeaderValue::from_static("localhost"));
        let absolute = Uri::from_static("http://attacker.example/");
        let host = Host::of(&absolute, &headers).unwrap();
        assert!(host.is_named("Attacker.Example"), "that of the URI counts");
        headers.append(header::HOST, HeaderValue::from_static("localhost"));
        assert_eq!(Host::of(&uri, &headers), None);
        assert_eq!(Host::of(&absolute, &headers), None);
    }
}
