//! `cargo xtask crash`: `agb serve` is killed at random instants while writers are at work, and nothing that was
//! acknowledged may be lost.
//!
//! After each kill the service is started again, every byte that was acknowledged is compared, and `agb serve fsck`
//! looks at the folder. What was asked for and not answered may have happened or not, but whole.

pub(crate) mod http;
mod writer;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use self::writer::Writer;
use crate::failure::Failure;
use crate::interop::service::{Service, build};

const WRITERS: usize = 4;
/// The latest instant of a kill, in milliseconds after the writers have begun.
const LATEST: u64 = 400;
/// How often the service is started at the end until the collection has come to its end.
const SETTLE: usize = 50;

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Changes that were acknowledged.
    pub(crate) acknowledged: u64,
    /// Bytes that were compared, over all rounds.
    pub(crate) compared: u64,
}

pub(crate) fn run(
    root: &Path,
    rounds: u32,
    seed: Option<u64>,
    durability: &str,
) -> Result<(), Failure> {
    // The one place where chance comes in; with the seed a run has the same changes, if not the same instants.
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("crash: {rounds} rounds with --seed {seed}");
    let outcome = crash(root, rounds, seed, durability)?;
    println!(
        "crash: {} changes were acknowledged, {} bytes compared, and nothing was lost",
        outcome.acknowledged, outcome.compared
    );
    Ok(())
}

pub(crate) fn crash(
    root: &Path,
    rounds: u32,
    seed: u64,
    durability: &str,
) -> Result<Outcome, Failure> {
    let scratch = TempDir::with_prefix("agb-crash-")
        .map_err(|error| lost(seed, 0, format!("no temporary folder: {error}")))?;
    let data = scratch.path().join("data");
    let program = build(root, &[])?;
    let start = || {
        let arguments = ["--durability", durability];
        Service::launch(&program, &data, &arguments, Stdio::null())
    };
    let mut random = fastrand::Rng::with_seed(seed);
    let mut writers: Vec<_> = (0..WRITERS)
        .map(|number| Writer::new(number, random.fork()))
        .collect();
    let mut outcome = Outcome::default();
    for round in 0..rounds {
        let failed = |problem| lost(seed, round, problem);
        let service = start()?;
        let endpoint = service.endpoint().to_owned();
        for writer in &mut writers {
            if round == 0 {
                writer.prepare(&endpoint).map_err(failed)?;
            } else {
                outcome.compared += writer.verify(&endpoint).map_err(failed)?;
            }
        }
        let instant = Duration::from_millis(random.u64(0..LATEST));
        write_until_killed(&mut writers, service, instant).map_err(failed)?;
        let (clean, told) = fsck(&program, &data).map_err(failed)?;
        if !clean && !told.lines().all(is_no_damage) {
            return Err(failed(format!("fsck found damage:\n{told}")));
        }
    }
    let failed = |problem| lost(seed, rounds, problem);
    let service = start()?;
    for writer in &mut writers {
        outcome.compared += writer.verify(service.endpoint()).map_err(failed)?;
        outcome.acknowledged += writer.acknowledged;
    }
    service.stop();
    settle(&program, &data, start).map_err(failed)?;
    Ok(outcome)
}

/// Lets all writers work, and kills the service under their hands.
fn write_until_killed(
    writers: &mut [Writer],
    mut service: Service,
    instant: Duration,
) -> Result<(), String> {
    let endpoint = service.endpoint().to_owned();
    std::thread::scope(|scope| {
        let endpoint = &endpoint;
        let threads: Vec<_> = writers
            .iter_mut()
            .map(|writer| scope.spawn(move || writer.write(endpoint)))
            .collect();
        // An instant of real time is what this is about.
        #[allow(clippy::disallowed_methods)]
        std::thread::sleep(instant);
        service.kill();
        threads.into_iter().try_for_each(|thread| {
            let written = thread.join();
            written.unwrap_or_else(|_| Err("a writer panicked".to_owned()))
        })
    })
}

/// Whether `agb serve fsck` finds nothing at all, and what it tells.
fn fsck(program: &Path, data: &Path) -> Result<(bool, String), String> {
    let output = Command::new(program)
        .args(["serve", "fsck", "--data-dir"])
        .arg(data)
        .output()
        .map_err(|error| format!("can't run fsck: {error}"))?;
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let clean = output.status.success() && told.trim_end().ends_with(": clean");
    Ok((clean, told))
}

/// A leftover is what the next start removes or puts in quarantine, where it stays for days; the last line is the sum.
fn is_no_damage(line: &str) -> bool {
    let harmless = ["leftover: ", "in quarantine since "];
    harmless.iter().any(|start| line.starts_with(start)) || line.ends_with(" findings")
}

/// Nothing besides the files is left, once the service has had the time to collect it.
fn settle(
    program: &Path,
    data: &Path,
    start: impl Fn() -> Result<Service, Failure>,
) -> Result<(), String> {
    let mut told = String::new();
    for _ in 0..SETTLE {
        let (clean, found) = fsck(program, data)?;
        if clean {
            return Ok(());
        }
        told = found;
        start().map_err(|error| error.to_string())?.stop();
    }
    Err(format!("the collection leaves something behind:\n{told}"))
}

fn lost(seed: u64, round: u32, problem: String) -> Failure {
    Failure::new(
        format!("round {round}: {problem}"),
        format!("run it again with the same changes: `cargo xtask crash --seed {seed}`"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_acknowledged_is_lost_in_twenty_kills() {
        let outcome = crash(&crate::workspace(), 20, fastrand::u64(..), "strict").unwrap();
        assert!(outcome.acknowledged > 100, "{outcome:?}");
        assert!(outcome.compared > 1_000_000, "{outcome:?}");
    }

    #[test]
    fn a_kill_takes_nothing_in_the_relaxed_mode_either() {
        let outcome = crash(&crate::workspace(), 6, fastrand::u64(..), "relaxed").unwrap();
        assert!(outcome.acknowledged > 30, "{outcome:?}");
    }

    #[test]
    fn damage_is_told_apart_from_leftovers() {
        assert!(is_no_damage("leftover: no file names the blob 00/ab"));
        assert!(is_no_damage(
            "in quarantine since 2025-05-29T12:20:00Z: 00/ab, 1 bytes"
        ));
        assert!(is_no_damage("1 contexts, 2 files, 3 bytes: 4 findings"));
        assert!(!is_no_damage(
            "damaged: context c: \"/a\": it has 1 bytes instead of 2"
        ));
    }
}
