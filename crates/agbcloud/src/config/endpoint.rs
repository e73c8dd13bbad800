//! The endpoint.

use std::net::IpAddr;

use reqwest::Url;

use super::invalid_setting;
use crate::error::Result;

/// The base URL of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Has a scheme, and no slash at the end.
    pub(crate) url: String,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

impl Endpoint {
    /// Parses an endpoint. The scheme defaults to https.
    pub(crate) fn parse(given: &str) -> Result<Self> {
        let given = given.trim();
        let example = "give a URL like https://sdk-api.agb.cloud or http://127.0.0.1:8780";
        // Browsers accept this, but here it is more likely a mistake.
        let one_slash = ["http:", "https:"].iter().any(|scheme| {
            let rest = given.strip_prefix(scheme);
            rest.is_some_and(|rest| !rest.starts_with("//"))
        });
        if one_slash || given.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err(invalid_setting(format!(
                "the endpoint is not a URL: {example}"
            )));
        }
        let with_scheme = if given.contains("://") {
            given.to_owned()
        } else {
            format!("https://{given}")
        };
        let url = Url::parse(&with_scheme)
            .map_err(|_| invalid_setting(format!("the endpoint is not a URL: {example}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid_setting(format!(
                "the endpoint must be http or https: {example}"
            )));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid_setting(
                "the endpoint must not contain a user or password: set the API key instead",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid_setting(format!(
                "the endpoint must not contain `?` or `#`: {example}"
            )));
        }
        Ok(Self {
            url: url.as_str().trim_end_matches('/').to_owned(),
            host: url.host_str().unwrap_or_default().to_owned(),
            port: url.port_or_known_default(),
        })
    }
}

/// Whether the host of a URL is a loopback address or `localhost`.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.trim_end_matches('.') == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_parsed_leniently() {
        for (given, base) in [
            ("sdk-api.agb.cloud", "https://sdk-api.agb.cloud"),
            (" https://a.example/ ", "https://a.example"),
            ("http://127.0.0.1:8780", "http://127.0.0.1:8780"),
            ("localhost:8780", "https://localhost:8780"),
            ("http://a.example/prefix/", "http://a.example/prefix"),
        ] {
            assert_eq!(Endpoint::parse(given).unwrap().url, base);
        }
    }

    #[test]
    fn an_invalid_endpoint_is_rejected() {
        for bad in [
            "",
            "http://",
            "ftp://a",
            "file:///etc",
            "https://u:p@a",
            "https://a?x=1",
            "https://a#b",
            "a b",
            "http:/a.example",
            "https:a.example",
            "http://a\n.example",
            "mailto:a@a.example",
            "http:\\\\a.example",
        ] {
            assert!(Endpoint::parse(bad).is_err(), "{bad:?}");
        }
    }
}
