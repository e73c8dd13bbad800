//! The proxy.

use std::fmt;

use reqwest::{ClientBuilder, Proxy, Url};

use crate::{config::invalid_setting, error::Result};

/// Which proxy requests are sent to. `Debug` hides user and password.
#[derive(Clone, Default)]
pub(crate) enum ProxySetting {
    /// The one of the environment, if any.
    #[default]
    Environment,
    /// None, whatever the environment contains.
    Direct,
    /// This one, for all requests.
    Url(String),
}

impl ProxySetting {
    pub(super) fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder> {
        let invalid = || {
            let message = "the proxy must be an http or https URL, such as http://user:password@proxy.example:3128";
            invalid_setting(message)
        };
        match self {
            Self::Environment => Ok(builder),
            Self::Direct => Ok(builder.no_proxy()),
            Self::Url(text) => {
                let url = parse(text).ok_or_else(invalid)?;
                let proxy = Proxy::all(url).map_err(|_| invalid())?;
                Ok(builder.proxy(proxy))
            }
        }
    }

    /// Whether an http request may go through a proxy, which can be reached by TLS.
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    pub(super) fn may_apply(&self) -> bool {
        let in_environment = || {
            ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
                .iter()
                .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
        };
        match self {
            Self::Environment => in_environment(),
            Self::Direct => false,
            Self::Url(_) => true,
        }
    }
}

/// Parses the URL of a proxy. The scheme defaults to http, as in the environment.
fn parse(text: &str) -> Option<Url> {
    let text = text.trim();
    let with_scheme = match text.contains("://") {
        true => text.to_owned(),
        false => format!("http://{text}"),
    };
    let url = Url::parse(&with_scheme).ok()?;
    let is_host_only = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    (matches!(url.scheme(), "http" | "https") && is_host_only).then_some(url)
}

impl fmt::Debug for ProxySetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("Environment"),
            Self::Direct => f.write_str("Direct"),
            Self::Url(text) => match parse(text) {
                Some(url) => f.write_str(&url.origin().ascii_serialization()),
                None => f.write_str("***"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_shown_without_user_and_password() {
        for (text, shown) in [
            ("http://me:secret@proxy.test:3128", "http://proxy.test:3128"),
            ("me:secret@proxy.test:3128", "http://proxy.test:3128"),
            ("https://proxy.test", "https://proxy.test"),
            ("me:sec/ret@proxy.test:3128", "***"),
            ("socks5://me:secret@proxy.test", "***"),
        ] {
            let setting = ProxySetting::Url(text.to_owned());
            assert_eq!(format!("{setting:?}"), shown);
        }
    }

    #[test]
    fn an_invalid_proxy_is_an_error_without_the_password() {
        for text in [
            "",
            "socks5://me:secret@proxy.test",
            "http://me:secret@proxy.test/path",
            "me:sec/ret@proxy.test",
            "http://me:secret@",
        ] {
            let setting = ProxySetting::Url(text.to_owned());
            let error = setting.apply(reqwest::Client::builder()).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Configuration);
            let shown = format!("{error} {error:?}");
            assert!(
                !shown.contains("secret") && !shown.contains("ret@"),
                "{shown}"
            );
        }
    }
}
