//! What passes over the connections.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// Connections and their bytes. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traffic {
    connections: Gauge,
    refused: Counter,
    evicted: Counter,
    received: Counter,
    sent: Counter,
}

/// A connection that counts as open until this is dropped.
pub(crate) struct Open(Gauge);

impl Traffic {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "connections",
            "Connections that are open",
            self.connections.clone(),
        );
        registry.register(
            "refused_connections",
            "Connections that were closed at once, because their address has as many as it may",
            self.refused.clone(),
        );
        registry.register(
            "evicted_connections",
            "Idle connections that were closed: to make room for others, or without a valid key or URL",
            self.evicted.clone(),
        );
        registry.register_with_unit(
            "received",
            "What came in over all connections, heads and TLS included",
            Unit::Bytes,
            self.received.clone(),
        );
        registry.register_with_unit(
            "sent",
            "What went out over all connections, heads and TLS included",
            Unit::Bytes,
            self.sent.clone(),
        );
    }

    pub(crate) fn open(&self) -> Open {
        self.connections.inc();
        Open(self.connections.clone())
    }

    pub(crate) fn refused(&self) {
        self.refused.inc();
    }

    pub(crate) fn evicted(&self) {
        self.evicted.inc();
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.received.inc_by(bytes as u64);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.sent.inc_by(bytes as u64);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
