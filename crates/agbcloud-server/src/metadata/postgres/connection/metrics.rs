//! Metrics of the connections to the database.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

type Label = (&'static str, &'static str);

/// Seconds. A read within a data center takes less than the first bucket, an operation ends at the last.
const BUCKETS: [f64; 11] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0,
];

/// Metrics of a pool. Clones share their counters.
#[derive(Debug, Clone)]
pub(in crate::metadata::postgres) struct DatabaseMetrics {
    pub(super) open: Gauge,
    pub(super) waiting: Gauge,
    wait: Histogram,
    transactions: Family<[Label; 1], Histogram, fn() -> Histogram>,
    retries: Counter,
    changes: Histogram,
}

impl Default for DatabaseMetrics {
    fn default() -> Self {
        Self {
            open: Gauge::default(),
            waiting: Gauge::default(),
            wait: Histogram::new(BUCKETS),
            transactions: Family::new_with_constructor(
                (|| Histogram::new(BUCKETS)) as fn() -> Histogram,
            ),
            retries: Counter::default(),
            changes: Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]),
        }
    }
}

impl DatabaseMetrics {
    pub(in crate::metadata::postgres) fn register(&self, registry: &mut Registry) {
        registry.register(
            "pool_connections",
            "Open connections to the database",
            self.open.clone(),
        );
        registry.register(
            "pool_waiting",
            "Operations that wait for a connection to the database",
            self.waiting.clone(),
        );
        registry.register_with_unit(
            "pool_wait_duration",
            "Time that an operation waits for a connection to the database",
            Unit::Seconds,
            self.wait.clone(),
        );
        registry.register_with_unit(
            "database_transaction_duration",
            "Time of a transaction once it has a connection, by kind: read, write or task",
            Unit::Seconds,
            self.transactions.clone(),
        );
        registry.register(
            "database_retries",
            "Transactions that were repeated after a conflict or a lost connection",
            self.retries.clone(),
        );
        registry.register(
            "database_changes_per_transaction",
            "Changes of one tenant that shared a transaction",
            self.changes.clone(),
        );
    }

    pub(super) fn waited(&self, duration: Duration) {
        self.wait.observe(duration.as_secs_f64());
    }

    pub(super) fn ended(&self, kind: &'static str, duration: Duration) {
        self.transactions
            .get_or_create(&[("kind", kind)])
            .observe(duration.as_secs_f64());
    }

    pub(in crate::metadata::postgres) fn retried(&self) {
        self.retries.inc();
    }

    #[expect(clippy::cast_precision_loss, reason = "at most a few dozen")]
    pub(in crate::metadata::postgres) fn shared(&self, changes: usize) {
        self.changes.observe(changes as f64);
    }
}
