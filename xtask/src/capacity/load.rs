//! The report on throughput and latency.

use std::fmt::{self, Write};

use super::arguments::Arguments;
use super::format::{milliseconds, percent, rate};
use super::simulation::{Outcome, Resource, Setup, percentile, simulate};

/// Loads are found to this part.
const PRECISION: f64 = 0.03;
/// Seconds of each load on the curve.
const SECONDS: f64 = 3.0;
/// Replicas of the setup that is varied.
const REPLICAS: usize = 8;

pub(super) fn report(arguments: &Arguments) -> Result<String, fmt::Error> {
    let mut text = String::new();
    writeln!(text, "\n## Replicas with one primary\n")?;
    header(&mut text)?;
    let base = arguments.setup();
    let mut full = 0.0;
    for replicas in [1, 2, 4, 8, 16] {
        let setup = Setup {
            replicas,
            ..base.clone()
        };
        let found = row(
            &mut text,
            arguments,
            &format!(
                "{replicas} {}",
                if replicas == 1 { "replica" } else { "replicas" }
            ),
            &setup,
        )?;
        if replicas == REPLICAS {
            full = found;
        }
    }
    let larger = Setup {
        replicas: 2,
        pool: 2 * base.pool,
        ..base.clone()
    };
    row(
        &mut text,
        arguments,
        "2 replicas, pools of twice the size",
        &larger,
    )?;
    let eight = Setup {
        replicas: REPLICAS,
        ..base
    };
    writeln!(text, "\n## Changes to eight replicas\n")?;
    header(&mut text)?;
    for (name, setup) in changes(&eight) {
        row(&mut text, arguments, name, &setup)?;
    }
    writeln!(text, "\n## Load on eight replicas\n")?;
    curve(&mut text, arguments, &eight, full)?;
    Ok(text)
}

/// What can be done, and what some of the design is worth.
fn changes(eight: &Setup) -> Vec<(&'static str, Setup)> {
    let with = |change: &dyn Fn(&mut Setup)| {
        let mut setup = eight.clone();
        change(&mut setup);
        setup
    };
    vec![
        (
            "32 cores for the primary",
            with(&|setup| setup.database_cores *= 2),
        ),
        (
            "2 standbys that serve reads",
            with(&|setup| setup.standbys = 2),
        ),
        (
            "one replica for each tenant",
            with(&|setup| setup.affinity = true),
        ),
        (
            "4 primaries, by hash of the tenant",
            with(&|setup| setup.primaries = 4),
        ),
        (
            "16 primaries, 64 replicas, one replica for each tenant",
            with(&|setup| {
                setup.primaries = 16;
                setup.replicas = 64;
                setup.affinity = true;
            }),
        ),
        (
            "no synchronous standby",
            with(&|setup| setup.times.standby = 0.0),
        ),
        (
            "a synchronous standby 20 ms away",
            with(&|setup| setup.times.standby = 20_000.0),
        ),
        (
            "one upload for each transaction",
            with(&|setup| setup.batch = 1),
        ),
        ("pools of 64", with(&|setup| setup.pool = 64)),
        (
            "all tenants equally active",
            with(&|setup| setup.exponent = 0.0),
        ),
        (
            "one tenant, uploads only",
            with(&|setup| one_tenant(setup, false)),
        ),
        (
            "one tenant, uploads only, on one replica",
            with(&|setup| one_tenant(setup, true)),
        ),
    ]
}

fn one_tenant(setup: &mut Setup, affinity: bool) {
    setup.tenants = 1;
    setup.affinity = affinity;
    setup.mix.lists = 0.0;
    setup.mix.small_uploads = 1.0;
    setup.mix.large_uploads = 0.0;
}

fn header(text: &mut String) -> fmt::Result {
    writeln!(
        text,
        "| setup | requests a second | reads: median, 99 % | uploads: median, 99 % | uploads for each transaction | replicas | pools | primary | log | busiest tenant | limit |"
    )?;
    writeln!(
        text,
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    )
}

fn row(
    text: &mut String,
    arguments: &Arguments,
    name: &str,
    setup: &Setup,
) -> Result<f64, fmt::Error> {
    let (found, outcome, limit) = sustained(arguments, setup);
    writeln!(
        text,
        "| {name} | {} | {} | {} | {:.1} | {} | {} | {} | {} | {} | {} |",
        rate(found),
        latencies(&outcome.reads),
        latencies(&outcome.uploads),
        outcome.batch,
        percent(outcome.busy.replicas),
        percent(outcome.busy.pools),
        percent(outcome.busy.primaries),
        percent(outcome.busy.log),
        percent(outcome.busy.tenant),
        limit.name()
    )?;
    Ok(found)
}

fn latencies(sorted: &[f64]) -> String {
    match sorted.is_empty() {
        true => "none".to_owned(),
        false => [0.5, 0.99]
            .map(|part| milliseconds(percentile(sorted, part)))
            .join(", "),
    }
}

/// The highest sustainable load, its outcome, and what limits it.
fn sustained(arguments: &Arguments, setup: &Setup) -> (f64, Outcome, Resource) {
    let run = |rate| {
        // At least half a second, so that a queue that grows exceeds the latency.
        let count = arguments.requests.max((rate * 0.5) as usize);
        simulate(setup, rate, count, arguments.seed)
    };
    let check = |outcome: &Outcome| outcome.exceeded(arguments.busy, arguments.latency_ms);
    let (mut low, mut outcome) = (100.0, run(100.0));
    let mut limit = check(&outcome).unwrap_or(Resource::Latency);
    // The replicas limit every load.
    let mut high = 1e6 / setup.times.replica * (setup.replicas * setup.replica_cores) as f64;
    while high / low > 1.0 + PRECISION {
        let middle = (high * low).sqrt();
        let tried = run(middle);
        match check(&tried) {
            Some(resource) => {
                high = middle;
                limit = resource;
            }
            None => {
                low = middle;
                outcome = tried;
            }
        }
    }
    (low, outcome, limit)
}

fn curve(text: &mut String, arguments: &Arguments, setup: &Setup, full: f64) -> fmt::Result {
    writeln!(
        text,
        "| load | requests a second | reads: median, 99 % | uploads: median, 99 % | uploads for each transaction | transactions for each flush | refused |"
    )?;
    writeln!(text, "| --- | --- | --- | --- | --- | --- | --- |")?;
    for part in [0.25, 0.5, 0.75, 0.9, 1.0, 1.2, 1.5] {
        let load = full * part;
        let count = arguments.requests.max((load * SECONDS) as usize);
        let outcome = simulate(setup, load, count, arguments.seed);
        let refused = outcome.refused as f64 / (outcome.refused + outcome.completed).max(1) as f64;
        writeln!(
            text,
            "| {} | {} | {} | {} | {:.1} | {:.1} | {} |",
            percent(part),
            rate(load),
            latencies(&outcome.reads),
            latencies(&outcome.uploads),
            outcome.batch,
            outcome.group,
            percent(refused)
        )?;
    }
    Ok(())
}
