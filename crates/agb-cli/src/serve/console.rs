//! The console of `agb serve --console`.

use std::net::{Ipv4Addr, SocketAddr};

use agbcloud::{CertificateVerification, Client};
use agbcloud_console::Console;
use agbcloud_listener::reachable;
use agbcloud_server::{Server, ServerBuilder};
use tokio::{sync::oneshot, task::JoinHandle};

use super::Settings;
use crate::{console, failure::Failure};

/// The key of the console if the service accepts every key: that of the quick start.
const ANY_KEY: &str = "any-key";

/// The settings of the console.
pub(super) struct ServeConsole {
    listen: SocketAddr,
    key: Option<String>,
    has_metrics: bool,
    has_tls: bool,
}

impl ServeConsole {
    pub(super) fn new(listen: SocketAddr, settings: &Settings) -> Self {
        let of_environment = || std::env::var("AGB_API_KEY").ok();
        Self {
            listen,
            key: settings
                .api_keys
                .first()
                .cloned()
                .or_else(of_environment)
                .filter(|key| !key.is_empty()),
            has_metrics: settings.metrics_listen.is_some(),
            has_tls: settings.tls_cert.is_some(),
        }
    }

    /// Checks the address before the service starts, and adds the metrics that the console plots.
    pub(super) fn configure(&self, builder: ServerBuilder) -> Result<ServerBuilder, Failure> {
        let address = self.listen;
        if !address.ip().is_loopback() {
            return Err(console::failure(
                agbcloud_console::ConsoleError::NotLoopback { address },
            ));
        }
        Ok(match self.has_metrics {
            true => builder,
            false => builder.metrics_listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
        })
    }

    /// Starts to listen. The console uses the service as any client does.
    pub(super) async fn bind(self, server: &Server) -> Result<Console, Failure> {
        let key = match self.key {
            Some(key) => key,
            None if server.accepts_any_key() => ANY_KEY.to_owned(),
            None => {
                return Err(Failure::usage("--console has no API key")
                    .with_hint("set AGB_API_KEY to a key of the service, or pass --api-key"));
            }
        };
        let builder = Client::builder()
            .api_key(key)
            .endpoint(server.url())
            .dotenv(false);
        // The certificate is that of the public name.
        let builder = match self.has_tls {
            true => {
                builder.danger_certificate_verification(CertificateVerification::ExceptLoopback)
            }
            false => builder,
        };
        let metrics = server.metrics_addr().map(reachable);
        let metrics = metrics.map(|address| format!("http://{address}/metrics"));
        console::bind(builder.build()?, self.listen, metrics).await
    }
}

/// A console that runs beside the service, or none.
#[derive(Default)]
pub(super) struct Running(Option<(oneshot::Sender<()>, JoinHandle<()>)>);

/// Prints the link of the console, and runs it.
pub(super) fn run(console: Console) -> Result<Running, Failure> {
    console::announce(&console)?;
    let (stop, stopped) = oneshot::channel();
    let serve = async move {
        let stopped = async {
            // Fails if the service ends without stopping the console.
            let _ = stopped.await;
        };
        if let Err(error) = console.serve(stopped).await {
            tracing::error!(%error, "the console has stopped");
        }
    };
    Ok(Running(Some((stop, tokio::spawn(serve)))))
}

impl Running {
    /// Waits for the transfers of the console.
    pub(super) async fn stop(self) {
        if let Some((stop, served)) = self.0 {
            let _ = stop.send(());
            let _ = served.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unspecified_address_is_reached_on_loopback() {
        let reached = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:1"), "127.0.0.1:1");
        assert_eq!(reached("[::]:1"), "[::1]:1");
        assert_eq!(reached("10.0.0.1:1"), "10.0.0.1:1");
    }
}
