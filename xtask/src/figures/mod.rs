//! `cargo xtask engine-figures`: compares the throughput and the costs of the service on SQLite and files, PostgreSQL and
//! files, and PostgreSQL and S3, with several numbers of replicas.
//!
//! All engines run at the same time, and the measurements alternate between them, so that changes of the machine affect
//! all of them. The data is in a temporary folder, so TMPDIR selects the disk that is measured.

mod installation;
mod load;
mod report;
mod results;
mod usage;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use self::installation::{Engine, Installation, failed};
use self::load::{Clients, Workload};
use self::report::Report;
use self::results::{Results, Variant};
use crate::agb_serve;
use crate::distributed::engines::Engines;
use crate::distributed::interrupt;
use crate::failure::Failure;
use crate::machine::{load_average, processor};

/// The first round fills caches and pools, and is discarded.
const WARM_UP: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Number of measurements
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Number of those that include files of 64 MiB. Each writes about 2 GiB
    #[arg(long, default_value_t = 3)]
    large_rounds: u32,
    /// Milliseconds of each measurement of small files and calls
    #[arg(long, default_value_t = 400)]
    milliseconds: u64,
    /// Numbers of replicas on PostgreSQL
    #[arg(long, value_delimiter = ',', default_value = "1,2,4")]
    replicas: Vec<usize>,
    /// File to which the measurements are written as well, for `cargo xtask capacity --fit`
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Program to measure. Defaults to `agb`, built with optimization
    #[arg(long, value_name = "FILE")]
    agb: Option<PathBuf>,
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<(), Failure> {
    interrupt::listen()?;
    let program = match &options.agb {
        Some(program) => program.clone(),
        None => agb_serve::build_release(root)?,
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = load_average();
    let mut engines = Engines::new(root)?;
    let program = engines.executable(&program)?;
    let replicas = options.replicas.iter().copied().max().unwrap_or(1);
    let mut installations = Vec::new();
    for engine in Engine::ALL {
        eprintln!("starting {}", engine.name());
        let installation = Installation::start(&mut engines, &program, engine, replicas)?;
        installations.push(installation);
    }
    let workloads = Workload::all();
    let results = measure(options, &workloads, &installations)?;
    let mut statistics = Vec::new();
    for installation in installations {
        let engine = installation.engine;
        statistics.extend(installation.stop()?.map(|found| (engine, found)));
    }
    let source = format!(
        "{cores} cores ({}), load average before {load}, after {}; other processes used {:.0} % of \
         the processor time; {} rounds, {} with files of 64 MiB",
        processor(),
        load_average(),
        results.others() * 100.0,
        options.rounds,
        options.large_rounds.min(options.rounds)
    );
    println!("{source}");
    let report = Report {
        workloads: &workloads,
        results: &results,
        statistics: &statistics,
        cores,
    };
    print!("{report}");
    match &options.json {
        Some(file) => report.figures(source).write(file),
        None => Ok(()),
    }
}

/// All rounds. In each, every workload runs on all variants, one directly after the other.
fn measure(
    options: &Options,
    workloads: &[Workload],
    installations: &[Installation],
) -> Result<Results, Failure> {
    let mut results = Results::default();
    for round in 0..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        for (index, workload) in workloads.iter().enumerate() {
            if workload.is_large() && !(1..=options.large_rounds).contains(&round) {
                continue;
            }
            let mut variants = variants(installations, &options.replicas);
            // The order differs in each round.
            let first = round as usize % variants.len().max(1);
            variants.rotate_left(first);
            for (installation, variant) in variants {
                interrupt::check()?;
                let endpoints = installation.endpoints(variant.replicas);
                let mut clients = Clients::connect(*workload, &endpoints, installation.tenants())
                    .map_err(failed)?;
                let time = match (workload.is_large(), round) {
                    // Each client transfers one file.
                    (true, _) => Duration::ZERO,
                    (false, 0) => WARM_UP,
                    (false, _) => Duration::from_millis(options.milliseconds),
                };
                let before = installation.usage_before(variant.replicas)?;
                let completed = clients.run(time).map_err(failed)?;
                let usage = installation.usage_after(variant.replicas)? - before;
                if round > 0 {
                    results.add(index, variant, completed, usage);
                }
            }
        }
    }
    Ok(results)
}

/// All combinations of engines and numbers of replicas.
fn variants<'a>(
    installations: &'a [Installation],
    replicas: &[usize],
) -> Vec<(&'a Installation, Variant)> {
    let mut variants = Vec::new();
    for installation in installations {
        let engine = installation.engine;
        let counts = match engine {
            Engine::SqliteFile => &[1],
            Engine::PostgresFile | Engine::PostgresS3 => replicas,
        };
        let all = counts
            .iter()
            .map(|&replicas| (installation, Variant { engine, replicas }));
        variants.extend(all);
    }
    variants
}
