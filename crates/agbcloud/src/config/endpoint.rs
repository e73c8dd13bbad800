//! The endpoint: what a user types becomes a base URL.

use reqwest::Url;

use super::wrong;
use crate::Result;

/// Where calls go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// With a scheme, without a slash at the end.
    pub(crate) url: String,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

/// Checks an endpoint.
pub(super) fn endpoint(given: &str) -> Result<Endpoint> {
    let given = given.trim();
    let example = "give a URL like https://sdk-api.agb.cloud or http://127.0.0.1:8780";
    // What browsers would mend is more likely to be a mistake here.
    let one_slash = ["http:", "https:"].iter().any(|scheme| {
        let rest = given.strip_prefix(scheme);
        rest.is_some_and(|rest| !rest.starts_with("//"))
    });
    if one_slash || given.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(wrong(format!("the endpoint is no URL: {example}")));
    }
    let with_scheme = if given.contains("://") {
        given.to_owned()
    } else {
        format!("https://{given}")
    };
    let url = Url::parse(&with_scheme)
        .map_err(|_| wrong(format!("the endpoint is no URL: {example}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(format!(
            "the endpoint must be http or https: {example}"
        )));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "the endpoint must not contain a user or password: the API key is a setting of its own",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong(format!(
            "the endpoint must not contain `?` or `#`: {example}"
        )));
    }
    Ok(Endpoint {
        url: url.as_str().trim_end_matches('/').to_owned(),
        host: url.host_str().unwrap_or_default().to_owned(),
        port: url.port_or_known_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_becomes_a_base_url() {
        for (given, base) in [
            ("sdk-api.agb.cloud", "https://sdk-api.agb.cloud"),
            (" https://a.example/ ", "https://a.example"),
            ("http://127.0.0.1:8780", "http://127.0.0.1:8780"),
            ("localhost:8780", "https://localhost:8780"),
            ("http://a.example/prefix/", "http://a.example/prefix"),
        ] {
            assert_eq!(endpoint(given).unwrap().url, base);
        }
    }

    #[test]
    fn what_can_not_be_called_is_refused() {
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
            assert!(endpoint(bad).is_err(), "{bad:?}");
        }
    }
}
