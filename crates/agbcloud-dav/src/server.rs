//! [`DavServer`]: the listener and its connections.

#![expect(
    clippy::disallowed_methods,
    reason = "timeouts, locks and the files of the desktop use real time; no stored data depends on it"
)]

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use agbcloud::Files;
use agbcloud_listener::{Connections, reachable};
use hyper::{body::Incoming, service::service_fn};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    access::Access, file_system::ContextFileSystem, handler::Handler, locks::ExpiringLocks,
};

/// The default address.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8785);

/// Maximum number of connections. Further ones wait.
const MAX_CONNECTIONS: usize = 256;

/// Maximum number of bytes of the head of a request.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Maximum time for the head of a request, also on an idle connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Maximum time for open requests when the server stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address can't be used.
    #[error("can't listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Other machines can reach the address, and there is no password.
    #[error("{address} is not a loopback address, and no password is set")]
    PasswordRequired {
        /// The address.
        address: SocketAddr,
    },
    /// The password is empty.
    #[error("the password is empty")]
    EmptyPassword,
}

/// A server that has not started. From [`DavServer::builder`].
#[derive(Clone)]
#[must_use = "a server does nothing until it is started"]
pub struct DavServerBuilder {
    files: Files,
    listen: SocketAddr,
    writes: bool,
    password: Option<String>,
    hosts: Vec<String>,
}

impl DavServerBuilder {
    /// The address to listen on. Port 0 selects a free port. An address that is not loopback requires a
    /// [`password`](Self::password). Defaults to `127.0.0.1:8785`.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Whether clients may change files. Defaults to `false`.
    pub fn write(mut self, write: bool) -> Self {
        self.writes = write;
        self
    }

    /// The password of Basic authentication, with any user name. It is sent readably: use a proxy with TLS on a network.
    /// Defaults to none.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// A name of the server besides `localhost` and its addresses, without a port. Requests for other names are refused: a web
    /// page could resolve its name to the address of the server. Can be repeated.
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// Starts the server.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// use agbcloud_dav::DavServer;
    ///
    /// files.upload("/notes.txt", &b"hello"[..]).await?;
    /// let server = DavServer::builder(files).listen(([127, 0, 0, 1], 0).into()).start().await?;
    /// println!("mount {}", server.url());
    /// server.shutdown().await;
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`StartError::Listen`] if the address can't be used, [`StartError::PasswordRequired`] if it is not loopback and there is
    /// no password, and [`StartError::EmptyPassword`].
    pub async fn start(self) -> Result<DavServer, StartError> {
        let address = self.listen;
        match &self.password {
            Some(password) if password.is_empty() => return Err(StartError::EmptyPassword),
            None if !address.ip().to_canonical().is_loopback() => {
                return Err(StartError::PasswordRequired { address });
            }
            _ => {}
        }
        let failed = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let locks = ExpiringLocks::new(Arc::new(Instant::now));
        let handler = Handler::new(
            ContextFileSystem::new(self.files, locks),
            Access::new(self.hosts, self.password),
            self.writes,
            SystemTime::now,
        );
        let (stop, stopped) = watch::channel(());
        let task = tokio::spawn(serve(listener, handler, stopped));
        Ok(DavServer {
            address,
            stop,
            task,
        })
    }
}

impl std::fmt::Debug for DavServerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DavServerBuilder")
            .field("files", &self.files)
            .field("listen", &self.listen)
            .field("writes", &self.writes)
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("hosts", &self.hosts)
            .finish()
    }
}

/// A running WebDAV server for the files of a context. Dropping it closes the listener and lets open requests end.
///
/// ```
/// # agbcloud_doctest::run_with_context(async |client, context, files| {
/// use agbcloud_dav::DavServer;
///
/// let server = DavServer::builder(files)
///     .listen(([127, 0, 0, 1], 0).into())
///     .write(true)
///     .start()
///     .await?;
/// assert!(server.local_addr().ip().is_loopback());
/// server.shutdown().await;
/// # Ok(()) });
/// ```
#[derive(Debug)]
pub struct DavServer {
    address: SocketAddr,
    stop: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl DavServer {
    /// Returns a server for these files.
    pub fn builder(files: Files) -> DavServerBuilder {
        DavServerBuilder {
            files,
            listen: DEFAULT_LISTEN,
            writes: false,
            password: None,
            hosts: Vec::new(),
        }
    }

    /// Returns the address that the server listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of the share for local clients: `http://127.0.0.1:8785/`.
    pub fn url(&self) -> String {
        format!("http://{}/", reachable(self.address))
    }

    /// Closes the listener and waits for open requests, for at most 10 seconds.
    pub async fn shutdown(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the WebDAV server ended early");
        }
    }
}

async fn serve(listener: TcpListener, handler: Handler, mut stopped: watch::Receiver<()>) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let handler = handler.clone();
        async move { Ok::<_, Infallible>(Box::pin(handler.handle(request)).await) }
    });
    let stopped = async {
        // The sender is dropped when the server stops.
        let _ = stopped.changed().await;
    };
    let served = Connections::default()
        .max_connections(MAX_CONNECTIONS)
        .head_timeout(HEAD_TIMEOUT)
        .max_head_bytes(MAX_HEAD_BYTES)
        // An operation whose client closes the connection is completed, for example a move or an upload whose client does not
        // wait any longer.
        .complete_requests(true)
        .drain_timeout(DRAIN_TIMEOUT)
        .serve(listener, service, stopped)
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the WebDAV server has stopped");
    }
}
