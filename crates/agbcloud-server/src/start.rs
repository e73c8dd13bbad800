//! Starting a server: opens its store and its listeners, and connects its parts.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::blobs::BlobStoreReport;
use crate::builder::ServerBuilder;
use crate::connections::Connections;
#[cfg(feature = "tls")]
use crate::connections::Tls;
use crate::error::StartError;
use crate::faults::Faults;
use crate::http::{App, TenantLimiter, monitoring, responder};
use crate::keys::Keys;
use crate::limits::Limits;
use crate::metrics::{ConnectionMetrics, Metrics};
use crate::open_storage::{OpenStorage, open_storage};
use crate::server::{Server, close};
use crate::signing::Signer;
use crate::system::descriptors;
use crate::tasks::{Collector, Supervisor, Wake};

impl ServerBuilder {
    /// Starts the server. It accepts requests when this returns.
    ///
    /// # Errors
    ///
    /// If a setting is invalid, or if an address, the data folder, the key file or the certificate can't be used.
    pub async fn start(self) -> Result<Server, StartError> {
        self.check()?;
        Box::pin(self.start_checked()).await
    }

    async fn start_checked(self) -> Result<Server, StartError> {
        // First, so that an address in use is reported before a folder is changed.
        let listener = listen(self.listen).await?;
        let local_addr = listener.local_addr().map_err(|source| StartError::Listen {
            address: self.listen,
            source,
        })?;
        #[cfg(feature = "tls")]
        let tls = self
            .tls
            .map(|(certificate, key)| Tls::new(certificate, key).map(Arc::new))
            .transpose()
            .map_err(|reason| StartError::Tls { reason })?;
        #[cfg(feature = "tls")]
        let scheme = if tls.is_some() { "https" } else { "http" };
        #[cfg(not(feature = "tls"))]
        let scheme = "http";
        let url = format!("{scheme}://{local_addr}");
        let metrics_listener = match self.metrics_listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let metrics_addr = metrics_listener
            .as_ref()
            .and_then(|listener| listener.local_addr().ok());
        let OpenStorage {
            metadata,
            blobs,
            secret,
            keys: key_table,
        } = open_storage(self.storage, self.durability).await?;
        if self.direct_downloads
            && let Err(error) = blobs.probe_direct_downloads().await
        {
            close(metadata).await;
            return Err(error.into());
        }
        let blob_store = blobs.report().map(|report| BlobStoreReport {
            direct_downloads: self.direct_downloads.then_some(true),
            ..report.clone()
        });
        let signer = Arc::new(Signer::new(&secret));
        let keys = match Keys::new(&signer, &self.api_keys, self.key_file, key_table) {
            Ok(keys) => keys,
            Err(reason) => {
                // Frees the folder for the next attempt.
                close(metadata).await;
                return Err(StartError::KeyFile { reason });
            }
        };
        let accepts_any_key = match keys.accepts_any().await {
            Ok(any) if any && !self.listen.ip().is_loopback() => {
                close(metadata).await;
                return Err(StartError::KeysRequired {
                    address: self.listen,
                });
            }
            Ok(any) => any,
            Err(error) => {
                close(metadata).await;
                return Err(StartError::KeyDatabase {
                    reason: error.to_string(),
                });
            }
        };
        let public_url = self.public_url.as_deref().unwrap_or(&url);
        let public_url = public_url.trim_end_matches('/').to_owned();
        let wake = Wake::default();
        let collector = Collector {
            metadata: metadata.clone(),
            blobs: blobs.clone(),
            wake: wake.clone(),
            clear_delay: self.clear_delay,
            clock: self.clock.clone(),
            quarantine: self.quarantine,
        };
        let metrics = Metrics::new(self.dropped_log_lines, |registry| {
            metadata.register_metrics(registry);
            blobs.metrics().register(registry);
        });
        let monitored_blobs = blobs.clone();
        let app = App {
            metadata: metadata.clone(),
            blobs,
            signer,
            keys,
            clock: self.clock,
            regions: self.regions,
            public_url,
            url_ttl: self.url_ttl,
            direct_downloads: self.direct_downloads,
            tenant_limiter: TenantLimiter::new(self.limits.tenant_requests),
            reservations: Arc::default(),
            limits: self.limits.clone(),
            metrics: metrics.clone(),
            faults: Faults::new(self.faults),
            wake,
        };
        let (stop, stopping) = watch::channel(false);
        let supervisor = Supervisor::new(stopping.clone());
        let (limits, metrics_limits) = fit_open_file_limit(self.limits, metrics_listener.is_some());
        let responder = responder(Arc::new(app));
        let connections = Connections {
            responder: responder.clone(),
            limits,
            metrics: metrics.connections(),
            #[cfg(feature = "tls")]
            tls,
            stop: stopping,
        };
        let metrics_connections = metrics_listener.map(|listener| {
            let connections = Connections {
                responder: monitoring::responder(metrics, metadata.clone(), monitored_blobs),
                limits: metrics_limits,
                metrics: ConnectionMetrics::default(),
                #[cfg(feature = "tls")]
                tls: None,
                stop: connections.stop.clone(),
            };
            supervisor.spawn(
                "accepts connections for metrics",
                connections.serve(listener, "accept-metrics"),
            )
        });
        let server = Server {
            metadata,
            accepts_any_key,
            stop,
            connections: supervisor
                .spawn("accepts connections", connections.serve(listener, "accept")),
            metrics_connections,
            worker: supervisor.spawn("collects deleted files", collector.run()),
            supervisor,
            url,
            local_addr,
            metrics_addr,
            blob_store,
            #[cfg(feature = "bench-points")]
            responder,
        };
        tracing::info!(url = server.url, "started");
        Ok(server)
    }
}

/// Returns the limits of the listeners for clients and for metrics, lowered to what the limit of open files allows.
fn fit_open_file_limit(limits: Limits, has_metrics: bool) -> (Limits, Limits) {
    let available = descriptors::max_connections();
    // Monitoring needs few connections and short requests. Clients can't use up its share.
    let metrics_limits = Limits {
        connections: (available / 8).clamp(2, 64),
        head_time: Duration::from_secs(10),
        idle_time: Duration::from_secs(10),
        drain_time: Duration::from_secs(1),
        ..Limits::default()
    };
    // Monitoring connections open no files, so two of them need as many descriptors as one other connection.
    let reserved = if has_metrics {
        metrics_limits.connections / 2
    } else {
        0
    };
    let available = available - reserved;
    if available < limits.connections {
        tracing::warn!(
            connections = available,
            requested = limits.connections,
            "the limit of open files allows fewer connections than configured"
        );
    }
    let limits = Limits {
        connections: limits.connections.min(available),
        ..limits
    };
    (limits, metrics_limits)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => StartError::AddressInUse { address },
            _ => StartError::Listen { address, source },
        })
}
