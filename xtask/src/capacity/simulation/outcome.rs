//! The result of a simulation.

/// What can limit an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::capacity) enum Resource {
    Replicas,
    Pools,
    Primaries,
    Standbys,
    Latency,
}

impl Resource {
    pub(in crate::capacity) fn name(self) -> &'static str {
        match self {
            Self::Replicas => "replica processor",
            Self::Pools => "pool",
            Self::Primaries => "primary processor",
            Self::Standbys => "standby processor",
            Self::Latency => "busiest tenant",
        }
    }
}

#[derive(Debug, Clone)]
pub(in crate::capacity) struct Outcome {
    pub(in crate::capacity) completed: usize,
    pub(in crate::capacity) refused: usize,
    /// Latencies in milliseconds, sorted.
    pub(in crate::capacity) reads: Vec<f64>,
    pub(in crate::capacity) uploads: Vec<f64>,
    /// Operations for each write transaction, and write transactions for each flush.
    pub(in crate::capacity) batch: f64,
    pub(in crate::capacity) group: f64,
    pub(in crate::capacity) busy: Busy,
}

/// Shares of the time in which the busiest instance of each kind was busy, until the last request arrived.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::capacity) struct Busy {
    pub(in crate::capacity) replicas: f64,
    pub(in crate::capacity) pools: f64,
    pub(in crate::capacity) primaries: f64,
    pub(in crate::capacity) standbys: f64,
    pub(in crate::capacity) log: f64,
    /// The lock of the most active tenant.
    pub(in crate::capacity) tenant: f64,
}

/// Value below which a part of the sorted values is.
pub(in crate::capacity) fn percentile(sorted: &[f64], part: f64) -> f64 {
    let index = (sorted.len() as f64 * part) as usize;
    let last = sorted.len().saturating_sub(1);
    sorted.get(index.min(last)).copied().unwrap_or(0.0)
}

impl Outcome {
    /// The busiest resource with its share.
    pub(in crate::capacity) fn busiest(&self) -> (Resource, f64) {
        let shares = [
            (Resource::Replicas, self.busy.replicas),
            (Resource::Pools, self.busy.pools),
            (Resource::Primaries, self.busy.primaries),
            (Resource::Standbys, self.busy.standbys),
        ];
        let first = (Resource::Replicas, 0.0);
        let max = |max: (Resource, f64), share: (Resource, f64)| {
            if share.1 > max.1 { share } else { max }
        };
        shares.into_iter().fold(first, max)
    }

    /// The resource that exceeds its limit: a busy share of `busy`, or a latency of `latency` milliseconds for one request of
    /// a hundred.
    pub(in crate::capacity) fn exceeded(&self, busy: f64, latency: f64) -> Option<Resource> {
        let (resource, share) = self.busiest();
        if share > busy {
            return Some(resource);
        }
        let slowest = percentile(&self.reads, 0.99).max(percentile(&self.uploads, 0.99));
        match slowest > latency || self.refused > 0 {
            // A full pool or processor delays reads too; a busy tenant delays only its own uploads.
            true if percentile(&self.reads, 0.99) > latency => Some(resource),
            true => Some(Resource::Latency),
            false => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&values, 0.5), 51.0);
        assert_eq!(percentile(&values, 0.99), 100.0);
        assert_eq!(percentile(&values[..1], 0.99), 1.0);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }
}
