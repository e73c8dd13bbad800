//! The measurements of a run, and their arithmetic.

use std::collections::BTreeMap;

use super::installation::Engine;
use super::load::Completed;
use super::usage::{GROUPS, Quantity, Usage};
use crate::statistics::Spread;

/// An engine with a number of replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Variant {
    pub(super) engine: Engine,
    pub(super) replicas: usize,
}

/// What all others are compared with.
pub(super) const BASE: Variant = Variant {
    engine: Engine::SqliteFile,
    replicas: 1,
};

/// All rounds of a workload on a variant.
#[derive(Debug, Clone, Default)]
pub(super) struct Rounds {
    /// Operations a second of each round.
    pub(super) rates: Vec<f64>,
    pub(super) operations: f64,
    pub(super) seconds: f64,
    pub(super) usage: Usage,
}

impl Rounds {
    fn add(&mut self, completed: Completed, usage: Usage) {
        self.rates.push(completed.operations / completed.seconds);
        self.operations += completed.operations;
        self.seconds += completed.seconds;
        self.usage += usage;
    }

    /// A quantity of one operation.
    pub(super) fn each(&self, quantity: Quantity) -> f64 {
        self.usage[quantity] / self.operations
    }

    /// Changes that shared a write transaction.
    pub(super) fn batch(&self) -> f64 {
        self.usage[Quantity::Changes] / self.usage[Quantity::Writes]
    }
}

/// The measurements, by the index of the workload.
#[derive(Debug, Default)]
pub(super) struct Results(BTreeMap<(usize, Variant), Rounds>);

impl Results {
    pub(super) fn add(
        &mut self,
        workload: usize,
        variant: Variant,
        completed: Completed,
        usage: Usage,
    ) {
        let rounds = self.0.entry((workload, variant)).or_default();
        rounds.add(completed, usage);
    }

    pub(super) fn get(&self, workload: usize, variant: Variant) -> Option<&Rounds> {
        self.0.get(&(workload, variant))
    }

    /// Share of the processor time during the measurements that other processes used. The kernel counts the time of the machine
    /// in ticks, and that of processes exactly, so that the difference can be negative.
    pub(super) fn others(&self) -> f64 {
        let mut usage = Usage::default();
        for rounds in self.0.values() {
            usage += rounds.usage;
        }
        (1.0 - usage.processor() / usage[Quantity::Machine]).max(0.0)
    }

    pub(super) fn variants(&self) -> Vec<Variant> {
        let mut variants: Vec<_> = self.0.keys().map(|(_, variant)| *variant).collect();
        variants.sort_unstable();
        variants.dedup();
        variants
    }

    /// The throughput relative to SQLite in the same round.
    pub(super) fn ratios(&self, workload: usize, variant: Variant) -> Option<Spread> {
        let rates = &self.get(workload, variant)?.rates;
        let base = &self.get(workload, BASE)?.rates;
        let ratios = rates.iter().zip(base).map(|(rate, base)| rate / base);
        Spread::of(ratios)
    }
}

/// How busy each part was, as a share of what the clients can use of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Busy {
    /// Cores, of which a client uses one at a time.
    pub(super) processor: f64,
    /// The group of processes that used most of the processor time.
    pub(super) largest: &'static str,
    /// Write transactions, of which a tenant has one at a time.
    pub(super) commits: f64,
    /// Requests to the store, of which a client has one at a time.
    pub(super) store: f64,
}

/// Share from which a part is the limit.
const LIMIT: f64 = 0.8;
/// Share from which a part causes most of the waiting.
const MOST: f64 = 0.4;

impl Busy {
    pub(super) fn new(rounds: &Rounds, clients: usize, tenants: usize, cores: usize) -> Self {
        let usage = &rounds.usage;
        let of = |busy: f64, count: usize| busy / (rounds.seconds * count.max(1) as f64);
        let mut groups = GROUPS;
        groups.sort_by(|(a, _), (b, _)| usage[*b].total_cmp(&usage[*a]));
        Self {
            processor: of(usage.processor(), clients.min(cores)),
            largest: groups[0].1,
            commits: of(usage[Quantity::WriteTime], tenants.min(clients)),
            store: of(usage[Quantity::RequestTime], clients),
        }
    }

    /// What limits the throughput. `on_disk` means that the service writes and syncs files, which it does not measure.
    pub(super) fn limit(&self, on_disk: bool) -> String {
        let waiting = self.commits.max(self.store);
        if self.processor >= LIMIT {
            format!("processor, most of it: {}", self.largest)
        } else if waiting >= MOST && self.commits >= self.store {
            "commits".to_owned()
        } else if waiting >= MOST {
            "store".to_owned()
        } else if on_disk {
            "disk".to_owned()
        } else {
            "several waits".to_owned()
        }
    }
}

/// Costs of a transaction and of each change in it, from the costs of a change at two sizes of transactions.
pub(super) fn transaction_costs(few: (f64, f64), many: (f64, f64)) -> Option<(f64, f64)> {
    let ((few, cost_of_few), (many, cost_of_many)) = (few, many);
    let transaction = (cost_of_few - cost_of_many) / (1.0 / few - 1.0 / many);
    let change = cost_of_many - transaction / many;
    // Otherwise, the sizes differ too little for the noise.
    (transaction.is_finite() && transaction > 0.0 && change > 0.0).then_some((transaction, change))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(operations: f64) -> Completed {
        Completed {
            operations,
            seconds: 1.0,
        }
    }

    #[test]
    fn ratios_compare_the_same_round() {
        let variant = Variant {
            engine: Engine::PostgresS3,
            replicas: 2,
        };
        let mut results = Results::default();
        for (base, rate) in [(100.0, 50.0), (200.0, 100.0), (50.0, 30.0)] {
            results.add(0, BASE, completed(base), Usage::default());
            results.add(0, variant, completed(rate), Usage::default());
        }
        let ratios = Spread::of([0.5, 0.5, 0.6]);
        assert_eq!(results.ratios(0, variant), ratios);
        assert_eq!(results.ratios(1, variant), None);
        assert_eq!(results.variants(), [BASE, variant]);
        let mut usage = Usage::default();
        usage.add(Quantity::Store, 3.0);
        usage.add(Quantity::Machine, 4.0);
        results.add(1, BASE, completed(1.0), usage);
        assert_eq!(results.others(), 0.25);
    }

    #[test]
    fn the_busiest_part_is_the_limit() {
        let mut usage = Usage::default();
        usage.add(Quantity::Database, 1.1);
        usage.add(Quantity::Client, 0.6);
        let mut rounds = Rounds::default();
        rounds.add(completed(10.0), usage);
        let busy = Busy::new(&rounds, 16, 1, 2);
        assert!((busy.processor - 0.85).abs() < 1e-9);
        assert_eq!(busy.limit(true), "processor, most of it: PostgreSQL");
        let mut waits = Usage::default();
        waits.add(Quantity::WriteTime, 3.0);
        waits.add(Quantity::RequestTime, 8.0);
        rounds.add(completed(10.0), waits);
        let limit = |tenants| Busy::new(&rounds, 16, tenants, 2).limit(false);
        assert_eq!(limit(1), "commits");
        assert_eq!(limit(16), "several waits");
        assert_eq!(Busy::new(&rounds, 16, 16, 2).limit(true), "disk");
        assert_eq!(rounds.each(Quantity::WriteTime), 0.15);
    }

    #[test]
    fn costs_of_a_transaction_are_shared_by_its_changes() {
        // 500 for each transaction, 200 for each change.
        let costs = transaction_costs((1.0, 700.0), (10.0, 250.0)).unwrap();
        assert!((costs.0 - 500.0).abs() < 1e-9 && (costs.1 - 200.0).abs() < 1e-9);
        assert_eq!(transaction_costs((1.0, 700.0), (1.0, 690.0)), None);
        assert_eq!(transaction_costs((1.0, 250.0), (10.0, 700.0)), None);
    }
}
