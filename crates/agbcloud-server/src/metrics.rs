//! Metrics for operators: counters and durations. Labels name operations and status classes, never a key, a tenant, a
//! context or a path.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use agbcloud_api::extensions::FileUrlOperation;
use http::StatusCode;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::metadata::QuotaKind;
use crate::operations::{DOWNLOAD, UPLOAD};

type Label = (&'static str, &'static str);

/// Seconds. A page from memory takes less than the first bucket, a large upload more than the last.
const BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// The metrics of a server.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<[Label; 2], Counter>,
    durations: Family<[Label; 1], Histogram, fn() -> Histogram>,
    damaged: Counter,
    urls: Family<[Label; 1], Counter>,
    quota_rejections: Family<[Label; 1], Counter>,
    leases: Gauge,
    connections: ConnectionMetrics,
}

impl Metrics {
    /// Creates the metrics. The program that embeds the server counts `dropped_log_lines`. `register` adds the metrics of the
    /// storage engines.
    pub(crate) fn new(
        dropped_log_lines: Arc<AtomicU64>,
        register: impl FnOnce(&mut Registry),
    ) -> Arc<Self> {
        let mut registry = Registry::with_prefix("agb");
        let requests = Family::default();
        registry.register(
            "requests",
            "Answered requests by operation and status class",
            requests.clone(),
        );
        let durations =
            Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        registry.register_with_unit(
            "request_duration",
            "Time from the head of a request to the head of its response, by operation",
            Unit::Seconds,
            durations.clone(),
        );
        let urls = Family::<[Label; 1], Counter>::default();
        for operation in [FileUrlOperation::Upload, FileUrlOperation::Download] {
            let _ = urls.get_or_create(&[url_label(operation)]);
        }
        registry.register(
            "presigned_urls",
            "Presigned URLs that were issued, by the transfer that they allow. One call can request many",
            urls.clone(),
        );
        let damaged = Counter::default();
        registry.register(
            "damaged_downloads",
            "Downloads that failed because the stored content is damaged or missing",
            damaged.clone(),
        );
        let quota_rejections = Family::<[Label; 1], Counter>::default();
        // A counter that appears with its first increment would have no rate.
        for kind in QuotaKind::ALL {
            let _ = quota_rejections.get_or_create(&[("limit", kind.as_str())]);
        }
        registry.register(
            "quota_rejected_uploads",
            "Uploads that were rejected because of a quota, by limit",
            quota_rejections.clone(),
        );
        let leases = Gauge::default();
        registry.register(
            "leases",
            "Uploads in progress that this process has registered in a shared database",
            leases.clone(),
        );
        register(&mut registry);
        let connections = ConnectionMetrics::default();
        connections.register(&mut registry);
        registry.register_collector(Box::new(DroppedLogLines(dropped_log_lines)));
        Arc::new(Self {
            registry,
            requests,
            durations,
            urls,
            damaged,
            quota_rejections,
            leases,
            connections,
        })
    }

    pub(crate) fn connections(&self) -> ConnectionMetrics {
        self.connections.clone()
    }

    /// Counts issued URLs.
    pub(crate) fn count_urls(&self, operation: FileUrlOperation, count: usize) {
        self.urls
            .get_or_create(&[url_label(operation)])
            .inc_by(count as u64);
    }

    /// Counts a download that failed because its content is damaged or missing.
    pub(crate) fn count_damaged_download(&self) {
        self.damaged.inc();
    }

    /// Counts an upload that was rejected because of the quota with this name.
    pub(crate) fn count_quota_rejection(&self, limit: &'static str) {
        self.quota_rejections
            .get_or_create(&[("limit", limit)])
            .inc();
    }

    /// Uploads that are registered in a shared database.
    pub(crate) fn leases(&self) -> &Gauge {
        &self.leases
    }

    /// Counts an answered request.
    pub(crate) fn count_request(
        &self,
        operation: &'static str,
        status: StatusCode,
        duration: Duration,
    ) {
        let class = match status.as_u16() / 100 {
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            5 => "5xx",
            _ => "other",
        };
        let operation = ("operation", operation);
        self.requests
            .get_or_create(&[operation, ("status", class)])
            .inc();
        self.durations
            .get_or_create(&[operation])
            .observe(duration.as_secs_f64());
    }

    /// Returns all metrics in the OpenMetrics text format, which Prometheus reads.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn url_label(operation: FileUrlOperation) -> Label {
    let transfer = match operation {
        FileUrlOperation::Upload => UPLOAD,
        FileUrlOperation::Download => DOWNLOAD,
    };
    ("operation", transfer)
}

/// Reports the counter of the embedding program.
#[derive(Debug)]
struct DroppedLogLines(Arc<AtomicU64>);

impl Collector for DroppedLogLines {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counter = ConstCounter::new(self.0.load(Ordering::Relaxed));
        counter.encode(encoder.encode_descriptor(
            "log_dropped_lines",
            "Log lines that were dropped because the log could not be written fast enough",
            None,
            counter.metric_type(),
        )?)
    }
}

/// Metrics of connections and their bytes. Clones share their counters.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConnectionMetrics {
    pub(crate) open: Gauge,
    pub(crate) rejected: Counter,
    pub(crate) evicted: Counter,
    pub(crate) received: Counter,
    pub(crate) sent: Counter,
}

impl ConnectionMetrics {
    fn register(&self, registry: &mut Registry) {
        registry.register("connections", "Open connections", self.open.clone());
        registry.register(
            "refused_connections",
            "Connections closed on arrival because their address has the maximum number of connections",
            self.rejected.clone(),
        );
        registry.register(
            "evicted_connections",
            "Idle connections closed to make room for others, or because they sent no valid key or URL",
            self.evicted.clone(),
        );
        registry.register_with_unit(
            "received",
            "Bytes received over all connections, including headers and TLS",
            Unit::Bytes,
            self.received.clone(),
        );
        registry.register_with_unit(
            "sent",
            "Bytes sent over all connections, including headers and TLS",
            Unit::Bytes,
            self.sent.clone(),
        );
    }

    /// Counts a connection as open until the returned value is dropped.
    pub(crate) fn connection_opened(&self) -> OpenConnection {
        self.open.inc();
        OpenConnection(self.open.clone())
    }
}

/// A connection that counts as open until this is dropped.
pub(crate) struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}
