//! The checks of the proxy, the connection, the clock and the API key.

use std::time::{Duration, SystemTime};

use agbcloud::{Client, ErrorKind};
use hyper::Uri;
use tokio::net::TcpStream;

use crate::{
    clock,
    failure::{Code, Failure},
    output::{counted, duration},
    proxy::{self, EnvironmentProxy},
};

/// Maximum difference between the clocks. A larger one can make presigned URLs expire early.
const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(60);

/// Maximum duration of a call, unless --call-timeout is shorter.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// Connects to the proxy that calls to the endpoint go through, if the environment has one. Its user and password are not
/// shown.
pub(super) async fn check_proxy(endpoint: &str, timeout: Duration) -> Result<String, Failure> {
    let endpoint: Uri = match endpoint.parse() {
        Ok(endpoint) => endpoint,
        Err(error) => return Err(Failure::with_cause("the endpoint is not a URI", error)),
    };
    if let Some(variable) = proxy::invalid_variable(&endpoint) {
        let failure = Failure::usage(format!("{variable} is not the URL of a proxy"));
        return Err(failure.with_hint(format!("set {variable}=http://host:port, or unset it")));
    }
    proxy::set_active(&endpoint);
    let Some(proxy) = EnvironmentProxy::of(&endpoint) else {
        return Ok("none: the environment sets none for the endpoint".to_owned());
    };
    let shown = proxy.url();
    let address = (proxy.host.trim_matches(['[', ']']), proxy.port);
    let hint = "check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, or add the endpoint to NO_PROXY";
    match clock::timeout(timeout, TcpStream::connect(address)).await {
        Some(Ok(_)) => Ok(format!("{shown} accepts connections")),
        Some(Err(error)) => Err(Failure {
            cause: Some(error.to_string()),
            ..Failure::with_code(Code::Unavailable, format!("can't connect to {shown}"))
        }
        .with_hint(hint)),
        None => {
            let message = format!("no connection to {shown} in {}", duration(timeout));
            Err(Failure::with_code(Code::TimedOut, message).with_hint(hint))
        }
    }
}

/// Connects to the endpoint and returns the date of its response.
pub(super) async fn probe(client: &Client) -> Result<Option<SystemTime>, Failure> {
    match client.probe().await {
        Ok(probe) if probe.status == 407 => {
            let failure = Failure::with_code(Code::NotAllowed, "the proxy requires a password");
            let variable = proxy::active().map_or("HTTP_PROXY", |proxy| proxy.variable);
            Err(failure.with_hint(format!("set {variable}=http://user:password@host:port")))
        }
        Ok(probe) if probe.status >= 500 => {
            let message = format!(
                "HTTP {}: a gateway responds, the service behind it does not",
                probe.status
            );
            Err(Failure::with_code(Code::Unavailable, message).with_hint("try again later"))
        }
        Ok(probe) => Ok(probe.date),
        Err(error)
            if error.detail().is_some()
                || error.kind() != ErrorKind::Connection
                || proxy::active().is_some() =>
        {
            Err(Failure::from(&error))
        }
        Err(error) => Err(Failure::from(&error).with_hint(
            "check the address, the proxy and the firewall, or start a local service with 'agb serve'",
        )),
    }
}

pub(super) fn check_clock(date: SystemTime) -> Result<String, Failure> {
    let now = clock::now();
    let difference = now
        .duration_since(date)
        .or_else(|_| date.duration_since(now));
    match difference.unwrap_or_default() {
        difference if difference > MAX_CLOCK_DIFFERENCE => {
            let message = format!("differs from the service by {}", duration(difference));
            Err(Failure::new(message).with_hint("set the local clock: presigned URLs depend on it"))
        }
        _ => Ok("agrees with the service".to_owned()),
    }
}

pub(super) async fn check_access(client: &Client) -> Result<String, Failure> {
    let error = match client.contexts().list().page_size(1).send().await {
        Ok(page) => {
            return Ok(match page.total_count {
                Some(count) => format!("the key is valid: {}", counted(count, "context")),
                None => "the key is valid".to_owned(),
            });
        }
        Err(error) => error,
    };
    Err(Failure::from(&error).with_hint(match error.kind() {
        ErrorKind::Unauthorized => "check that the key belongs to this endpoint",
        ErrorKind::InvalidResponse | ErrorKind::NotFound | ErrorKind::WrongEndpoint => {
            "check the endpoint and its path: it is not an AGB service"
        }
        ErrorKind::Tls | ErrorKind::Redirected | ErrorKind::ProxyAuthentication => {
            return Err(Failure::from(&error));
        }
        _ => "try again later",
    }))
}
