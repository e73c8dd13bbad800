//! [`AllowedOrigins`]: the web pages that may use the server.

use std::{fmt, io, sync::Arc};

use axum::http::{HeaderMap, Uri, header};

/// The scheme, the host and the port of web pages. A default port is not part of it, as in the header of a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

/// The origins of the options.
#[derive(Debug, Clone, Default)]
pub(super) struct AllowedOrigins(Arc<[Origin]>);

impl Origin {
    /// Parses `https://app.example.com` or `http://localhost:3000`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for anything else, such as `*`, `null` and a URL with a path.
    pub(super) fn parse(text: &str) -> io::Result<Self> {
        Self::from_text(text).ok_or_else(|| {
            let message = format!(
                "{text:?} is not an origin: use a scheme, a host and a port, such as https://app.example.com:8443"
            );
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })
    }

    fn from_text(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let authority = uri.authority()?;
        let is_origin = uri.path() == "/" && uri.query().is_none() && !text.contains('#');
        let has_name = !authority.host().is_empty() && !authority.host().contains('*');
        // Neither a user nor a port that is not a number.
        let port = authority.port_u16();
        let is_plain = match port {
            Some(port) => authority.as_str() == format!("{}:{port}", authority.host()),
            None => authority.as_str() == authority.host(),
        };
        if !(is_origin && has_name && is_plain) {
            return None;
        }
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let default_port = match scheme.as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        Some(Self {
            host: authority.host().to_ascii_lowercase(),
            port: port.filter(|port| Some(*port) != default_port),
            scheme,
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl FromIterator<Origin> for AllowedOrigins {
    fn from_iter<I: IntoIterator<Item = Origin>>(origins: I) -> Self {
        Self(origins.into_iter().collect())
    }
}

impl AllowedOrigins {
    /// Returns the origin of a request. An error means that it is not allowed; programs send none.
    pub(super) fn of_request(&self, headers: &HeaderMap) -> Result<Option<&Origin>, ()> {
        let mut values = headers.get_all(header::ORIGIN).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let text = value.to_str().map_err(|_| ())?;
        let origin = Origin::from_text(text).ok_or(())?;
        let allowed = self.0.iter().find(|allowed| **allowed == origin);
        match values.next() {
            None => allowed.map(Some).ok_or(()),
            Some(_) => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_compared_by_scheme_host_and_port() {
        let allowed: AllowedOrigins = ["https://App.example.com", "http://localhost:3000"]
            .into_iter()
            .map(|text| Origin::parse(text).unwrap())
            .collect();
        for (text, is_allowed) in [
            ("https://app.example.com", true),
            ("https://app.example.com:443", true),
            ("http://localhost:3000", true),
            ("http://app.example.com", false),
            ("https://app.example.com:8443", false),
            ("https://example.com", false),
            ("https://app.example.com.evil.example", false),
            ("http://localhost", false),
            ("null", false),
            ("*", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ORIGIN, text.parse().unwrap())]);
            assert_eq!(allowed.of_request(&headers).is_ok(), is_allowed, "{text}");
        }
        assert_eq!(allowed.of_request(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn a_text_that_is_no_origin_is_refused() {
        for text in [
            "",
            "*",
            "null",
            "app.example.com",
            "https://",
            "https://*",
            "https://*.example.com",
            "https://app.example.com:*",
            "https://app.example.com:99999",
            "https://app.example.com/path",
            "https://app.example.com?query",
            "https://user@app.example.com",
        ] {
            let error = Origin::parse(text).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{text}");
        }
        let origin = Origin::parse("HTTPS://app.example.com:443/").unwrap();
        assert_eq!(origin.to_string(), "https://app.example.com");
    }
}
