//! [`EnvironmentProxy`]: the proxy of the environment that calls to an endpoint go through.

use std::sync::OnceLock;

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;

/// The proxy of the environment for an endpoint. Its user and password are not kept.
#[derive(Debug, Clone)]
pub(crate) struct EnvironmentProxy {
    pub(crate) scheme: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The variable that has it.
    pub(crate) variable: &'static str,
    /// Whether the proxy sees the calls, since the endpoint has no TLS. Its responses can't be distinguished from those of the
    /// service then.
    pub(crate) forwards: bool,
}

impl EnvironmentProxy {
    /// The proxy for an endpoint.
    pub(crate) fn of(endpoint: &Uri) -> Option<Self> {
        let proxy = Matcher::from_env().intercept(endpoint)?;
        let uri = proxy.uri();
        let scheme = uri.scheme_str().unwrap_or("http");
        Some(Self {
            host: uri.host().unwrap_or_default().to_owned(),
            port: uri.port_u16().unwrap_or(match scheme {
                "https" => 443,
                "http" => 80,
                _ => 1080,
            }),
            variable: variables(endpoint)
                .next()
                .map_or("ALL_PROXY", |(name, _)| name),
            scheme: scheme.to_owned(),
            forwards: endpoint.scheme_str() == Some("http"),
        })
    }

    /// The URL without user and password.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}:{}", self.scheme, self.host, self.port)
    }
}

/// The variables with a proxy for an endpoint, the one that applies first. Each can be lower case, too.
fn variables(endpoint: &Uri) -> impl Iterator<Item = (&'static str, String)> {
    let of_scheme = match endpoint.scheme_str() {
        Some("https") => ["https_proxy", "HTTPS_PROXY"],
        _ => ["http_proxy", "HTTP_PROXY"],
    };
    let names = of_scheme.into_iter().chain(["all_proxy", "ALL_PROXY"]);
    names.filter_map(|name| {
        let value = std::env::var(name).ok()?;
        (!value.trim().is_empty()).then_some((name, value))
    })
}

/// The variable for an endpoint whose value is not the URL of a proxy. It would be ignored.
pub(crate) fn invalid_variable(endpoint: &Uri) -> Option<&'static str> {
    let (name, value) = variables(endpoint).next()?;
    let alone = Matcher::builder().all(value).build();
    alone.intercept(endpoint).is_none().then_some(name)
}

/// The proxy of the client, for messages about its errors.
static ACTIVE: OnceLock<Option<EnvironmentProxy>> = OnceLock::new();

/// Keeps the proxy for the endpoint of the client.
pub(crate) fn set_active(endpoint: &Uri) {
    let _ = ACTIVE.set(EnvironmentProxy::of(endpoint));
}

/// The proxy of the client.
pub(crate) fn active() -> Option<&'static EnvironmentProxy> {
    ACTIVE.get()?.as_ref()
}
