//! The pool of connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{
    self, BuildError, Metrics, PoolError, RecycleError, RecycleResult, TimeoutType, Timeouts,
};
use tokio::time::Instant;

use super::config::Settings;
use super::error::Failure;
use super::link::{self, ConnectError, Link};
use super::metrics::DatabaseMetrics;
use crate::metadata::StoreError;

/// Creates connections.
#[derive(Debug)]
pub(super) struct Manager {
    settings: Arc<Settings>,
    /// The number of the host that accepted the last connection.
    last_host: AtomicUsize,
}

impl managed::Manager for Manager {
    type Type = Link;
    type Error = ConnectError;

    async fn create(&self) -> Result<Link, ConnectError> {
        let first = self.last_host.load(Ordering::Relaxed);
        let (link, host) = link::connect(&self.settings, first).await?;
        self.last_host.store(host, Ordering::Relaxed);
        Ok(link)
    }

    async fn recycle(&self, link: &mut Link, _: &Metrics) -> RecycleResult<ConnectError> {
        match link.client.is_closed() {
            true => Err(RecycleError::message("closed")),
            false => Ok(()),
        }
    }
}

/// A connection of the pool.
pub(super) type PooledLink = managed::Object<Manager>;

/// A pool of connections. Clones share one pool.
#[derive(Debug, Clone)]
pub(in crate::metadata::postgres) struct Pool {
    pool: managed::Pool<Manager>,
    settings: Arc<Settings>,
    metrics: DatabaseMetrics,
}

impl Pool {
    pub(in crate::metadata::postgres) fn new(settings: Arc<Settings>) -> Result<Self, BuildError> {
        let manager = Manager {
            settings: settings.clone(),
            last_host: AtomicUsize::new(0),
        };
        let pool = managed::Pool::builder(manager)
            .max_size(settings.pool_size)
            .runtime(Runtime::Tokio1)
            .build()?;
        Ok(Self {
            pool,
            settings,
            metrics: DatabaseMetrics::default(),
        })
    }

    pub(in crate::metadata::postgres) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The metrics. [`measure`](Self::measure) updates the numbers of connections.
    pub(in crate::metadata::postgres) fn metrics(&self) -> &DatabaseMetrics {
        &self.metrics
    }

    /// Updates the numbers of connections in the metrics.
    pub(in crate::metadata::postgres) fn measure(&self) {
        let status = self.pool.status();
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.open.set(number(status.size));
        self.metrics.waiting.set(number(status.waiting));
    }

    /// Returns a connection, and waits at most until the deadline.
    pub(super) async fn get(&self, deadline: Instant) -> Result<PooledLink, Failure> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the same clock as the deadline's"
        )]
        let asked = Instant::now();
        let left = deadline.saturating_duration_since(asked);
        let timeouts = Timeouts {
            wait: Some(self.settings.pool_timeout.min(left)),
            create: Some(left.max(Duration::from_millis(1))),
            recycle: None,
        };
        // Boxed, because opening a connection needs much state, which most calls do not.
        let link = Box::pin(self.pool.timeout_get(&timeouts)).await;
        self.metrics.waited(asked.elapsed());
        link.map_err(|error| {
            Failure::Store(StoreError::Unavailable(match error {
                PoolError::Closed => return Failure::Store(StoreError::Closed),
                PoolError::Timeout(TimeoutType::Wait) => {
                    "all connections to the database are in use"
                }
                PoolError::Backend(error) => {
                    tracing::warn!(%error, "can't connect to the database");
                    return Failure::Unreachable;
                }
                _ => "connecting to the database takes too long",
            }))
        })
    }

    /// Opens one connection and closes it, to report why that is impossible.
    pub(in crate::metadata::postgres) async fn probe(&self) -> Result<(), ConnectError> {
        let (link, _) = link::connect(&self.settings, 0).await?;
        drop(link);
        Ok(())
    }

    /// Closes all connections that are not in use. Called when one was lost: the others to the same server may hang, too.
    pub(in crate::metadata::postgres) fn discard_idle(&self) {
        for link in self.pool.retain(|_, _| false).removed {
            link.kill();
        }
    }

    /// The numbers of connections: in use and idle, and the operations that wait for one.
    #[cfg(test)]
    pub(in crate::metadata::postgres) fn open_connections(&self) -> usize {
        self.pool.status().size
    }

    pub(in crate::metadata::postgres) fn close(&self) {
        self.pool.close();
    }
}
