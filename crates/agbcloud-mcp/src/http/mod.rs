//! [`HttpServer`]: the protocol over streamable HTTP.

mod authorization;
mod cors;
mod origin;
mod token;

pub use token::BearerToken;

use std::{io, net::SocketAddr, sync::Arc};

use agbcloud_listener::{Connections, reachable};
use axum::{Router, middleware};
use hyper_util::service::TowerToHyperService;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    limits::{DRAIN_TIMEOUT, HEAD_TIMEOUT, MAX_CONNECTIONS, MAX_MESSAGE_BYTES},
    server::McpServer,
};
use authorization::{Guard, authorize};
use origin::{AllowedOrigins, Origin};

/// Path of the endpoint.
const PATH: &str = "/mcp";

/// Names of the loopback interface in `Host` headers.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The settings of an [`HttpServer`].
#[derive(Debug, Clone)]
pub struct HttpOptions {
    listen: SocketAddr,
    token: BearerToken,
    allowed_hosts: Vec<String>,
    allowed_origins: Vec<Origin>,
}

impl HttpOptions {
    /// Listens on this address, and requires this token in each request. Port 0 selects a free one.
    pub fn new(listen: SocketAddr, token: BearerToken) -> Self {
        Self {
            listen,
            token,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
        }
    }

    /// Also allows this host name in `Host`, such as that of a proxy: `mcp.example.com`. By default only the names of the
    /// loopback interface and the address that the server listens on are allowed, so that a web page that rebinds its name
    /// to this address is refused.
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.allowed_hosts.push(host.into());
        self
    }

    /// Also allows web pages of exactly this origin: `https://app.example.com` or `http://localhost:3000`, with the default
    /// port of the scheme. By default every request with an `Origin` is refused. Programs send none.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if it has not a scheme and a host, or has a path or a wildcard.
    pub fn allow_origin(mut self, origin: impl AsRef<str>) -> io::Result<Self> {
        self.allowed_origins.push(Origin::parse(origin.as_ref())?);
        Ok(self)
    }
}

/// A bound listener that serves any number of clients. Each request needs the bearer token.
///
/// At most 256 sessions exist at the same time; a session without requests ends after 5 minutes. At most 256 connections are
/// open; further ones wait. A connection without a request is closed after 10 seconds.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    stop: CancellationToken,
}

impl HttpServer {
    /// Binds the address.
    ///
    /// ```
    /// # agbcloud_doctest::run(async |client| {
    /// use agbcloud_mcp::{BearerToken, HttpOptions, HttpServer, McpServer};
    ///
    /// let server = McpServer::builder(client).build()?;
    /// let options = HttpOptions::new(([127, 0, 0, 1], 0).into(), BearerToken::generate()?);
    /// let http = HttpServer::bind(server, options).await?;
    /// assert!(http.url().ends_with("/mcp"));
    /// http.run(async {}).await?; // until the future ends
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// The address is in use or not one of this host.
    pub async fn bind(server: McpServer, options: HttpOptions) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let listen_host = address.ip().to_string();
        let hosts = LOOPBACK.map(str::to_owned).into_iter();
        let hosts = hosts.chain([listen_host]).chain(options.allowed_hosts);
        let origins: AllowedOrigins = options.allowed_origins.into_iter().collect();
        // Origins are checked by this crate, which compares them exactly.
        let config = StreamableHttpServerConfig::default()
            .with_allowed_hosts(hosts)
            .disable_allowed_origins()
            .with_max_request_body_bytes(MAX_MESSAGE_BYTES)
            .with_cancellation_token(stop.clone());
        let sessions = Arc::new(LocalSessionManager::default());
        let guard = Guard::new(options.token, origins.clone(), sessions.clone());
        let service = StreamableHttpService::new(move || Ok(server.clone()), sessions, config);
        let router = Router::new()
            .route_service(PATH, service)
            .layer(middleware::from_fn_with_state(guard, authorize))
            .layer(middleware::from_fn_with_state(origins, cors::share));
        Ok(Self {
            listener,
            address,
            router,
            stop,
        })
    }

    /// The address that the server listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The URL for local clients: `http://127.0.0.1:8790/mcp`.
    pub fn url(&self) -> String {
        format!("http://{}{PATH}", reachable(self.address))
    }

    /// Serves until the future ends, and then ends the sessions and waits for open requests, for at most 5 seconds.
    ///
    /// # Errors
    ///
    /// The socket does not listen any more.
    pub async fn run(self, stopped: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let stop = self.stop;
        let shutdown = async move {
            stopped.await;
            stop.cancel();
        };
        let service = TowerToHyperService::new(self.router);
        Connections::default()
            .max_connections(MAX_CONNECTIONS)
            .head_timeout(HEAD_TIMEOUT)
            .drain_timeout(DRAIN_TIMEOUT)
            .serve(self.listener, service, shutdown)
            .await
    }
}
