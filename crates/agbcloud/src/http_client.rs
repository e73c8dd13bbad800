//! The settings that the HTTP clients of the service and of the object store share.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, USER_AGENT};

use crate::{
    config::{ApiKey, invalid_setting},
    error::{Error, Result},
};

/// The `user-agent` header.
pub(crate) const AGENT: &str = concat!("agbcloud-rs/", env!("CARGO_PKG_VERSION"));

/// How long an unused connection is kept. Services and gateways close theirs after 30 seconds or more; a call on a
/// connection that is being closed would fail.
pub(crate) const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Maximum time to connect, so that an unreachable host does not use up the time of the whole attempt.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The HTTP client of the service, which sends the API key.
pub(crate) fn service_client(
    url: &str,
    api_key: &ApiKey,
    timeout: Duration,
) -> Result<reqwest::Client> {
    let headers = HeaderMap::from_iter([
        (AUTHORIZATION, api_key.authorization()?),
        (USER_AGENT, HeaderValue::from_static(AGENT)),
    ]);
    let builder = reqwest::Client::builder()
        .default_headers(headers)
        .timeout(timeout)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        // A redirect would send the key to an endpoint that the user has not chosen.
        .redirect(reqwest::redirect::Policy::none());
    // Loading the certificates of the system takes longer than a call, and http does not need them.
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    let builder = match url.starts_with("http://") && !has_proxy() {
        true => builder.tls_certs_only([]),
        false => builder,
    };
    #[cfg(not(any(feature = "rustls", feature = "native-tls")))]
    let _ = url;
    builder.build().map_err(client_error)
}

/// Whether there may be a proxy, which can be reached by TLS.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn has_proxy() -> bool {
    ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Fails for an https URL if this build has no TLS.
pub(crate) fn check_tls(url: &str) -> Result<()> {
    let has_tls = cfg!(any(feature = "rustls", feature = "native-tls"));
    if has_tls || !url.starts_with("https:") {
        return Ok(());
    }
    Err(invalid_setting(
        "built without TLS, and the URL is https: enable the feature `rustls` or `native-tls` of agbcloud",
    ))
}

pub(crate) fn client_error(error: reqwest::Error) -> Error {
    invalid_setting("can't create the HTTP client").with_source(error.without_url())
}
