//! `cargo xtask soak`: a mixed load on `agb serve` for a long time, with clears, restarts, kills and injected faults.
//!
//! Nothing acknowledged may be lost, and no resource of the service may grow: the clients verify what they read while they
//! run, and the last third of the time, without restarts and faults, is sampled in windows and judged.

mod client;
mod judgement;
mod operation;
mod plant;
mod run;
mod schedule;
mod service;
mod shared;
mod verification;
mod window;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use self::plant::Plant;
use self::run::SoakRun;
use self::shared::Shared;
use crate::agb_serve;
use crate::distributed::{failover::pause, interrupt};
use crate::failure::Failure;
use crate::temporary;

const MINUTES: std::ops::RangeInclusive<f64> = 0.2..=1440.0;
/// A signal of a terminal reaches the service and this program one after the other.
const SIGNAL_TIME: Duration = Duration::from_millis(300);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Time of the load in minutes, from 0.2 to 1440
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// Seed of the operations and faults. Defaults to a random one
    #[arg(long)]
    seed: Option<u64>,
    /// Program to test. Defaults to `agb`, built without optimization
    #[arg(long, value_name = "FILE")]
    agb: Option<PathBuf>,
    /// Number of clients
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    clients: u32,
    /// Plant a defect, which the soak must find
    #[arg(long, hide = true)]
    plant: Option<Plant>,
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<(), Failure> {
    if !MINUTES.contains(&options.minutes) {
        let problem = format!("{} minutes are out of range", options.minutes);
        return Err(Failure::new(problem, "pass --minutes from 0.2 to 1440"));
    }
    interrupt::listen()?;
    soak(root, options)
}

fn soak(root: &Path, options: &Options) -> Result<(), Failure> {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    let (minutes, clients) = (options.minutes, options.clients);
    let program = match &options.agb {
        Some(program) => program.clone(),
        None => agb_serve::build(root)?,
    };
    let folder = temporary::folder("soak")?;
    println!("soak: {minutes} minutes, {clients} clients, --seed {seed}");
    let shared = Shared::new();
    let time = Duration::from_secs_f64(minutes * 60.0);
    let result =
        SoakRun::new(&shared, program, folder.path(), options.plant, seed).run(time, clients);
    println!("soak: verified: {}", shared.verified());
    let Err(problem) = result else {
        println!("soak: nothing was lost and nothing grew");
        return Ok(());
    };
    pause(SIGNAL_TIME);
    interrupt::check()?;
    let kept = folder.keep();
    let hint = format!(
        "the data and the log of the service are in {}; `cargo xtask soak --minutes {minutes} --clients {clients} --seed \
         {seed}` repeats the operations",
        kept.display()
    );
    Err(Failure::new(problem, hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(plant: Option<Plant>) -> Result<(), Failure> {
        let options = Options {
            minutes: 0.2,
            seed: None,
            agb: None,
            clients: 4,
            plant,
        };
        soak(&crate::workspace(), &options)
    }

    #[test]
    fn a_short_soak_loses_nothing() {
        short(None).unwrap();
    }

    #[test]
    fn an_acknowledged_file_that_disappears_is_found() {
        let failure = short(Some(Plant::LostFile)).unwrap_err().to_string();
        assert!(failure.contains("not linearizable"), "{failure}");
        let (_, folder) = failure.split_once("are in ").unwrap();
        let (folder, _) = folder.split_once(';').unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    }
}
