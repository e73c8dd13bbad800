//! A model of users, machines and one context. For any actions in any order, no version that a user wrote is lost, and no
//! different files are reported as equal.
//!
//! A failure prints the seeds, and for each kind of fault the shortest script that still fails. Environment variables:
//!
//! * `AGB_MODEL_RUNS`: the number of runs.
//! * `AGB_MODEL_SEED`: the seed of the first run. With `AGB_MODEL_RUNS=1` it repeats a run.
//! * `AGB_MODEL_SHOWN`: the number of scripts to print for each kind of fault. Defaults to 1.
//! * `AGB_MODEL_ONLY`: the kinds of faults to report, separated by commas, such as `Lost,NotSettled`. Defaults to all.

#![expect(
    clippy::disallowed_methods,
    reason = "files have real times, which are compared with the system clock"
)]

mod actions;
mod engine;
mod execution;
mod oracle;
mod proxy;
mod reference;

mod sdk;
mod two_way;
mod users;
mod versions;
mod world;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use actions::{Action, Script};
use engine::Engine;
use execution::{Counts, Outcome};
use oracle::FaultKind;
use world::World;

const RUNS: u64 = 600;

/// Number of runs with two-way syncs.
const TWO_WAY_RUNS: u64 = 160;

/// Number of runs with pauses. Each takes seconds and mostly sleeps.
const SLOW_RUNS: u64 = 48;

/// Threads for runs with pauses.
const SLOW_THREADS: usize = 16;

/// Maximum number of attempts to shorten a failing script.
const SHRINK_ATTEMPTS: usize = 120;

/// Events that must occur in the default number of runs. Otherwise the runs prove nothing.
const REQUIRED_EVENTS: [&str; 32] = [
    "written",
    "written with the same time",
    "deleted",
    "renamed",
    "swapped",
    "put by another program",
    "removed by another program",
    "time passed",
    "service clock stepped",
    "state lost",
    "state saved",
    "state restored",
    "new sandbox",
    "up",
    "down",
    "with a state",
    "without a state",
    "conflict fail",
    "conflict skip",
    "conflict overwrite",
    "conflict keep-both",
    "kept both",
    "transferred",
    "unchanged",
    "failed",
    "skipped",
    "deleted in the context",
    "deleted on a machine",
    "edited after the plan",
    "edited during a run",
    "two concurrent syncs",
    "settled",
];

/// The same for two-way syncs.
const REQUIRED_TWO_WAY_EVENTS: [&str; 18] = [
    "two-way",
    "transferred",
    "failed",
    "skipped",
    "restored",
    "deleted in the context",
    "deleted on a machine",
    "kept both",
    "conflict local",
    "conflict remote",
    "conflict newer",
    "conflict skip",
    "conflict keep-both",
    "conflict fail",
    "cut",
    "stopped",
    "edited during a run",
    "settled",
];

struct Failure {
    seed: u64,
    kind: FaultKind,
    trace: String,
}

/// The results of many runs.
#[derive(Default)]
struct Results {
    counts: Counts,
    failures: Vec<Failure>,
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Runs scripts in several threads per processor, because a run often waits. Each thread has a service of its own.
fn run_all(engine: Engine, first: u64, runs: u64) -> Results {
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    run_on(4 * processors, Script::of, (engine, first, runs))
}

fn run_on(
    threads: usize,
    script_of: fn(u64) -> Script,
    (engine, first, runs): (Engine, u64, u64),
) -> Results {
    let (next, results) = (AtomicU64::new(first), Mutex::new(Results::default()));
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (next, results) = (&next, &results);
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    let world = World::start().await;
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= first + runs {
                            return;
                        }
                        let script = script_of(seed);
                        let name = format!("{thread}-{seed}");
                        let outcome = execution::run(&world, engine, &script, &name).await;
                        record(results, (engine, seed, &world), &script, outcome).await;
                    }
                });
            });
        }
    });
    results.into_inner().unwrap()
}

async fn record(
    results: &Mutex<Results>,
    (engine, seed, world): (Engine, u64, &World),
    script: &Script,
    outcome: Outcome,
) {
    let fault = {
        let mut results = results.lock().unwrap();
        for (what, times) in outcome.counts {
            *results.counts.entry(what).or_default() += times;
        }
        outcome.fault
    };
    let Some(fault) = fault else {
        return;
    };
    let kind = fault.kind;
    let printed = {
        let results = results.lock().unwrap();
        let same = results
            .failures
            .iter()
            .filter(|failure| failure.kind == kind && !failure.trace.is_empty());
        same.count()
    };
    let shown: usize =
        setting("AGB_MODEL_SHOWN").map_or(1, |shown| usize::try_from(shown).unwrap());
    let is_slow = script
        .actions
        .iter()
        .any(|action| matches!(action, Action::Wait));
    let trace = match printed < shown && matches!(engine, Engine::Sdk | Engine::Reference) {
        true if is_slow => format!("{}\n  {kind:?}: {}", outcome.trace.join("\n"), fault.text),
        true => shrink((world, engine), script, kind, seed)
            .await
            .unwrap_or_else(|| format!("{}\n  {kind:?}: {}", outcome.trace.join("\n"), fault.text)),
        false => String::new(),
    };
    results
        .lock()
        .unwrap()
        .failures
        .push(Failure { seed, kind, trace });
}

/// Removes steps as long as the script fails with the same kind of fault, and returns the trace of the shortest script.
async fn shrink(
    (world, engine): (&World, Engine),
    script: &Script,
    kind: FaultKind,
    seed: u64,
) -> Option<String> {
    let mut shortest = script.clone();
    let (mut trace, mut attempts) = (None, 0);
    loop {
        let length = shortest.actions.len();
        let mut place = length;
        while place > 0 && attempts < SHRINK_ATTEMPTS {
            place -= 1;
            attempts += 1;
            let mut shorter = shortest.clone();
            shorter.actions.remove(place);
            let name = format!("shorter-{seed}-{kind:?}-{attempts}");
            let outcome = execution::run(world, engine, &shorter, &name).await;
            if let Some(fault) = outcome.fault.filter(|fault| fault.kind == kind) {
                trace = Some(format!(
                    "{}\n  {kind:?}: {}",
                    outcome.trace.join("\n"),
                    fault.text
                ));
                shortest = shorter;
            }
        }
        if shortest.actions.len() == length || attempts >= SHRINK_ATTEMPTS {
            return trace;
        }
    }
}

fn summary(failures: &[Failure]) -> String {
    let mut kinds: BTreeMap<FaultKind, Vec<&Failure>> = BTreeMap::new();
    for failure in failures {
        kinds.entry(failure.kind).or_default().push(failure);
    }
    let mut text = String::new();
    for (kind, failures) in kinds {
        let seeds: Vec<_> = failures.iter().map(|failure| failure.seed).collect();
        text += &format!(
            "\n{kind:?}: {} runs, seeds {:?}\n",
            seeds.len(),
            &seeds[..seeds.len().min(20)]
        );
        for failure in failures.iter().filter(|failure| !failure.trace.is_empty()) {
            text += &format!("seed {}:\n{}\n", failure.seed, failure.trace);
        }
    }
    text
}

#[test]
fn no_version_is_lost_and_no_difference_is_hidden() {
    let first = setting("AGB_MODEL_SEED").unwrap_or(0);
    let runs = setting("AGB_MODEL_RUNS").unwrap_or(RUNS);
    let results = run_all(Engine::Sdk, first, runs);
    println!("{:?}", results.counts);
    let failed = results.failures.len();
    assert!(
        failed == 0,
        "{failed} of {runs} runs failed{}",
        summary(&results.failures)
    );
    if runs >= RUNS {
        let missing: Vec<_> = REQUIRED_EVENTS
            .iter()
            .filter(|what| !results.counts.contains_key(*what))
            .collect();
        assert!(missing.is_empty(), "never happened: {missing:?}");
    }
}

/// As above, with two-way syncs.
#[test]
fn a_two_way_sync_loses_no_version_and_converges() {
    let first = setting("AGB_MODEL_SEED").unwrap_or(0);
    let runs = setting("AGB_MODEL_RUNS").unwrap_or(TWO_WAY_RUNS);
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    let results = run_on(4 * processors, Script::two_way, (Engine::Sdk, first, runs));
    println!("{:?}", results.counts);
    let failed = results.failures.len();
    assert!(
        failed == 0,
        "{failed} of {runs} runs failed{}",
        summary(&results.failures)
    );
    if runs >= TWO_WAY_RUNS {
        let missing: Vec<_> = REQUIRED_TWO_WAY_EVENTS
            .iter()
            .filter(|what| results.counts.get(*what).is_none_or(|times| *times == 0))
            .collect();
        assert!(missing.is_empty(), "never happened: {missing:?}");
    }
}

/// As above, with pauses between the steps, so that entries of the states are not always recent.
#[test]
fn no_version_is_lost_with_pauses_between_steps() {
    let first = setting("AGB_MODEL_SEED").unwrap_or(0);
    let runs = setting("AGB_MODEL_RUNS").map_or(SLOW_RUNS, |runs| runs.min(SLOW_RUNS));
    let results = run_on(
        SLOW_THREADS,
        Script::with_pauses,
        (Engine::Sdk, first, runs),
    );
    let failed = results.failures.len();
    assert!(
        failed == 0,
        "{failed} of {runs} runs failed{}",
        summary(&results.failures)
    );
    assert!(runs < SLOW_RUNS || results.counts["settled"] > 0);
}

#[test]
fn the_oracle_detects_faulty_engines() {
    for (engine, expected) in [
        (
            Engine::Overwriting,
            &[FaultKind::Lost, FaultKind::ReplacedUnseen][..],
        ),
        (Engine::SizeOnly, &[FaultKind::Hidden]),
        (
            Engine::Mirroring,
            &[FaultKind::DeletedWithoutOption, FaultKind::DeletedUnseen],
        ),
        (Engine::Idle, &[FaultKind::Hidden]),
    ] {
        let results = run_all(engine, 0, 240);
        for kind in expected {
            let found = results.failures.iter().any(|failure| failure.kind == *kind);
            assert!(
                found,
                "{engine:?} is not detected as {kind:?}: {}",
                summary(&results.failures)
            );
        }
    }
}

#[test]
fn the_oracle_detects_faulty_two_way_syncs() {
    for (engine, expected) in [
        (
            Engine::WrongWinner,
            [FaultKind::Lost, FaultKind::WrongResult],
        ),
        (
            Engine::Forgetful,
            [FaultKind::WrongResult, FaultKind::WrongResult],
        ),
    ] {
        let results = run_on(8, Script::two_way, (engine, 0, 24));
        for kind in expected {
            let found = results.failures.iter().any(|failure| failure.kind == kind);
            assert!(
                found,
                "{engine:?} is not detected as {kind:?}: {}",
                summary(&results.failures)
            );
        }
    }
}

#[test]
fn the_oracle_accepts_the_reference_engine() {
    let runs = setting("AGB_MODEL_RUNS").unwrap_or(100);
    let results = run_all(Engine::Reference, 0, runs);
    assert!(
        results.failures.is_empty(),
        "{}",
        summary(&results.failures)
    );
    assert!(results.counts["kept both"] > 0 && results.counts["failed"] > 0);
}
