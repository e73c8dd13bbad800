//! `cargo xtask capacity --fit FILE`: checks the model of replicas against measurements, and applies it to installations of
//! several machines.

use std::fmt::{self, Write};

use super::arguments::Arguments;
use super::replicas::{
    Costs, EngineFigures, Layout, Load, Machines, Throughput, Workload, fit, simulate, workloads,
};

/// Operations of a simulation: of small files and calls, and of large files.
const OPERATIONS: [usize; 2] = [20_000, 4_000];
/// Processor time from which an operation is that of a large file.
const LARGE: f64 = 20_000.0;
/// Engines that replicas on several machines can share.
const STORE: &str = "PostgreSQL+S3";
const PREDICTED: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// A prediction for the machine of the measurements.
#[derive(Debug)]
struct Check {
    workload: Workload,
    replicas: usize,
    measured: f64,
    predicted: Throughput,
    /// The prediction with the costs of one replica.
    constant: Throughput,
}

impl Check {
    fn error(&self, predicted: Throughput) -> f64 {
        predicted.rate / self.measured - 1.0
    }
}

pub(super) fn report(arguments: &Arguments, figures: &EngineFigures) -> Result<String, fmt::Error> {
    let mut text = String::new();
    writeln!(text, "Fitted to: {}", figures.source)?;
    writeln!(text, "\n## One machine: predicted and measured\n")?;
    writeln!(
        text,
        "| operation | engines | replicas | predicted | measured | error | error with the costs of one replica | limit |"
    )?;
    writeln!(text, "| --- | --- | --- | --- | --- | --- | --- | --- |")?;
    let checks = checks(arguments.seed, figures, OPERATIONS);
    for check in &checks {
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {:+.0} % | {:+.0} % | {} |",
            name(&check.workload),
            check.workload.engines,
            check.replicas,
            rate(check.predicted.rate),
            rate(check.measured),
            check.error(check.predicted) * 100.0,
            check.error(check.constant) * 100.0,
            check.predicted.limit.name()
        )?;
    }
    writeln!(text)?;
    for replicas in [1, 2, 4] {
        let of = |error: &dyn Fn(&Check) -> f64| {
            let errors = checks.iter().filter(|check| check.replicas == replicas);
            errors.map(|check| error(check).abs()).collect::<Vec<_>>()
        };
        let errors = of(&|check| check.error(check.predicted));
        let constant = of(&|check| check.error(check.constant));
        if let (Some((mean, most)), Some((constant, most_constant))) =
            (mean_and_most(&errors), mean_and_most(&constant))
        {
            writeln!(
                text,
                "Replicas {replicas}: error {:.0} % on average, at most {:.0} %; with the costs of one replica {:.0} % and {:.0} %",
                mean * 100.0,
                most * 100.0,
                constant * 100.0,
                most_constant * 100.0
            )?;
        }
    }
    writeln!(
        text,
        "\n## Own machines, {STORE}: operations a second and the limit\n"
    )?;
    let titles = PREDICTED.map(|replicas| format!(" {replicas} |"));
    writeln!(text, "| operation |{}", titles.concat())?;
    writeln!(text, "| --- |{}", " --- |".repeat(PREDICTED.len()))?;
    let shared = workloads(figures).into_iter();
    for workload in shared.filter(|workload| workload.engines == STORE) {
        let Some(costs) = fit(figures, &workload) else {
            continue;
        };
        write!(text, "| {} |", name_of_own(&workload))?;
        for replicas in PREDICTED {
            let layout = arguments.own_machines(replicas);
            let clients = arguments.clients_per_replica * replicas;
            let predicted = on_own_machines(&costs, &workload, &layout, clients, arguments.seed);
            write!(
                text,
                " {}: {} |",
                rate(predicted.rate),
                predicted.limit.name()
            )?;
        }
        writeln!(text)?;
    }
    Ok(text)
}

/// Predictions for all measured workloads and numbers of replicas.
fn checks(seed: u64, figures: &EngineFigures, operations: [usize; 2]) -> Vec<Check> {
    let mut checks = Vec::new();
    for workload in workloads(figures) {
        let Some(costs) = fit(figures, &workload) else {
            continue;
        };
        let clients = (workload.clients, workload.tenants);
        for replicas in [1, 2, 4] {
            let measured = figures.find(&workload.engines, &workload.operation, clients, replicas);
            let Some(measured) = measured else {
                continue;
            };
            let layout = one_machine(figures, replicas);
            let load = Load {
                clients: workload.clients,
                tenants: workload.tenants,
                operations: count(&costs, operations),
                seed,
            };
            let predicted = simulate(&costs, &layout, load);
            let constant = costs.constant(workload.clients as f64);
            checks.push(Check {
                workload: workload.clone(),
                replicas,
                measured: measured.operations_per_second,
                predicted,
                constant: simulate(&constant, &layout, load),
            });
        }
    }
    checks
}

fn on_own_machines(
    costs: &Costs,
    workload: &Workload,
    layout: &Layout,
    clients: usize,
    seed: u64,
) -> Throughput {
    let load = Load {
        clients,
        tenants: match workload.tenants {
            1 => 1,
            _ => clients,
        },
        // Each client needs several operations until the queues are those of a steady state.
        operations: count(costs, OPERATIONS).max(clients * 8),
        seed,
    };
    simulate(costs, layout, load)
}

/// The machine of the measurements.
fn one_machine(figures: &EngineFigures, replicas: usize) -> Layout {
    Layout {
        replicas,
        machines: Machines::One {
            cores: figures.cores,
        },
        pool: 16,
        other_processes: figures.other_processes,
        round_trip: 0.0,
        locked_round_trips: 0.0,
        standby: 0.0,
    }
}

fn count(costs: &Costs, [small, large]: [usize; 2]) -> usize {
    match costs.service.at(1.0) >= LARGE {
        true => large,
        false => small,
    }
}

fn name(workload: &Workload) -> String {
    let Workload {
        operation, clients, ..
    } = workload;
    match workload.tenants {
        1 => format!("{operation}, {clients} clients of 1 tenant"),
        tenants => format!("{operation}, {clients} clients of {tenants} tenants"),
    }
}

fn name_of_own(workload: &Workload) -> String {
    let operation = &workload.operation;
    match workload.tenants {
        1 => format!("{operation}, all clients of 1 tenant"),
        _ => format!("{operation}, a tenant for each client"),
    }
}

fn rate(rate: f64) -> String {
    match rate < 100.0 {
        true => format!("{rate:.1}"),
        false => super::format::rate(rate),
    }
}

fn mean_and_most(errors: &[f64]) -> Option<(f64, f64)> {
    let sum: f64 = errors.iter().sum();
    let most = errors.iter().copied().reduce(f64::max)?;
    Some((sum / errors.len() as f64, most))
}

#[cfg(test)]
mod tests;
