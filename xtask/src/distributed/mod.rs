//! `cargo xtask test-distributed`: the suites of the service on PostgreSQL and S3, and failover under load.
//!
//! It installs and starts the engines itself: own instances on free ports, as an unprivileged user, with data in a
//! temporary folder.

mod engines;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the tests of failover record histories")
)]
mod history;
mod interrupt;
mod proxy;
mod smoke;
mod suites;

use std::path::Path;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use self::engines::Engines;
use self::suites::Setup;
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
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Run only these parts
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,
    /// Include the tests with a Garage cluster of three nodes
    #[arg(long)]
    garage: bool,
}

impl Options {
    fn includes(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
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
    if options.includes(Part::Engines) {
        timed(times, "engines", || {
            smoke::run(&mut engines, options.garage)
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
            postgres: Some(postgres.url()),
            s3: None,
        };
        timed(times, "postgres-file", || suites::run(root, &setup))?;
    }
    let store = engines.s3s()?;
    let on_s3 = |url| Setup {
        store: "postgres+s3",
        postgres: Some(url),
        s3: Some(store.client()),
    };
    if options.includes(Part::PostgresS3) {
        timed(times, "postgres-s3", || {
            suites::run(root, &on_s3(postgres.url()))
        })?;
    }
    if options.includes(Part::Pgbouncer) {
        let bouncer = engines.pgbouncer(postgres.port())?;
        timed(times, "pgbouncer", || {
            suites::run(root, &on_s3(bouncer.url()))
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

// Times of parts are shown only.
#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}
