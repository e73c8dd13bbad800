//! What an operator can see: counts and durations, on a listener of their own. Labels name operations and classes of
//! status, never a key, a tenant, a context or a path.

mod traffic;
mod watch;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub(crate) use self::traffic::Traffic;
pub(crate) use self::watch::router;

type Label = (&'static str, &'static str);

/// Seconds; a page from memory takes less than the first, a large upload more than the last.
const BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// All that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<[Label; 2], Counter>,
    durations: Family<[Label; 1], Histogram, fn() -> Histogram>,
    damaged: Counter,
    traffic: Traffic,
}

impl Metrics {
    /// Lines that a log has dropped are counted elsewhere.
    pub(crate) fn new(dropped_log_lines: Arc<AtomicU64>) -> Arc<Self> {
        let mut registry = Registry::with_prefix("agb");
        let requests = Family::default();
        registry.register(
            "requests",
            "Requests that were answered, by operation and class of status",
            requests.clone(),
        );
        let durations =
            Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        registry.register_with_unit(
            "request_duration",
            "From the head of a request to the head of its answer, by operation",
            Unit::Seconds,
            durations.clone(),
        );
        let damaged = Counter::default();
        registry.register(
            "damaged_downloads",
            "Downloads that failed because a content is damaged or missing",
            damaged.clone(),
        );
        let traffic = Traffic::default();
        traffic.register(&mut registry);
        registry.register_collector(Box::new(DroppedLogLines(dropped_log_lines)));
        Arc::new(Self {
            registry,
            requests,
            durations,
            damaged,
            traffic,
        })
    }

    /// What the connections count.
    pub(crate) fn traffic(&self) -> Traffic {
        self.traffic.clone()
    }

    /// Counts a download that failed because its content is damaged or missing.
    pub(crate) fn damaged(&self) {
        self.damaged.inc();
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, operation: &'static str, status: StatusCode, took: Duration) {
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
            .observe(took.as_secs_f64());
    }

    /// All of it in the text format of OpenMetrics, which Prometheus reads.
    fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Reports a counter that the program keeps.
#[derive(Debug)]
struct DroppedLogLines(Arc<AtomicU64>);

impl Collector for DroppedLogLines {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counter = ConstCounter::new(self.0.load(Ordering::Relaxed));
        counter.encode(encoder.encode_descriptor(
            "log_dropped_lines",
            "Lines of the log that were dropped, because it could not be written fast enough or at all",
            None,
            counter.metric_type(),
        )?)
    }
}
