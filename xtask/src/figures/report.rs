//! The tables for benches/README.md.

use std::fmt::{self, Write};

use super::installation::{Engine, Statistics};
use super::load::{Operation, Workload};
use super::results::{BASE, Busy, Results, Rounds, Variant, transaction_costs};
use super::usage::Quantity;
use crate::capacity::costs;
use crate::capacity::replicas::{EngineFigures, Measurement};
use crate::markdown::{digits, header};
use crate::statistics::Spread;

const MICROSECONDS: f64 = 1e6;

/// What the tables contain.
pub(super) struct Report<'a> {
    pub(super) workloads: &'a [Workload],
    pub(super) results: &'a Results,
    pub(super) statistics: &'a [(Engine, Statistics)],
    pub(super) cores: usize,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n### Throughput relative to SQLite and files: median (minimum to maximum)\n"
        )?;
        self.ratios(f)?;
        writeln!(f, "\n### Costs of an operation, and limits: one replica\n")?;
        self.costs(f, |variant, _| variant.replicas == 1)?;
        writeln!(
            f,
            "\n### Costs of an operation, and limits: more replicas\n"
        )?;
        self.costs(f, |variant, workload| {
            variant.replicas > 1 && workload.clients > 1
        })?;
        writeln!(f, "\n### PostgreSQL in the whole run\n")?;
        self.whole_run(f)?;
        writeln!(f, "\n### Inputs of `cargo xtask capacity`\n")?;
        self.capacity(f)
    }
}

/// A workload on a variant. Quantities without a value, such as the changes of a workload without writes, are 0.
fn measurement(workload: &Workload, variant: Variant, rounds: &Rounds) -> Measurement {
    let number = |value: f64| if value.is_finite() { value } else { 0.0 };
    let time = |quantity| number(rounds.each(quantity) * MICROSECONDS);
    Measurement {
        operation: workload.operation.name().to_owned(),
        clients: workload.clients,
        tenants: workload.tenants,
        engines: variant.engine.name().to_owned(),
        replicas: variant.replicas,
        operations_per_second: number(rounds.operations / rounds.seconds),
        service: time(Quantity::Service),
        database: time(Quantity::Database),
        store: time(Quantity::Store),
        client: time(Quantity::Client),
        reads: number(rounds.each(Quantity::Reads)),
        writes: number(rounds.each(Quantity::Writes)),
        changes: number(rounds.batch()),
        store_requests: number(rounds.each(Quantity::Requests)),
    }
}

impl Report<'_> {
    /// The measurements as the model of replicas needs them.
    pub(super) fn figures(&self, source: String) -> EngineFigures {
        let mut measurements = Vec::new();
        for (index, workload) in self.workloads.iter().enumerate() {
            for variant in self.results.variants() {
                if let Some(rounds) = self.results.get(index, variant) {
                    measurements.push(measurement(workload, variant, rounds));
                }
            }
        }
        let flush = self.statistics.iter().map(|(engine, statistics)| {
            let name = engine.name().to_owned();
            (name, statistics.flush_time)
        });
        EngineFigures {
            source,
            cores: self.cores,
            other_processes: self.results.others(),
            flush: flush.collect(),
            measurements,
        }
    }

    fn ratios(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variants = self.results.variants();
        let others = || variants.iter().filter(|variant| **variant != BASE);
        let titles: Vec<_> = others()
            .map(|Variant { engine, replicas }| format!("{}: {replicas}", engine.name()))
            .collect();
        let first = ["Operation", "SQLite+file: operations a second"].map(str::to_owned);
        header(f, first.into_iter().chain(titles))?;
        for (index, workload) in self.workloads.iter().enumerate() {
            let base = self.results.get(index, BASE);
            let Some(base) = base.and_then(|rounds| Spread::of(rounds.rates.iter().copied()))
            else {
                continue;
            };
            write!(f, "| {} | {} |", workload.name(), digits(base.median))?;
            for variant in others() {
                match self.results.ratios(index, *variant) {
                    Some(Spread { min, median, max }) => {
                        write!(f, " {median:.2} ({min:.2} to {max:.2}) |")?;
                    }
                    None => write!(f, " |")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }

    fn costs(
        &self,
        f: &mut fmt::Formatter<'_>,
        includes: impl Fn(&Variant, &Workload) -> bool,
    ) -> fmt::Result {
        let titles = [
            "latency, ms",
            "processor, µs: service",
            "PostgreSQL",
            "store",
            "client",
            "transactions: read",
            "write",
            "changes in each",
            "log, bytes",
            "requests to the store",
            "busy: processor",
            "commits of a tenant",
            "requests to the store of a client",
            "limit",
        ];
        header(f, ["Operation", "Engines"].iter().chain(&titles))?;
        for (index, workload) in self.workloads.iter().enumerate() {
            for variant in self.results.variants() {
                if !includes(&variant, workload) {
                    continue;
                }
                if let Some(rounds) = self.results.get(index, variant) {
                    self.cost(f, workload, variant, rounds)?;
                }
            }
        }
        Ok(())
    }

    fn cost(
        &self,
        f: &mut fmt::Formatter<'_>,
        workload: &Workload,
        Variant { engine, replicas }: Variant,
        rounds: &Rounds,
    ) -> fmt::Result {
        let latency = rounds.seconds * workload.clients as f64 / rounds.operations * 1e3;
        let number = match replicas {
            1 => String::new(),
            _ => format!(": {replicas} replicas"),
        };
        write!(
            f,
            "| {} | {}{number} | {} |",
            workload.name(),
            engine.name(),
            digits(latency)
        )?;
        for (quantity, unit) in [
            (Quantity::Service, MICROSECONDS),
            (Quantity::Database, MICROSECONDS),
            (Quantity::Store, MICROSECONDS),
            (Quantity::Client, MICROSECONDS),
            (Quantity::Reads, 1.0),
            (Quantity::Writes, 1.0),
        ] {
            write!(f, " {} |", digits(rounds.each(quantity) * unit))?;
        }
        let busy = Busy::new(rounds, workload.clients, workload.tenants, self.cores);
        let is_upload = matches!(
            workload.operation,
            Operation::Upload | Operation::UploadLarge
        );
        let on_disk = match engine {
            Engine::SqliteFile => is_upload,
            Engine::PostgresFile => is_upload && workload.is_large(),
            Engine::PostgresS3 => false,
        };
        writeln!(
            f,
            " {} | {} | {} | {} | {} | {} | {} |",
            digits(rounds.batch()),
            digits(rounds.each(Quantity::Log)),
            digits(rounds.each(Quantity::Requests)),
            percent(busy.processor),
            percent(busy.commits),
            percent(busy.store),
            busy.limit(on_disk)
        )
    }

    fn whole_run(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles = [
            "commits",
            "flushes of the log",
            "time of a flush, µs",
            "log, MiB",
            "images of whole pages",
            "checkpoints",
        ];
        header(f, ["Engines"].iter().chain(&titles))?;
        for (engine, statistics) in self.statistics {
            writeln!(
                f,
                "| {} | {} | {} | {} | {} | {} | {} |",
                engine.name(),
                digits(statistics.commits),
                digits(statistics.flushes),
                digits(statistics.flush_time),
                digits(statistics.log / f64::from(1 << 20)),
                digits(statistics.page_images),
                digits(statistics.checkpoints)
            )?;
        }
        Ok(())
    }

    /// The costs that the simulation assumes, beside those of this run.
    fn capacity(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        header(f, ["flag", "default, µs", "measured, µs"])?;
        let mut flags = String::new();
        for (flag, default, measured) in self.inputs() {
            let Some(measured) = measured.filter(|measured| measured.is_finite()) else {
                writeln!(f, "| `--{flag}` | {default} | |")?;
                continue;
            };
            writeln!(f, "| `--{flag}` | {default} | {measured:.0} |")?;
            write!(flags, " --{flag} {measured:.0}")?;
        }
        writeln!(f, "\n`cargo xtask capacity{flags}`")
    }

    fn inputs(&self) -> [(&'static str, f64, Option<f64>); 6] {
        let read = self.database_time(Operation::Get, 16);
        // A put is a read for its URL, and then a change.
        let change = |clients| {
            let rounds = self.on_postgres(Operation::Upload, clients, 1)?;
            let cost = rounds.each(Quantity::Database) * MICROSECONDS;
            Some((rounds.batch(), cost - read?))
        };
        let costs = change(1).zip(change(16));
        let costs = costs.and_then(|(few, many)| transaction_costs(few, many));
        let service = self.on_postgres(Operation::Get, 16, 16);
        let statistics = self
            .statistics
            .iter()
            .find(|(engine, _)| *engine == Engine::PostgresFile);
        [
            (
                "replica-time",
                costs::REPLICA,
                service.map(|rounds| rounds.each(Quantity::Service) * MICROSECONDS),
            ),
            ("read-time", costs::READ, read),
            (
                "list-time",
                costs::LIST,
                self.database_time(Operation::List, 16),
            ),
            (
                "transaction-time",
                costs::TRANSACTION,
                costs.map(|(transaction, _)| transaction),
            ),
            ("write-time", costs::WRITE, costs.map(|(_, change)| change)),
            (
                "flush-time",
                costs::FLUSH,
                statistics.map(|(_, statistics)| statistics.flush_time),
            ),
        ]
    }

    fn database_time(&self, operation: Operation, clients: usize) -> Option<f64> {
        let rounds = self.on_postgres(operation, clients, clients)?;
        Some(rounds.each(Quantity::Database) * MICROSECONDS)
    }

    /// A workload on PostgreSQL and files, with one replica.
    fn on_postgres(&self, operation: Operation, clients: usize, tenants: usize) -> Option<&Rounds> {
        let index = self.workloads.iter().position(|workload| {
            workload.operation == operation
                && workload.clients == clients
                && workload.tenants == tenants
        })?;
        let variant = Variant {
            engine: Engine::PostgresFile,
            replicas: 1,
        };
        self.results.get(index, variant)
    }
}

fn percent(share: f64) -> String {
    match share < 0.005 {
        true => String::new(),
        false => format!("{:.0} %", share * 100.0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::Completed;
    use super::super::usage::Usage;
    use super::*;

    fn add(results: &mut Results, index: usize, engine: Engine, seconds: f64, usage: Usage) {
        let completed = Completed {
            operations: 100.0,
            seconds,
        };
        let variant = Variant {
            engine,
            replicas: 1,
        };
        results.add(index, variant, completed, usage);
    }

    #[test]
    fn small_shares_are_omitted() {
        assert_eq!(percent(0.001), "");
        assert_eq!(percent(0.994), "99 %");
    }

    #[test]
    fn costs_become_inputs_of_the_simulation() {
        let workloads = Workload::all();
        let index = |operation, clients, tenants| {
            let found = workloads.iter().position(|workload| {
                (workload.operation, workload.clients, workload.tenants)
                    == (operation, clients, tenants)
            });
            found.unwrap()
        };
        let mut results = Results::default();
        let usage = |database: f64, writes| {
            let mut usage = Usage::default();
            usage.add(Quantity::Database, database);
            usage.add(Quantity::Writes, writes);
            usage.add(Quantity::Changes, if writes > 0.0 { 100.0 } else { 0.0 });
            usage
        };
        let get = index(Operation::Get, 16, 16);
        add(&mut results, get, Engine::SqliteFile, 1.0, Usage::default());
        add(
            &mut results,
            get,
            Engine::PostgresFile,
            4.0,
            usage(0.01, 0.0),
        );
        let one = index(Operation::Upload, 1, 1);
        add(
            &mut results,
            one,
            Engine::PostgresFile,
            1.0,
            usage(0.08, 100.0),
        );
        let many = index(Operation::Upload, 16, 1);
        add(
            &mut results,
            many,
            Engine::PostgresFile,
            1.0,
            usage(0.035, 10.0),
        );
        let text = Report {
            workloads: &workloads,
            results: &results,
            statistics: &[],
            cores: 2,
        }
        .to_string();
        assert!(text.contains("--read-time 100"), "{text}");
        // 700 and 250 µs without the read: 500 for each transaction, 200 for each change.
        assert!(
            text.contains("--transaction-time 500 --write-time 200"),
            "{text}"
        );
        assert!(!text.contains("--flush-time "), "{text}");
        let ratio = "| get a context, 16 clients of 16 tenants | 100 | 0.25 (0.25 to 0.25) |";
        assert!(text.contains(ratio), "{text}");
    }
}
