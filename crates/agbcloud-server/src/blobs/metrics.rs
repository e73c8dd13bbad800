//! Metrics of the blob store.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

type Label = (&'static str, &'static str);

/// Seconds. A part of an upload takes seconds.
const BUCKETS: [f64; 11] = [
    0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// Metrics of the requests to a bucket, by operation. Clones share their counters. In a folder and in memory there are none.
#[derive(Debug, Clone)]
pub(crate) struct BlobMetrics {
    durations: Family<[Label; 1], Histogram, fn() -> Histogram>,
    failures: Family<[Label; 2], Counter>,
    resumed: Counter,
    sent: Counter,
    received: Counter,
}

impl Default for BlobMetrics {
    fn default() -> Self {
        Self {
            durations: Family::new_with_constructor(
                (|| Histogram::new(BUCKETS)) as fn() -> Histogram,
            ),
            failures: Family::default(),
            resumed: Counter::default(),
            sent: Counter::default(),
            received: Counter::default(),
        }
    }
}

impl BlobMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "blob_store_request_duration",
            "Time from the start of a request to the blob store to the head of its response, by operation",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register(
            "blob_store_failed_requests",
            "Requests to the blob store without a response, or with a status such as 503, by operation. Most are retried",
            self.failures.clone(),
        );
        registry.register(
            "blob_store_resumed_reads",
            "Reads from the blob store that broke and were resumed",
            self.resumed.clone(),
        );
        registry.register_with_unit(
            "blob_store_sent",
            "Bytes of contents sent to the blob store, retries included",
            Unit::Bytes,
            self.sent.clone(),
        );
        registry.register_with_unit(
            "blob_store_received",
            "Bytes received from the blob store",
            Unit::Bytes,
            self.received.clone(),
        );
    }

    #[cfg_attr(not(feature = "s3"), expect(dead_code))]
    pub(super) fn record_request(&self, operation: &'static str, duration: Duration, sent: u64) {
        self.durations
            .get_or_create(&[("operation", operation)])
            .observe(duration.as_secs_f64());
        self.sent.inc_by(sent);
    }

    #[cfg_attr(not(feature = "s3"), expect(dead_code))]
    pub(super) fn count_failure(&self, operation: &'static str, reason: &'static str) {
        self.failures
            .get_or_create(&[("operation", operation), ("reason", reason)])
            .inc();
    }

    #[cfg_attr(not(feature = "s3"), expect(dead_code))]
    pub(super) fn count_received(&self, bytes: usize) {
        self.received.inc_by(bytes as u64);
    }

    pub(super) fn count_resumed_read(&self) {
        self.resumed.inc();
    }
}
