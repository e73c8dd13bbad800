//! What an installation used: processor time, transactions, log and requests to the store.

use std::ops::{AddAssign, Index, Sub};

/// A number that only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    /// Processor time in seconds.
    Service,
    Database,
    Store,
    Client,
    /// Of all processes of the machine.
    Machine,
    /// Bytes of the log of PostgreSQL.
    Log,
    /// Transactions of the service, and the seconds that they took.
    Reads,
    ReadTime,
    Writes,
    WriteTime,
    /// Changes in the write transactions.
    Changes,
    /// Requests of the service to the store, and the seconds until their responses.
    Requests,
    RequestTime,
}

const COUNT: usize = Quantity::RequestTime as usize + 1;

/// All quantities, at a time or between two.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Usage([f64; COUNT]);

impl Usage {
    pub(super) fn add(&mut self, quantity: Quantity, number: f64) {
        self.0[quantity as usize] += number;
    }

    /// Adds the numbers of the metrics of one process of the service.
    pub(super) fn add_metrics(&mut self, metrics: &str) {
        let transactions = "agb_database_transaction_duration_seconds";
        let requests = "agb_blob_store_request_duration_seconds";
        let names = [
            (Quantity::Reads, transactions, "_count", "kind=\"read\""),
            (Quantity::ReadTime, transactions, "_sum", "kind=\"read\""),
            (Quantity::Writes, transactions, "_count", "kind=\"write\""),
            (Quantity::WriteTime, transactions, "_sum", "kind=\"write\""),
            (
                Quantity::Changes,
                "agb_database_changes_per_transaction",
                "_sum",
                "",
            ),
            (Quantity::Requests, requests, "_count", ""),
            (Quantity::RequestTime, requests, "_sum", ""),
        ];
        for (quantity, name, suffix, label) in names {
            self.add(quantity, metric(metrics, &format!("{name}{suffix}"), label));
        }
    }

    /// Processor time of the measured processes.
    pub(super) fn processor(&self) -> f64 {
        GROUPS.iter().map(|(quantity, _)| self[*quantity]).sum()
    }
}

/// The groups of processes, and their names.
pub(super) const GROUPS: [(Quantity, &str); 4] = [
    (Quantity::Service, "service"),
    (Quantity::Database, "PostgreSQL"),
    (Quantity::Store, "store"),
    (Quantity::Client, "client"),
];

impl Index<Quantity> for Usage {
    type Output = f64;

    fn index(&self, quantity: Quantity) -> &f64 {
        &self.0[quantity as usize]
    }
}

impl Sub for Usage {
    type Output = Self;

    fn sub(mut self, earlier: Self) -> Self {
        for (number, earlier) in self.0.iter_mut().zip(earlier.0) {
            *number -= earlier;
        }
        self
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        for (number, other) in self.0.iter_mut().zip(other.0) {
            *number += other;
        }
    }
}

/// The sum of a metric over its labels, of which one can be selected. 0 if it does not exist.
fn metric(metrics: &str, name: &str, label: &str) -> f64 {
    let values = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        let selected = labels.is_empty() || labels.starts_with('{');
        (selected && labels.contains(label)).then(|| value.parse::<f64>().ok())?
    });
    values.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_summed_over_labels() {
        let metrics = "# HELP agb_x_sum …\nagb_x_count{kind=\"read\"} 3\nagb_x_count{kind=\"write\"} 4\n\
                       agb_x_count_total{kind=\"read\"} 100\nagb_y_sum 0.5\n";
        assert_eq!(metric(metrics, "agb_x_count", ""), 7.0);
        assert_eq!(metric(metrics, "agb_x_count", "kind=\"read\""), 3.0);
        assert_eq!(metric(metrics, "agb_y_sum", ""), 0.5);
        assert_eq!(metric(metrics, "agb_z", ""), 0.0);
    }

    #[test]
    fn a_difference_contains_each_quantity() {
        let mut before = Usage::default();
        before.add(Quantity::Client, 1.0);
        let mut after = before;
        after.add(Quantity::Client, 2.0);
        after.add_metrics("agb_database_transaction_duration_seconds_sum{kind=\"write\"} 0.25\n");
        let mut total = after - before;
        total += after - before;
        assert_eq!(total[Quantity::Client], 4.0);
        assert_eq!(total[Quantity::WriteTime], 0.5);
        assert_eq!(total.processor(), 4.0);
    }
}
