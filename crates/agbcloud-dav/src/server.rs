//! [`DavServer`]: the listener and its connections.

#![expect(
    clippy::disallowed_methods,
    reason = "timeouts, locks and the files of the desktop use real time; no stored data depends on it"
)]

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use agbcloud::Files;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

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
const HEAD_TIMEOUT: Duration = Duration::from_secs(120);

/// Maximum time for open requests when the server stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause after a failure to accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
        let handler = Handler::new(
            ContextFileSystem::new(self.files),
            Access::new(self.hosts, self.password),
            self.writes,
            ExpiringLocks::new(Arc::new(Instant::now)),
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
        let mut address = self.address;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        format!("http://{address}/")
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
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // Aborts its tasks when it is dropped.
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            // The sender is dropped when the server stops.
            _ = stopped.changed() => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &room) => accepted,
        };
        match accepted {
            Ok((stream, permit)) => {
                let handler = handler.clone();
                let service = service_fn(move |request: hyper::Request<Incoming>| {
                    let handler = handler.clone();
                    async move { Ok::<_, Infallible>(Box::pin(handler.handle(request)).await) }
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIMEOUT)
                    // An operation whose client closes the connection is completed, for example a move or an upload whose
                    // client does not wait any longer.
                    .half_close(true)
                    .max_buf_size(MAX_HEAD_BYTES)
                    .serve_connection(TokioIo::new(stream), service);
                let connection = graceful.watch(connection);
                connections.spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "a connection ended early");
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("closing connections whose requests did not complete in time");
    }
    connections.shutdown().await;
}

/// Accepts a connection as soon as there is room for one.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await;
    let permit = permit.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    // Small responses must not wait for the acknowledgement of others.
    // Fails if the connection is closed already.
    let _ = stream.set_nodelay(true);
    Ok((stream, permit))
}
