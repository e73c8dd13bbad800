//! The connections of one listener: taken in, served, and ended together.

#![allow(clippy::disallowed_methods)] // It waits by tokio's clock; nothing that is stored rests on it.

mod patient;
mod table;
#[cfg(feature = "tls")]
mod tls;

use std::io;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::FutureExt;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::patient::Patient;
use self::table::{Entered, PerAddress, Signal, Slot, Table};
#[cfg(feature = "tls")]
pub(crate) use self::tls::Tls;
use crate::crash;
use crate::http::{Known, hold};
use crate::limits::{HEADERS, Limits};
use crate::metrics::Traffic;
use crate::pace::Pace;

/// After a failure to accept, such as too many open files, there is no point in trying at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a connection may be idle after an answer to a request without a valid key or URL.
const UNKNOWN_IDLE: Duration = Duration::from_secs(5);

/// What the connections of a listener share.
#[derive(Clone)]
pub(crate) struct Connections {
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    pub(crate) traffic: Traffic,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Arc<Tls>>,
    /// Turns true when all is to end.
    pub(crate) stop: watch::Receiver<bool>,
}

impl Connections {
    /// Serves until it is to stop or the task is aborted. Connections do not outlive it. `point` names where the tests
    /// make it panic.
    pub(crate) async fn serve(mut self, listener: TcpListener, point: &'static str) {
        let graceful = GracefulShutdown::new();
        let table = Table::new(self.limits.connections, self.per_address());
        // Aborts its tasks when it is dropped, so an aborted server leaves no connection.
        let mut connections = JoinSet::new();
        let accepting = self.accept(&listener, &table, &graceful, &mut connections, point);
        let panicked = AssertUnwindSafe(accepting).catch_unwind().await.err();
        drop(listener);
        if timeout(self.limits.drain_time, graceful.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("requests under way did not end in time; they are cut");
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
        table: &Arc<Table>,
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
                        slot = place(table, address.ip()) => slot,
                        _ = stop.wait_for(|stop| *stop) => return,
                    };
                    let Some(slot) = slot else {
                        self.traffic.refused();
                        continue;
                    };
                    let (shared, watcher) = (self.clone(), graceful.watcher());
                    connections.spawn(async move {
                        let open = shared.traffic.open();
                        if let Err(error) = shared.watched(stream, watcher, slot).await {
                            tracing::debug!(error, "a connection broke");
                        }
                        drop(open);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "can't accept a connection");
                    // It may be files that have run out.
                    table.make_room();
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Serves a connection until it ends, or until its place is needed or it was idle for too long.
    async fn watched(
        self,
        stream: TcpStream,
        watcher: Watcher,
        slot: Arc<Slot>,
    ) -> Result<(), Broken> {
        let (traffic, idle) = (
            self.traffic.clone(),
            UNKNOWN_IDLE.min(self.limits.head_time),
        );
        tokio::select! {
            outcome = self.connection(stream, watcher, slot.clone()) => outcome,
            () = evicted(&slot, idle) => {
                traffic.evicted();
                Ok(())
            }
        }
    }

    async fn connection(
        self,
        stream: TcpStream,
        watcher: Watcher,
        slot: Arc<Slot>,
    ) -> Result<(), Broken> {
        // Answers are small: waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        let pace = Pace::new(self.limits.idle_time, self.limits.least_rate);
        let stream = Patient::new(stream, pace, self.traffic.clone(), Some(slot.clone()));
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let mut stop = self.stop.clone();
            let handshake = timeout(self.limits.head_time, tls.accept(stream));
            let stream = tokio::select! {
                accepted = handshake => accepted.map_err(io::Error::from).flatten()?,
                // Nothing was asked yet.
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
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
    ) -> Result<(), Broken> {
        let mut http = http1::Builder::new();
        // More than the limits, so that what is over them comes as far as to be told so. A buffer that nobody fills does
        // not grow.
        http.timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_time)
            // Who has sent its whole request may close its half of the connection and wait for the answer.
            .half_close(true)
            .max_buf_size(2 * self.limits.head_bytes)
            .max_headers(5 * HEADERS);
        let router = TowerToHyperService::new(self.router);
        let service = service_fn(move |request| {
            let answering = slot.begin().then(|| router.call(request));
            let slot = slot.clone();
            async move {
                let Some(answering) = answering else {
                    return Err(io::Error::other("the connection was idle for too long"));
                };
                let response = answering.await.map_err(io::Error::other)?;
                let known = response.extensions().get::<Known>().is_some();
                Ok(hold(response, Answer { slot, known }))
            }
        });
        let connection = http.serve_connection(TokioIo::new(stream), service);
        Ok(watcher.watch(connection).await?)
    }
}

/// Why a connection ended early, for the log.
type Broken = Box<dyn std::error::Error + Send + Sync>;

/// Waits for a place for a connection from this address. None if the address has as many as it may.
async fn place(table: &Arc<Table>, address: IpAddr) -> Option<Arc<Slot>> {
    loop {
        match table.enter(address) {
            Entered::Accepted(slot) => return Some(slot),
            Entered::Refused => return None,
            Entered::Full => table.changed().await,
        }
    }
}

/// Waits until the connection is to be closed.
async fn evicted(slot: &Slot, idle: Duration) {
    let mut signals = slot.signals();
    loop {
        let signal = *signals.borrow_and_update();
        let waited = match signal {
            Signal::Evicted => return,
            Signal::Unknown => timeout(idle, signals.changed()).await,
            Signal::Go => Ok(signals.changed().await),
        };
        match waited {
            Ok(Ok(())) => {}
            Err(_) if slot.give_up() => return,
            // It became busy just now.
            Err(_) => {}
            // The slot sends signals for as long as it is borrowed here.
            Ok(Err(_)) => std::future::pending().await,
        }
    }
}

/// Part of the body of an answer: dropped when it is complete.
struct Answer {
    slot: Arc<Slot>,
    known: bool,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.slot.answered(self.known);
    }
}
