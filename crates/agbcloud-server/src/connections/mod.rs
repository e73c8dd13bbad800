//! The connections of one listener: taken in, served, and ended together.

#![allow(clippy::disallowed_methods)] // It waits by tokio's clock; nothing that is stored rests on it.

mod patient;
#[cfg(feature = "tls")]
mod tls;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::patient::Patient;
#[cfg(feature = "tls")]
pub(crate) use self::tls::Tls;
use crate::limits::{HEADERS, Limits};
use crate::metrics::Traffic;
use crate::pace::Pace;

/// After a failure to accept, such as too many open files, there is no point in trying at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
    /// Serves until it is to stop or the task is aborted. Connections do not outlive it.
    pub(crate) async fn serve(mut self, listener: TcpListener) {
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(self.limits.connections));
        // Aborts its tasks when it is dropped, so an aborted server leaves no connection.
        let mut connections = JoinSet::new();
        loop {
            // The place first: who can't be served waits in the queue of the operating system, and costs nothing here.
            let accepting = async {
                let place = places.clone().acquire_owned().await;
                (place, listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                accepted = accepting => accepted,
                Some(_) = connections.join_next() => continue,
                _ = self.stop.wait_for(|stop| *stop) => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (shared, watcher) = (self.clone(), graceful.watcher());
                    connections.spawn(async move {
                        let open = shared.traffic.open();
                        if let Err(error) = shared.connection(stream, watcher).await {
                            tracing::debug!(error, "a connection broke");
                        }
                        drop((open, place));
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "can't accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        if timeout(self.limits.drain_time, graceful.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("requests under way did not end in time; they are cut");
        }
        connections.shutdown().await;
    }

    async fn connection(self, stream: TcpStream, watcher: Watcher) -> Result<(), Broken> {
        // Answers are small: waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        let pace = Pace::new(self.limits.idle_time, self.limits.least_rate);
        let stream = Patient::new(stream, pace, self.traffic.clone());
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let mut stop = self.stop.clone();
            let handshake = timeout(self.limits.head_time, tls.accept(stream));
            let stream = tokio::select! {
                accepted = handshake => accepted.map_err(std::io::Error::from).flatten()?,
                // Nothing was asked yet.
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            };
            return self.requests(stream, watcher).await;
        }
        self.requests(stream, watcher).await
    }

    async fn requests(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        watcher: Watcher,
    ) -> Result<(), Broken> {
        let mut http = http1::Builder::new();
        // More than the limits, so that what is over them comes as far as to be told so. A buffer that nobody fills does
        // not grow.
        http.timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_time)
            .max_buf_size(2 * self.limits.head_bytes)
            .max_headers(5 * HEADERS);
        let service = TowerToHyperService::new(self.router);
        let connection = http.serve_connection(TokioIo::new(stream), service);
        Ok(watcher.watch(connection).await?)
    }
}

/// Why a connection ended early, for the log.
type Broken = Box<dyn std::error::Error + Send + Sync>;
