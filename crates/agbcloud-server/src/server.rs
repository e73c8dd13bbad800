//! A running server.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::blobs::BlobStoreReport;
use crate::metadata::Metadata;
use crate::tasks::{Supervisor, TaskEnded};

/// A running service.
///
/// It serves requests until [`shutdown`](Self::shutdown), which lets requests in progress complete, or until it is
/// dropped, which does not. A process can run any number of servers.
pub struct Server {
    pub(crate) url: String,
    pub(crate) local_addr: SocketAddr,
    pub(crate) metadata: Arc<dyn Metadata>,
    pub(crate) accepts_any_key: bool,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) supervisor: Supervisor,
    pub(crate) metrics_addr: Option<SocketAddr>,
    pub(crate) connections: JoinHandle<()>,
    pub(crate) metrics_connections: Option<JoinHandle<()>>,
    pub(crate) worker: JoinHandle<()>,
    pub(crate) blob_store: Option<BlobStoreReport>,
    #[cfg(feature = "bench-points")]
    pub(crate) responder: crate::http::Responder,
}

impl Server {
    /// Returns the endpoint for clients, without a trailing slash: `http://127.0.0.1:41234`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the address that the server listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Returns the address of `/metrics`, `/health` and `/ready`, if it was
    /// [configured](crate::ServerBuilder::metrics_listen).
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_addr
    }

    /// Whether every API key was accepted when the server started, because none was configured.
    pub fn accepts_any_key(&self) -> bool {
        self.accepts_any_key
    }

    /// Returns what the blob store guarantees. `None` unless contents are in a bucket.
    pub fn blob_store(&self) -> Option<&BlobStoreReport> {
        self.blob_store.as_ref()
    }

    /// Waits until a task that the server needs ends unexpectedly or panics, and returns which one. Never returns while
    /// the server is healthy.
    ///
    /// After that, the server no longer works: [`shutdown`](Self::shutdown) lets requests in progress complete, and a new
    /// server can be started on the same folder.
    pub async fn failed(&self) -> TaskEnded {
        self.supervisor.ended().await
    }

    /// Stops the server: accepts no new connections, gives requests in progress
    /// [some time](crate::Limits::drain_time) to complete, and closes everything.
    pub async fn shutdown(mut self) {
        let _ = self.stop.send(true);
        let _ = (&mut self.connections).await;
        if let Some(connections) = &mut self.metrics_connections {
            let _ = connections.await;
        }
        self.worker.abort();
        let _ = (&mut self.worker).await;
        close(self.metadata.clone()).await;
        tracing::info!(url = self.url, "stopped");
    }
}

/// Stops the server immediately: closes connections, and requests without a response may or may not take effect.
impl Drop for Server {
    fn drop(&mut self) {
        // From now on, the supervisor expects tasks to end.
        let _ = self.stop.send(true);
        self.connections.abort();
        if let Some(connections) = &self.metrics_connections {
            connections.abort();
        }
        self.worker.abort();
        // The threads of the database complete their queue within milliseconds and do not need the runtime. So the
        // folder is free for the next server when this returns.
        self.metadata.close();
        self.metadata.wait_closed();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// Closes the store and waits until its folder is free.
pub(crate) async fn close(metadata: Arc<dyn Metadata>) {
    metadata.close();
    // Fails only when the runtime shuts down.
    let _ = tokio::task::spawn_blocking(move || metadata.wait_closed()).await;
}
