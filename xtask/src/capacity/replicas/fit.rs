//! Fits the costs of a workload to measurements with one replica, by one and by many clients.

use super::measurement::{EngineFigures, Measurement};

/// The operation whose only transaction reads a row.
const READ: &str = "get a context";

/// A cost that depends on how many requests a replica has at the same time: `fixed + shared / requests`. The shared part
/// is that of wake-ups and system calls, which serve all requests that wait at the moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::capacity) struct Cost {
    pub(in crate::capacity) fixed: f64,
    pub(in crate::capacity) shared: f64,
}

impl Cost {
    /// A cost through the measurements with one and with `many` requests.
    fn through(one: f64, (many, cost_of_many): (f64, f64)) -> Self {
        let shared = (one - cost_of_many) / (1.0 - 1.0 / many);
        Self {
            fixed: one - shared,
            shared,
        }
    }

    /// The cost with this many requests.
    pub(in crate::capacity) fn at(self, requests: f64) -> f64 {
        (self.fixed + self.shared / requests.max(1.0)).max(0.0)
    }
}

/// Processor times of an operation in microseconds.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::capacity) struct Costs {
    pub(in crate::capacity) client: Cost,
    pub(in crate::capacity) service: Cost,
    pub(in crate::capacity) store: Cost,
    /// Of the database, for each transaction that reads.
    pub(in crate::capacity) read: Cost,
    pub(in crate::capacity) reads: f64,
    /// Of the database, for the change of an upload, and for its transaction, which several uploads may share.
    pub(in crate::capacity) change: Option<Cost>,
    pub(in crate::capacity) transaction: f64,
    /// A flush of the log.
    pub(in crate::capacity) flush: f64,
}

impl Costs {
    /// The costs with this many requests, whatever the number of requests is.
    pub(in crate::capacity) fn constant(&self, requests: f64) -> Self {
        let constant = |cost: Cost| Cost {
            fixed: cost.at(requests),
            shared: 0.0,
        };
        Self {
            client: constant(self.client),
            service: constant(self.service),
            store: constant(self.store),
            read: constant(self.read),
            change: self.change.map(constant),
            ..*self
        }
    }
}

/// A workload of the measurements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::capacity) struct Workload {
    pub(in crate::capacity) operation: String,
    pub(in crate::capacity) engines: String,
    pub(in crate::capacity) clients: usize,
    pub(in crate::capacity) tenants: usize,
}

/// All workloads with several clients on engines that several replicas can share.
pub(in crate::capacity) fn workloads(figures: &EngineFigures) -> Vec<Workload> {
    let mut workloads = Vec::new();
    for measurement in &figures.measurements {
        let workload = Workload {
            operation: measurement.operation.clone(),
            engines: measurement.engines.clone(),
            clients: measurement.clients,
            tenants: measurement.tenants,
        };
        if workload.clients > 1 && measurement.replicas > 1 && !workloads.contains(&workload) {
            workloads.push(workload);
        }
    }
    workloads
}

/// The costs of a workload, from measurements with one replica only. `None` if one of them is missing.
pub(in crate::capacity) fn fit(figures: &EngineFigures, workload: &Workload) -> Option<Costs> {
    let find = |operation: &str, clients| figures.find(&workload.engines, operation, clients, 1);
    let one = find(&workload.operation, (1, 1))?;
    let many = find(&workload.operation, (workload.clients, workload.tenants))?;
    let requests = workload.clients as f64;
    let cost = |of: fn(&Measurement) -> f64| Cost::through(of(one), (requests, of(many)));
    let mut costs = Costs {
        client: cost(|measurement| measurement.client),
        service: cost(|measurement| measurement.service),
        store: cost(|measurement| measurement.store),
        read: cost(|measurement| measurement.database / measurement.reads.max(1.0)),
        reads: many.reads,
        change: None,
        transaction: 0.0,
        flush: figures.flush.get(&workload.engines).copied()?,
    };
    if one.writes < 0.5 {
        return Some(costs);
    }
    // An upload first reads a row, for its URL.
    let read_by_one = find(READ, (1, 1))?.database;
    let read_by_many = figures
        .measurements
        .iter()
        .find(|measurement| {
            measurement.operation == READ
                && measurement.engines == workload.engines
                && measurement.replicas == 1
                && measurement.clients > 1
        })?
        .clone();
    costs.read = Cost::through(
        read_by_one,
        (read_by_many.clients as f64, read_by_many.database),
    );
    let written = |measurement: &Measurement, requests: f64| {
        measurement.database - measurement.reads * costs.read.at(requests)
    };
    // Transactions of one change each, by clients of as many tenants, have the cost of a change and of a transaction.
    let alone = find(&workload.operation, (workload.clients, workload.clients))?;
    let change = Cost::through(written(one, 1.0), (requests, written(alone, requests)));
    // Clients of one tenant share transactions: what they save is the cost of a transaction.
    let together = find(&workload.operation, (workload.clients, 1));
    let transaction = together.map_or(0.0, |together| {
        let saved = written(alone, requests) - written(together, requests);
        (saved / (1.0 - 1.0 / together.changes.max(1.0))).max(0.0)
    });
    costs.transaction = if transaction.is_finite() {
        transaction
    } else {
        0.0
    };
    costs.change = Some(Cost {
        fixed: change.fixed - costs.transaction,
        ..change
    });
    Some(costs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_that_of_both_measurements() {
        let cost = Cost::through(379.0, (16.0, 193.0));
        assert!((cost.at(1.0) - 379.0).abs() < 1e-9);
        assert!((cost.at(16.0) - 193.0).abs() < 1e-9);
        assert!(cost.at(4.0) < 379.0 && cost.at(4.0) > 193.0);
        // An extrapolation is never negative.
        assert_eq!(Cost::through(10.0, (2.0, 1.0)).at(1e9), 0.0);
    }
}
