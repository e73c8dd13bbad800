//! `cargo xtask crash`: kills `agb serve` at random instants during writes, and checks that no acknowledged change is lost.
//!
//! After each kill the service is restarted, every acknowledged byte is compared, and `agb serve fsck` must find no
//! damage. A change without a response may have happened completely or not at all.

mod writer;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use self::writer::Writer;
use crate::agb_serve::{self, Service};
use crate::failure::Failure;
use crate::fsck::{fsck, wait_until_collected};
use crate::temporary;

const WRITERS: usize = 4;
/// Maximum delay of a kill after the writers have started, in milliseconds.
const MAX_DELAY: u64 = 400;

#[derive(Debug, Default)]
struct Totals {
    /// Acknowledged changes.
    acknowledged: u64,
    /// Compared bytes of all rounds.
    compared: u64,
}

pub(crate) fn run(
    root: &Path,
    rounds: u32,
    seed: Option<u64>,
    durability: &str,
) -> Result<(), Failure> {
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("crash: {rounds} rounds with --seed {seed}");
    let totals = crash(root, rounds, seed, durability)?;
    if totals.acknowledged == 0 {
        return Err(Failure::new(
            "no change was acknowledged, so nothing was checked",
            "run more rounds",
        ));
    }
    println!(
        "crash: {} changes acknowledged, {} bytes compared, nothing lost",
        totals.acknowledged, totals.compared
    );
    Ok(())
}

/// A seed determines the changes, but not the instants of the kills.
fn crash(root: &Path, rounds: u32, seed: u64, durability: &str) -> Result<Totals, Failure> {
    let folder = temporary::folder("crash")?;
    let data = folder.path().join("data");
    let program = agb_serve::build(root)?;
    let start = || {
        let arguments = ["--durability", durability];
        Service::start(&program, &data, &arguments, Stdio::null())
    };
    let mut random = fastrand::Rng::with_seed(seed);
    let mut writers: Vec<_> = (0..WRITERS)
        .map(|number| Writer::new(number, random.fork()))
        .collect();
    let mut totals = Totals::default();
    for round in 0..rounds {
        let failed = |problem| failure(seed, round, problem);
        let service = start()?;
        let endpoint = service.endpoint().to_owned();
        for writer in &mut writers {
            if round == 0 {
                writer.create_context(&endpoint).map_err(failed)?;
            } else {
                totals.compared += writer.verify(&endpoint).map_err(failed)?;
            }
        }
        let delay = Duration::from_millis(random.u64(0..MAX_DELAY));
        write_until_killed(&mut writers, service, delay).map_err(failed)?;
        let report = fsck(&program, &data).map_err(failed)?;
        if report.damaged {
            return Err(failed(format!("fsck found damage:\n{}", report.text)));
        }
    }
    let failed = |problem| failure(seed, rounds, problem);
    let service = start()?;
    for writer in &mut writers {
        totals.compared += writer.verify(service.endpoint()).map_err(failed)?;
        totals.acknowledged += writer.acknowledged;
    }
    service.stop();
    wait_until_collected(&program, &data, start).map_err(failed)?;
    Ok(totals)
}

/// Runs all writers and kills the service after a delay.
fn write_until_killed(
    writers: &mut [Writer],
    mut service: Service,
    delay: Duration,
) -> Result<(), String> {
    let endpoint = service.endpoint().to_owned();
    std::thread::scope(|scope| {
        let endpoint = &endpoint;
        let threads: Vec<_> = writers
            .iter_mut()
            .map(|writer| scope.spawn(move || writer.write(endpoint)))
            .collect();
        #[expect(
            clippy::disallowed_methods,
            reason = "the service is a process, in real time"
        )]
        std::thread::sleep(delay);
        service.kill();
        threads.into_iter().try_for_each(|thread| {
            let written = thread.join();
            written.unwrap_or_else(|_| Err("a writer panicked".to_owned()))
        })
    })
}

fn failure(seed: u64, round: u32, problem: String) -> Failure {
    Failure::new(
        format!("round {round}: {problem}"),
        format!("repeat the changes with `cargo xtask crash --seed {seed}`"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_acknowledged_change_is_lost_in_twenty_kills() {
        let totals = crash(&crate::workspace(), 20, fastrand::u64(..), "strict").unwrap();
        assert!(totals.acknowledged > 100, "{totals:?}");
        assert!(totals.compared > 1_000_000, "{totals:?}");
    }

    #[test]
    fn no_acknowledged_change_is_lost_in_relaxed_mode() {
        let totals = crash(&crate::workspace(), 6, fastrand::u64(..), "relaxed").unwrap();
        assert!(totals.acknowledged > 30, "{totals:?}");
    }
}
