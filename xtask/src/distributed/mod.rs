//! `cargo xtask test-distributed`: the suites of the service on PostgreSQL and S3, and failover under load.
//!
//! It installs and starts the engines itself: own instances on free ports, as an unprivileged user, with data in a
//! temporary folder.

pub(crate) mod engines;
pub(crate) mod failover;
pub(crate) mod history;
pub(crate) mod interrupt;
mod proxy;
mod smoke;
mod suites;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use self::engines::Engines;
use self::suites::Setup;
pub(crate) use self::suites::s3_url;
use crate::failure::Failure;

/// A part of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Start each engine, and write and read through it and a proxy
    Engines,
    /// The suites in memory
    Memory,
    /// The suites on PostgreSQL and a folder
    PostgresFile,
    /// The suites on PostgreSQL and S3
    PostgresS3,
    /// The suites on PostgreSQL behind PgBouncer, and S3
    Pgbouncer,
    /// Failover: kill the primary of PostgreSQL and promote its standby
    Primary,
    /// Failover: kill a replica of the service during uploads and a clear
    Replica,
    /// Failover: stop a replica for longer than its leases
    Stall,
    /// Failover: disturb the network between the service and PostgreSQL
    PostgresNetwork,
    /// Failover: disturb the network between the service and S3
    S3Network,
    /// Failover: kill nodes of Garage
    GarageNode,
    /// Failover: replace all replicas under load
    Restart,
    /// Failover: revoke API keys and rotate signing keys
    Keys,
}

/// A test of failover.
type Scenario = fn(&mut failover::Setup<'_>) -> Result<(), Failure>;

const SCENARIOS: [(Part, &str, Scenario); 8] = [
    (Part::Keys, "keys", failover::keys),
    (Part::Restart, "restart", failover::restarted),
    (Part::Replica, "replica", failover::killed),
    (Part::Primary, "primary", failover::database_failover),
    (
        Part::PostgresNetwork,
        "postgres-network",
        failover::database_network,
    ),
    (Part::S3Network, "s3-network", failover::store_network),
    (Part::Stall, "stall", failover::stalled),
    (Part::GarageNode, "garage-node", failover::node_killed),
];

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Run only these parts
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,
    /// Include the tests with a Garage cluster of three nodes
    #[arg(long)]
    garage: bool,
    /// Include the tests of failover
    #[arg(long)]
    failover: bool,
    /// Program for the tests of failover. Defaults to `agb`, built without optimization
    #[arg(long, value_name = "FILE")]
    agb: Option<PathBuf>,
}

impl Options {
    fn includes(&self, part: Part) -> bool {
        let is_scenario = SCENARIOS.iter().any(|(scenario, ..)| *scenario == part);
        let is_default =
            (self.failover || !is_scenario) && (self.garage || part != Part::GarageNode);
        (self.only.is_empty() && is_default) || self.only.contains(&part)
    }
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<(), Failure> {
    interrupt::listen()?;
    let mut times = Vec::new();
    let result = run_parts(root, options, &mut times);
    println!("\ntest-distributed: seconds of each part");
    for (name, time) in times {
        println!("{:7.1} s  {name}", time.as_secs_f64());
    }
    result
}

fn run_parts(
    root: &Path,
    options: &Options,
    times: &mut Vec<(&'static str, Duration)>,
) -> Result<(), Failure> {
    let mut engines = Engines::new(root)?;
    suites_on_engines(root, options, &mut engines, times)?;
    let is_included = |(part, ..): &&(Part, _, _)| options.includes(*part);
    let scenarios: Vec<_> = SCENARIOS.iter().filter(is_included).collect();
    if scenarios.is_empty() {
        return Ok(());
    }
    let mut setup = failover::Setup::new(root, options.agb.as_deref(), &mut engines)?;
    for (_, name, scenario) in scenarios {
        timed(times, name, || scenario(&mut setup))?;
    }
    Ok(())
}

fn suites_on_engines(
    root: &Path,
    options: &Options,
    engines: &mut Engines,
    times: &mut Vec<(&'static str, Duration)>,
) -> Result<(), Failure> {
    if options.includes(Part::Engines) {
        timed(times, "engines", || {
            smoke::run(root, engines, options.garage)
        })?;
    }
    if options.includes(Part::Memory) {
        let setup = Setup {
            store: "memory",
            ..Setup::default()
        };
        timed(times, "memory", || suites::run(root, &setup))?;
    }
    let on_postgres = [Part::PostgresFile, Part::PostgresS3, Part::Pgbouncer];
    if !on_postgres.iter().any(|part| options.includes(*part)) {
        return Ok(());
    }
    let postgres = engines.postgres()?;
    if options.includes(Part::PostgresFile) {
        let setup = Setup {
            store: "postgres+file",
            postgres: Some((postgres.url(), &postgres)),
            ..Setup::default()
        };
        timed(times, "postgres-file", || suites::run(root, &setup))?;
    }
    let store = engines.s3s()?;
    let on_s3 = |url, unit_tests| Setup {
        store: "postgres+s3",
        postgres: Some((url, &postgres)),
        s3: Some(&store),
        unit_tests,
        ..Setup::default()
    };
    if options.includes(Part::PostgresS3) {
        timed(times, "postgres-s3", || {
            suites::run(root, &on_s3(postgres.url(), true))
        })?;
    }
    if options.includes(Part::Pgbouncer) {
        let bouncer = engines.pgbouncer(postgres.port())?;
        timed(times, "pgbouncer", || {
            suites::run(root, &on_s3(bouncer.url(), false))
        })?;
    }
    Ok(())
}

/// Runs a part and records its time.
fn timed(
    times: &mut Vec<(&'static str, Duration)>,
    name: &'static str,
    part: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    interrupt::check()?;
    println!("\n== {name}");
    let start = now();
    let result = part();
    let time = now().duration_since(start);
    println!("{name}: {:.1} s", time.as_secs_f64());
    times.push((name, time));
    result
}

#[expect(clippy::disallowed_methods, reason = "times of parts are only shown")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_of_failover_need_their_flags_or_names() {
        let included = |only: &[Part], garage, failover| {
            let options = Options {
                only: only.to_vec(),
                garage,
                failover,
                agb: None,
            };
            Part::value_variants()
                .iter()
                .filter(|part| options.includes(**part))
                .count()
        };
        assert_eq!(included(&[], false, false), 5);
        assert_eq!(included(&[], false, true), 12);
        assert_eq!(included(&[], true, true), 13);
        assert_eq!(included(&[Part::GarageNode], false, false), 1);
    }
}
