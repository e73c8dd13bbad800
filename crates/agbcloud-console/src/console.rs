//! [`Console`]: the console, from its settings to its end.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use agbcloud::{Client, RetryPolicy};
use agbcloud_listener::Connections;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use crate::{
    app::{App, LinkListener},
    error::ConsoleError,
    metrics::{self, History, MetricsSource},
    router,
    sessions::Sessions,
    workers::Workers,
};

/// Maximum number of connections. Further ones wait.
const MAX_CONNECTIONS: usize = 64;

/// Maximum time of a call with its retries: a person waits for the page.
const CALL_DEADLINE: Duration = Duration::from_secs(15);

/// The settings of a [`Console`]. From [`Console::builder`].
#[must_use = "a console does not listen until it is bound"]
pub struct ConsoleBuilder {
    client: Client,
    listen: SocketAddr,
    metrics_url: Option<String>,
    sample_interval: Duration,
    on_link: LinkListener,
}

impl std::fmt::Debug for ConsoleBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsoleBuilder")
            .field("listen", &self.listen)
            .field("metrics_url", &self.metrics_url)
            .finish_non_exhaustive()
    }
}

impl ConsoleBuilder {
    /// Sets the address to listen on, which must be a loopback address. Port 0 selects a free port. Defaults to
    /// `127.0.0.1:0`.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Shows plots of the metrics at this `http` URL, which is the `/metrics` of an `agb serve`. The last hour is kept in
    /// memory. Defaults to none.
    pub fn metrics_url(mut self, url: impl Into<String>) -> Self {
        self.metrics_url = Some(url.into());
        self
    }

    /// Sets the time between two readings of the metrics, of which at most 720 of the last hour are kept. Defaults to 5 seconds; shorter than 10 ms
    /// means 10 ms.
    pub fn sample_interval(mut self, interval: Duration) -> Self {
        self.sample_interval = interval.max(Duration::from_millis(10));
        self
    }

    /// Receives a new link when a browser that is not signed in requests one, at most every ten seconds. Print it where only
    /// the user of the console can read it. Without a listener, no browser can request a link.
    pub fn on_link(mut self, listener: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.on_link = Box::new(listener);
        self
    }

    /// Listens on the address. Requests are answered by [`Console::serve`].
    ///
    /// # Errors
    ///
    /// [`NotLoopback`](ConsoleError::NotLoopback), [`Listen`](ConsoleError::Listen),
    /// [`InvalidMetricsUrl`](ConsoleError::InvalidMetricsUrl) and [`Start`](ConsoleError::Start).
    pub async fn bind(self) -> Result<Console, ConsoleError> {
        let address = self.listen;
        if !address.ip().is_loopback() {
            return Err(ConsoleError::NotLoopback { address });
        }
        let metrics = match self.metrics_url {
            Some(url) => Some(MetricsSource::new(&url)?),
            None => None,
        };
        let failed = |source| ConsoleError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let policy = RetryPolicy::default()
            .max_attempts(3)
            .deadline(CALL_DEADLINE);
        let app = App {
            client: self.client.with_retry(policy),
            once: self
                .client
                .with_retry(RetryPolicy::never().deadline(CALL_DEADLINE)),
            sessions: Sessions::default(),
            previews: Workers::default(),
            url: format!("http://{address}"),
            cookie: format!("agb_console_{}", address.port()),
            history: metrics
                .is_some()
                .then(|| Arc::new(History::new(self.sample_interval))),
            on_link: self.on_link,
            last_request: Mutex::default(),
        };
        Ok(Console {
            app: Arc::new(app),
            listener,
            address,
            metrics,
        })
    }
}

/// A console that listens. From [`Console::builder`].
///
/// ```
/// # agbcloud_doctest::run(async |client| {
/// use agbcloud_console::Console;
///
/// let console = Console::builder(client).bind().await?;
/// println!("open {}", console.link()?);
/// let shutdown = async { /* until Ctrl-C */ };
/// console.serve(shutdown).await?;
/// # Ok(()) });
/// ```
pub struct Console {
    app: Arc<App>,
    listener: TcpListener,
    address: SocketAddr,
    metrics: Option<MetricsSource>,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Console {
    /// A console for the contexts of this client.
    pub fn builder(client: Client) -> ConsoleBuilder {
        ConsoleBuilder {
            client,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            metrics_url: None,
            sample_interval: Duration::from_secs(5),
            on_link: Box::new(|_| ()),
        }
    }

    /// The address that the console listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns a link with a token that signs one browser in, once. The first one that opens it can use the console with the API
    /// key of its client. Creating a ninth link that is not used invalidates the oldest.
    ///
    /// # Errors
    ///
    /// [`Start`](ConsoleError::Start) if the operating system has no random numbers.
    pub fn link(&self) -> Result<String, ConsoleError> {
        let link = self.app.create_link();
        link.map_err(|error| ConsoleError::Start(Box::new(error)))
    }

    /// Answers requests until the future completes. Then waits for open transfers, for at most 5 seconds. At most 64 connections are
    /// open at a time, and one without a request is closed after 10 seconds.
    ///
    /// # Errors
    ///
    /// [`Serve`](ConsoleError::Serve) if the listener fails.
    pub async fn serve(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ConsoleError> {
        let sampler = match (self.metrics, &self.app.history) {
            (Some(source), Some(history)) => {
                let sampling = metrics::sample(source, self.app.client.clone(), history.clone());
                Some(tokio::spawn(sampling))
            }
            _ => None,
        };
        let service = TowerToHyperService::new(router::router(self.app));
        let connections = Connections::default().max_connections(MAX_CONNECTIONS);
        let served = connections.serve(self.listener, service, shutdown).await;
        if let Some(sampler) = sampler {
            sampler.abort();
        }
        served.map_err(ConsoleError::Serve)
    }
}
