//! A model of users, machines and one context: whatever happens in whatever order, no version that a user wrote is lost, and
//! no file is called the same that is not.
//!
//! A failure prints seeds, and for each kind of fault the shortest script that still fails. Environment variables:
//!
//! * `AGB_MODEL_RUNS`: the number of runs.
//! * `AGB_MODEL_SEED`: the seed of the first run. With `AGB_MODEL_RUNS=1` it repeats a run.
//! * `AGB_MODEL_SHOWN`: the number of scripts to print for each kind of fault. Defaults to 1.
//! * `AGB_MODEL_ONLY`: the kinds of faults that count, separated by commas, such as `Lost,NotSettled`.

#![allow(clippy::disallowed_methods)] // Files get real times, and the machine's clock is one of those that are compared.

mod actions;
mod broken;
mod careful;
mod oracle;
mod proxy;
mod run;
mod sdk;
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
use broken::Engine;
use oracle::Kind;
use run::{Counts, Outcome};
use world::World;

const RUNS: u64 = 2000;

/// Runs that take seconds, most of which they sleep.
const SLOW_RUNS: u64 = 48;

/// Threads for these.
const SLEEPING: usize = 16;

/// Attempts to make a failing script shorter.
const SHORTER: usize = 120;

/// Everything that must have happened in the default number of runs for them to mean anything.
const HAPPENS: [&str; 32] = [
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
    "edited meanwhile",
    "two at once",
    "settled",
];

struct Failure {
    seed: u64,
    kind: Kind,
    story: String,
}

/// What many runs led to.
#[derive(Default)]
struct Total {
    counts: Counts,
    failures: Vec<Failure>,
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Runs scripts in several threads for each processor, since a run often waits. Each thread has a service of its own.
fn run_all(engine: Engine, first: u64, runs: u64) -> Total {
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    run_on(4 * processors, Script::of, (engine, first, runs))
}

fn run_on(
    threads: usize,
    script_of: fn(u64) -> Script,
    (engine, first, runs): (Engine, u64, u64),
) -> Total {
    let (next, total) = (AtomicU64::new(first), Mutex::new(Total::default()));
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (next, total) = (&next, &total);
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
                        let outcome = run::run(&world, engine, &script, &name).await;
                        record(total, (engine, seed, &world), &script, outcome).await;
                    }
                });
            });
        }
    });
    total.into_inner().unwrap()
}

async fn record(
    total: &Mutex<Total>,
    (engine, seed, world): (Engine, u64, &World),
    script: &Script,
    outcome: Outcome,
) {
    let fault = {
        let mut total = total.lock().unwrap();
        for (what, times) in outcome.counts {
            *total.counts.entry(what).or_default() += times;
        }
        outcome.fault
    };
    let Some(fault) = fault else {
        return;
    };
    let kind = fault.kind;
    let told = {
        let total = total.lock().unwrap();
        let same = total
            .failures
            .iter()
            .filter(|failure| failure.kind == kind && !failure.story.is_empty());
        same.count()
    };
    let shown: usize =
        setting("AGB_MODEL_SHOWN").map_or(1, |shown| usize::try_from(shown).unwrap());
    let is_slow = script
        .actions
        .iter()
        .any(|action| matches!(action, Action::Wait));
    let story = match told < shown && matches!(engine, Engine::Sdk | Engine::Careful) {
        true if is_slow => format!("{}\n  {kind:?}: {}", outcome.trace.join("\n"), fault.text),
        true => shorten((world, engine), script, kind, seed)
            .await
            .unwrap_or_else(|| format!("{}\n  {kind:?}: {}", outcome.trace.join("\n"), fault.text)),
        false => String::new(),
    };
    total
        .lock()
        .unwrap()
        .failures
        .push(Failure { seed, kind, story });
}

/// Drops steps as long as the same kind of fault remains, and returns the trace of the shortest script.
async fn shorten(
    (world, engine): (&World, Engine),
    script: &Script,
    kind: Kind,
    seed: u64,
) -> Option<String> {
    let mut shortest = script.clone();
    let (mut story, mut attempts) = (None, 0);
    loop {
        let length = shortest.actions.len();
        let mut place = length;
        while place > 0 && attempts < SHORTER {
            place -= 1;
            attempts += 1;
            let mut shorter = shortest.clone();
            shorter.actions.remove(place);
            let name = format!("shorter-{seed}-{kind:?}-{attempts}");
            let outcome = run::run(world, engine, &shorter, &name).await;
            if let Some(fault) = outcome.fault.filter(|fault| fault.kind == kind) {
                story = Some(format!(
                    "{}\n  {kind:?}: {}",
                    outcome.trace.join("\n"),
                    fault.text
                ));
                shortest = shorter;
            }
        }
        if shortest.actions.len() == length || attempts >= SHORTER {
            return story;
        }
    }
}

fn summary(failures: &[Failure]) -> String {
    let mut kinds: BTreeMap<Kind, Vec<&Failure>> = BTreeMap::new();
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
        for failure in failures.iter().filter(|failure| !failure.story.is_empty()) {
            text += &format!("seed {}:\n{}\n", failure.seed, failure.story);
        }
    }
    text
}

#[test]
fn no_version_is_lost_and_no_difference_is_hidden() {
    let first = setting("AGB_MODEL_SEED").unwrap_or(0);
    let runs = setting("AGB_MODEL_RUNS").unwrap_or(RUNS);
    let total = run_all(Engine::Sdk, first, runs);
    println!("{:?}", total.counts);
    let failed = total.failures.len();
    assert!(
        failed == 0,
        "{failed} of {runs} runs failed{}",
        summary(&total.failures)
    );
    if runs >= RUNS {
        let missing: Vec<_> = HAPPENS
            .iter()
            .filter(|what| !total.counts.contains_key(*what))
            .collect();
        assert!(missing.is_empty(), "never happened: {missing:?}");
    }
}

/// As above, with real time between the steps, so that what the states hold is not always recent.
#[test]
fn no_version_is_lost_with_pauses_between_steps() {
    let first = setting("AGB_MODEL_SEED").unwrap_or(0);
    let runs = setting("AGB_MODEL_RUNS").map_or(SLOW_RUNS, |runs| runs.min(SLOW_RUNS));
    let total = run_on(SLEEPING, Script::with_pauses, (Engine::Sdk, first, runs));
    let failed = total.failures.len();
    assert!(
        failed == 0,
        "{failed} of {runs} runs failed{}",
        summary(&total.failures)
    );
    assert!(runs < SLOW_RUNS || total.counts["settled"] > 0);
}

/// The oracle finds synchronisations that are wrong.
#[test]
fn the_oracle_detects_faulty_engines() {
    for (engine, expected) in [
        (Engine::Overwriting, &[Kind::Lost, Kind::ReplacedUnseen][..]),
        (Engine::SizeOnly, &[Kind::Hidden]),
        (
            Engine::Mirroring,
            &[Kind::DeletedUnasked, Kind::DeletedUnseen],
        ),
        (Engine::Idle, &[Kind::Hidden]),
    ] {
        let total = run_all(engine, 0, 240);
        for kind in expected {
            let found = total.failures.iter().any(|failure| failure.kind == *kind);
            assert!(
                found,
                "{engine:?} does not show as {kind:?}: {}",
                summary(&total.failures)
            );
        }
    }
}

/// The oracle finds no fault in one that is right.
#[test]
fn the_oracle_accepts_the_reference_engine() {
    let runs = setting("AGB_MODEL_RUNS").unwrap_or(100);
    let total = run_all(Engine::Careful, 0, runs);
    assert!(total.failures.is_empty(), "{}", summary(&total.failures));
    assert!(total.counts["kept both"] > 0 && total.counts["failed"] > 0);
}
