//! A running server: what it owns, and how it ends.

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::blobs::{Blobs, Quarantine};
use crate::builder::ServerBuilder;
use crate::connections::Connections;
#[cfg(feature = "tls")]
use crate::connections::Tls;
use crate::data_folder::{BLOBS, DATABASE, DATABASE_WAL, FolderLock};
use crate::descriptors;
use crate::durability::Durability;
use crate::durable_fs::sync_folder;
use crate::error::StartError;
use crate::faults::Faults;
use crate::http::{App, Load, router};
use crate::keys::Keys;
use crate::limits::Limits;
use crate::metadata::Metadata;
use crate::metadata::sqlite::{Opened, Sqlite};
use crate::metrics::{self, Metrics, Traffic};
use crate::permissions;
use crate::random;
use crate::signing::{Secret, Signer};
use crate::tasks::{Collector, Supervisor, TaskEnded, Wake};

/// A running service.
///
/// It answers until [`shutdown`](Self::shutdown), which lets requests end, or until it is dropped, which does
/// not. Any number of servers run in one process.
pub struct Server {
    url: String,
    local_addr: SocketAddr,
    metadata: Arc<dyn Metadata>,
    stop: watch::Sender<bool>,
    supervisor: Supervisor,
    metrics_addr: Option<SocketAddr>,
    connections: JoinHandle<()>,
    watchers: Option<JoinHandle<()>>,
    worker: JoinHandle<()>,
}

impl Server {
    /// The settings of a server.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    /// What clients are given as the endpoint, without a slash at the end: `http://127.0.0.1:41234`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The address where `/metrics`, `/health` and `/ready` are, if it was
    /// [asked for](ServerBuilder::metrics_listen).
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_addr
    }

    /// Waits until a task that the server needs has ended by itself or panicked, and returns which one. It never returns
    /// while all is well.
    ///
    /// The server is then of little use: [`shutdown`](Self::shutdown) lets requests under way end, and a new
    /// server can be started on the same folder.
    pub async fn failed(&self) -> TaskEnded {
        self.supervisor.ended().await
    }

    /// Stops it: no new connections, requests under way get [some time](crate::Limits::drain_time) to end, and
    /// everything is closed.
    pub async fn shutdown(mut self) {
        let _ = self.stop.send(true);
        let _ = (&mut self.connections).await;
        if let Some(watchers) = &mut self.watchers {
            let _ = watchers.await;
        }
        self.worker.abort();
        let _ = (&mut self.worker).await;
        close(self.metadata.clone()).await;
        tracing::info!(url = self.url, "stopped");
    }

    pub(crate) async fn start(settings: ServerBuilder) -> Result<Self, StartError> {
        // First, so that a port in use is told before a folder is touched.
        let listener = listen(settings.listen).await?;
        let local_addr = listener.local_addr().map_err(|source| StartError::Listen {
            address: settings.listen,
            source,
        })?;
        #[cfg(feature = "tls")]
        let tls = settings
            .tls
            .map(|(certificate, key)| Tls::new(certificate, key).map(Arc::new))
            .transpose()
            .map_err(|reason| StartError::Tls { reason })?;
        #[cfg(feature = "tls")]
        let scheme = if tls.is_some() { "https" } else { "http" };
        #[cfg(not(feature = "tls"))]
        let scheme = "http";
        let url = format!("{scheme}://{local_addr}");
        let watched = match settings.metrics_listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let metrics_addr = watched
            .as_ref()
            .and_then(|listener| listener.local_addr().ok());
        let (metadata, blobs, secret) = open(settings.data_dir, settings.durability).await?;
        metadata
            .set_file_limit(settings.limits.context_files)
            .await
            .map_err(|error| StartError::Database {
                reason: error.to_string(),
            })?;
        let signer = Arc::new(Signer::new(&secret));
        let keys = match Keys::new(&signer, &settings.api_keys, settings.key_file) {
            Ok(keys) => keys,
            Err(reason) => {
                // So that the folder is free for the next attempt.
                close(metadata).await;
                return Err(StartError::KeyFile { reason });
            }
        };
        let public_url = settings
            .public_url
            .as_deref()
            .unwrap_or(&url)
            .trim_end_matches('/')
            .to_owned();
        let wake = Wake::default();
        let collector = Collector {
            metadata: metadata.clone(),
            blobs: blobs.clone(),
            wake: wake.clone(),
            clear_delay: settings.clear_delay,
            clock: settings.clock.clone(),
            quarantine: settings.quarantine,
        };
        let metrics = Metrics::new(settings.dropped_log_lines);
        let app = App {
            metadata: metadata.clone(),
            blobs,
            signer,
            keys,
            clock: settings.clock,
            regions: settings.regions,
            public_url,
            url_ttl: settings.url_ttl,
            load: Load::new(settings.limits.tenant_requests),
            limits: settings.limits.clone(),
            metrics: metrics.clone(),
            faults: Faults::new(settings.faults),
            wake,
        };
        let (stop, stopping) = watch::channel(false);
        let supervisor = Supervisor::new(stopping.clone());
        let (limits, watchers_limits) = within_descriptors(settings.limits, watched.is_some());
        let connections = Connections {
            router: router(Arc::new(app)),
            limits,
            traffic: metrics.traffic(),
            #[cfg(feature = "tls")]
            tls,
            stop: stopping,
        };
        let watchers = watched.map(|listener| {
            let watchers = Connections {
                router: metrics::router(metrics, metadata.clone()),
                limits: watchers_limits,
                traffic: Traffic::default(),
                #[cfg(feature = "tls")]
                tls: None,
                stop: connections.stop.clone(),
            };
            supervisor.spawn(
                "accepts connections for metrics",
                watchers.serve(listener, "accept-metrics"),
            )
        });
        let server = Self {
            metadata,
            stop,
            connections: supervisor
                .spawn("accepts connections", connections.serve(listener, "accept")),
            watchers,
            worker: supervisor.spawn("collects deleted files", collector.run()),
            supervisor,
            url,
            local_addr,
            metrics_addr,
        };
        tracing::info!(url = server.url, "started");
        Ok(server)
    }
}

/// Ends it at once: connections are cut, and what was not acknowledged may or may not have happened.
impl Drop for Server {
    fn drop(&mut self) {
        // Tasks that end from now on end as intended.
        let _ = self.stop.send(true);
        self.connections.abort();
        if let Some(watchers) = &self.watchers {
            watchers.abort();
        }
        self.worker.abort();
        // The threads of the database end what is queued, a matter of milliseconds, and do not need the
        // runtime; so the folder is free for the next server when this returns.
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

/// Closes the store, and waits until its folder is free.
async fn close(metadata: Arc<dyn Metadata>) {
    metadata.close();
    // It ends with the runtime at the latest.
    let _ = tokio::task::spawn_blocking(move || metadata.wait_closed()).await;
}

/// The limits of the listeners for clients and for metrics, lowered to what the limit of open files leaves room for.
fn within_descriptors(limits: Limits, watched: bool) -> (Limits, Limits) {
    let fitting = descriptors::connections();
    // Those who watch are few, and ask short questions. What they have is nobody else's.
    let watchers = Limits {
        connections: (fitting / 8).clamp(2, 64),
        head_time: Duration::from_secs(10),
        idle_time: Duration::from_secs(10),
        drain_time: Duration::from_secs(1),
        ..Limits::default()
    };
    // They open no files, so that two of them take as much as one other.
    let reserved = if watched { watchers.connections / 2 } else { 0 };
    let fitting = fitting - reserved;
    if fitting < limits.connections {
        tracing::warn!(
            connections = fitting,
            wanted = limits.connections,
            "the limit of open files leaves room for fewer connections"
        );
    }
    let limits = Limits {
        connections: limits.connections.min(fitting),
        ..limits
    };
    (limits, watchers)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => StartError::AddressInUse { address },
            _ => StartError::Listen { address, source },
        })
}

async fn open(
    data_dir: Option<PathBuf>,
    durability: Durability,
) -> Result<(Arc<dyn Metadata>, Blobs, Secret), StartError> {
    let new_secret = Secret(random::bytes().map_err(|_| StartError::NoRandom)?);
    let Some(folder) = data_dir.filter(|_| durability != Durability::Memory) else {
        let blobs = Blobs::memory().map_err(|_| StartError::NoRandom)?;
        let (metadata, secret) = Sqlite::memory(new_secret).await.map_err(StartError::from)?;
        return Ok((Arc::new(metadata), blobs, secret));
    };
    let (lock, folder) = {
        let folder = folder.clone();
        blocking(&folder.clone(), move || {
            Ok((FolderLock::acquire(&folder)?, fs::canonicalize(&folder)?))
        })
        .await?
    };
    let lock = lock.ok_or_else(|| StartError::FolderInUse {
        path: folder.clone(),
    })?;
    permissions::check_data_folder(&folder, &[DATABASE, DATABASE_WAL])?;
    // The database first: a store of a newer version is refused before anything is touched.
    let Opened {
        store,
        secret,
        previous,
    } = Sqlite::open(folder.join(DATABASE), durability, lock, new_secret)
        .await
        .map_err(StartError::from)?;
    let path = folder.clone();
    // A content of such a run is on the disk under its name before the commit that acknowledges it.
    let staged_is_unacknowledged = previous.is_some_and(|marker| marker.strict);
    let blobs = blocking(&folder, move || {
        let quarantine = Quarantine::of(&path);
        let blobs = Blobs::folder(&path.join(BLOBS), durability)?
            .with_quarantine(quarantine, staged_is_unacknowledged);
        // The names of the database and of the folder of blobs, after both were made.
        sync_folder(&path)?;
        path.parent().map_or(Ok(()), sync_folder)?;
        Ok(blobs)
    })
    .await?;
    Ok((Arc::new(store), blobs, secret))
}

async fn blocking<T: Send + 'static>(
    folder: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StartError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)
        .and_then(|result| result)
        .map_err(|source| StartError::Folder {
            path: folder.to_owned(),
            source,
        })
}
