//! The connections of one listener: accepts, serves and closes them.

#![expect(
    clippy::disallowed_methods,
    reason = "timeouts use real time; no stored data depends on it"
)]

mod connection_table;
#[cfg(feature = "tls")]
mod tls;
mod write_timeout;

use std::io;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::connection_table::{Admission, ConnectionTable, PerAddress, Signal, Slot};
#[cfg(feature = "tls")]
pub(crate) use self::tls::Tls;
use self::write_timeout::WriteTimeout;
use crate::crash;
use crate::http::{Authenticated, MinimumRate, Responder, attach_guard};
use crate::limits::{Limits, MAX_HEADERS};
use crate::metrics::ConnectionMetrics;

/// The pause after a failure to accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a connection may be idle after a response to a request without a valid key or URL.
const UNAUTHENTICATED_IDLE: Duration = Duration::from_secs(5);
/// How long a server that stops waits for the first request of a connection, which the client may have sent already.
const FIRST_REQUEST: Duration = Duration::from_millis(500);

/// Everything that the connections of a listener share.
#[derive(Clone)]
pub(crate) struct Connections {
    pub(crate) responder: Responder,
    pub(crate) limits: Limits,
    pub(crate) metrics: ConnectionMetrics,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Arc<Tls>>,
    /// Becomes true when the server stops.
    pub(crate) stop: watch::Receiver<bool>,
}

impl Connections {
    /// Serves connections until the server stops or this task is aborted, which closes all connections. Tests cause a
    /// panic at the crash point `point`.
    pub(crate) async fn serve(mut self, listener: TcpListener, point: &'static str) {
        let graceful = GracefulShutdown::new();
        let table = ConnectionTable::new(self.limits.connections, self.per_address());
        // Aborts its tasks when it is dropped, so an aborted server closes all connections.
        let mut connections = JoinSet::new();
        let accepting = self.accept(&listener, &table, &graceful, &mut connections, point);
        let panicked = AssertUnwindSafe(accepting).catch_unwind().await.err();
        self.accept_waiting(listener, &table, &graceful, &mut connections);
        if timeout(self.limits.drain_time, graceful.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("closing connections whose requests did not complete in time");
        }
        connections.shutdown().await;
        if let Some(panic) = panicked {
            std::panic::resume_unwind(panic);
        }
    }

    fn per_address(&self) -> PerAddress {
        match self.limits.address_connections {
            Some(max) => PerAddress::All(max),
            None => PerAddress::Remote((self.limits.connections / 4).max(1)),
        }
    }

    async fn accept(
        &mut self,
        listener: &TcpListener,
        table: &Arc<ConnectionTable>,
        graceful: &GracefulShutdown,
        connections: &mut JoinSet<()>,
        point: &'static str,
    ) {
        let mut stop = self.stop.clone();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(ended) = connections.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "the task of a connection ended early");
                    }
                    continue;
                }
                _ = stop.wait_for(|stop| *stop) => return,
            };
            crash::panic(point);
            match accepted {
                Ok((stream, address)) => {
                    let slot = tokio::select! {
                        slot = admit(table, address.ip()) => slot,
                        _ = stop.wait_for(|stop| *stop) => return,
                    };
                    let Some(slot) = slot else {
                        self.metrics.rejected.inc();
                        continue;
                    };
                    self.spawn(connections, stream, graceful.watcher(), slot);
                }
                Err(error) => {
                    tracing::warn!(%error, "can't accept a connection");
                    // The cause may be too many open files.
                    table.make_room();
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Closes the listener. Serves the connections that the system has already established, instead of resetting them.
    fn accept_waiting(
        &self,
        listener: TcpListener,
        table: &Arc<ConnectionTable>,
        graceful: &GracefulShutdown,
        connections: &mut JoinSet<()>,
    ) {
        // The system's own listener does not depend on events that have not been delivered yet.
        let Ok(listener) = listener.into_std() else {
            return;
        };
        while let Ok((stream, address)) = listener.accept() {
            let stream = stream
                .set_nonblocking(true)
                .and_then(|()| TcpStream::from_std(stream));
            if let Ok(stream) = stream
                && let Admission::Accepted(slot) = table.admit(address.ip())
            {
                self.spawn(connections, stream, graceful.watcher(), slot);
            }
        }
    }

    /// Serves a connection in a task of its own.
    fn spawn(
        &self,
        connections: &mut JoinSet<()>,
        stream: TcpStream,
        watcher: Watcher,
        slot: Arc<Slot>,
    ) {
        let shared = self.clone();
        connections.spawn(async move {
            let open = shared.metrics.connection_opened();
            if let Err(error) = shared.serve_until_evicted(stream, watcher, slot).await {
                tracing::debug!(error, "a connection failed");
            }
            drop(open);
        });
    }

    /// Waits until the server stops.
    async fn stopped(&self) {
        // An error means that the server is gone.
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }

    /// Serves a connection until it ends, is evicted or was idle for too long.
    async fn serve_until_evicted(
        self,
        stream: TcpStream,
        watcher: Watcher,
        slot: Arc<Slot>,
    ) -> Result<(), ConnectionError> {
        let idle = UNAUTHENTICATED_IDLE.min(self.limits.head_time);
        let evictions = self.metrics.evicted.clone();
        tokio::select! {
            outcome = self.connection(stream, watcher, slot.clone()) => outcome,
            () = evicted(&slot, idle) => {
                evictions.inc();
                Ok(())
            }
        }
    }

    async fn connection(
        self,
        stream: TcpStream,
        watcher: Watcher,
        slot: Arc<Slot>,
    ) -> Result<(), ConnectionError> {
        // Responses are small: waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        let rate = MinimumRate::new(self.limits.idle_time, self.limits.least_rate);
        let stream = WriteTimeout::new(stream, rate, self.metrics.clone(), Some(slot.clone()));
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let handshake = timeout(self.limits.head_time, tls.accept(stream));
            let stopped = async {
                self.stopped().await;
                sleep(FIRST_REQUEST).await;
            };
            let stream = tokio::select! {
                accepted = handshake => accepted.map_err(io::Error::from).flatten()?,
                // There was no request yet.
                () = stopped => return Ok(()),
            };
            return self.requests(stream, watcher, slot).await;
        }
        self.requests(stream, watcher, slot).await
    }

    async fn requests(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        watcher: Watcher,
        slot: Arc<Slot>,
    ) -> Result<(), ConnectionError> {
        let mut http = http1::Builder::new();
        // Above the limits, so that requests beyond them get a proper response. An unused buffer does not grow, but each request
        // initializes the memory for its headers.
        http.timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_time)
            // A client may close its half of the connection after the request and wait for the response.
            .half_close(true)
            .max_buf_size(2 * self.limits.head_bytes)
            .max_headers(5 * MAX_HEADERS / 2);
        let first_request = Notify::new();
        let service = service_fn(|request: http::Request<Incoming>| {
            first_request.notify_one();
            let call = slot
                .begin()
                .then(|| (self.responder)(request.map(Body::new)));
            let slot = slot.clone();
            async move {
                let Some(call) = call else {
                    return Err(io::Error::other("the connection was idle for too long"));
                };
                let response = call.await;
                let authenticated = response.extensions().get::<Authenticated>().is_some();
                let guard = ResponseGuard {
                    slot,
                    authenticated,
                };
                Ok(attach_guard(response, guard))
            }
        });
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            served = connection.as_mut() => return Ok(served?),
            () = self.stopped() => {}
        }
        // hyper closes a connection that has received nothing yet at once.
        tokio::select! {
            served = connection.as_mut() => return Ok(served?),
            () = first_request.notified() => {}
            () = sleep(FIRST_REQUEST) => {}
        }
        connection.as_mut().graceful_shutdown();
        connection.await?;
        // The server waits for it.
        drop(watcher);
        Ok(())
    }
}

/// Why a connection ended early, for the log.
type ConnectionError = Box<dyn std::error::Error + Send + Sync>;

/// Waits until a connection from this address is admitted. Returns `None` if it is rejected.
async fn admit(table: &Arc<ConnectionTable>, address: IpAddr) -> Option<Arc<Slot>> {
    loop {
        match table.admit(address) {
            Admission::Accepted(slot) => return Some(slot),
            Admission::Rejected => return None,
            Admission::Full => table.changed().await,
        }
    }
}

/// Waits until the connection must be closed.
async fn evicted(slot: &Slot, idle: Duration) {
    let mut signals = slot.signals();
    loop {
        let signal = *signals.borrow_and_update();
        let waited = match signal {
            Signal::Evicted => return,
            Signal::Unauthenticated => timeout(idle, signals.changed()).await,
            Signal::Continue => Ok(signals.changed().await),
        };
        match waited {
            Ok(Ok(())) => {}
            Err(_) if slot.close_if_idle() => return,
            // The connection has just become busy.
            Err(_) => {}
            // Not reached: the sender exists as long as the slot.
            Ok(Err(_)) => std::future::pending().await,
        }
    }
}

/// Attached to the body of a response, and dropped when the body is complete.
struct ResponseGuard {
    slot: Arc<Slot>,
    authenticated: bool,
}

impl Drop for ResponseGuard {
    fn drop(&mut self) {
        self.slot.answered(self.authenticated);
    }
}
