//! `cargo xtask scale`: what a call costs in a service that holds much, against one that holds next to nothing.
//!
//! Two services of the same binary, `strict`, run beside each other on folders of their own, and take turns call by call.
//! Everything is thrown away afterwards. It is in the folder for temporary files, so TMPDIR says on which disk it is
//! measured.

#![allow(clippy::disallowed_methods)] // A measurement asks the machine for the time.

mod side;
mod table;

use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use self::side::{Job, Side, Size};
use self::table::Table;
use crate::failure::Failure;
use crate::interop::service;

/// How often each call is made in a round, on either side.
const CALLS: usize = 300;
/// What the service that holds next to nothing has: enough for two pages of each.
const SMALL: Size = Size {
    contexts: 200,
    files: 200,
    cleared: 10,
};

pub(crate) fn run(
    root: &Path,
    contexts: usize,
    files: usize,
    rounds: usize,
) -> Result<(), Failure> {
    let scratch = TempDir::with_prefix("agb-scale-").map_err(|error| {
        Failure::new(
            format!("can't make a temporary folder: {error}"),
            "set TMPDIR to a folder that can be written to",
        )
    })?;
    println!("scale: building agb serve");
    let program = service::build(root, &["--release"])?;
    let large = Size {
        contexts,
        files,
        cleared: files.div_ceil(10),
    };
    let filled = |name, size: Size| {
        let start = Instant::now();
        let mut side = Side::start(&program, &scratch.path().join(name), size)?;
        side.fill(rounds).map_err(broken)?;
        println!(
            "scale: {} contexts, {} files in one and {} in {rounds} others each: {:.0} s",
            size.contexts,
            size.files,
            size.cleared,
            start.elapsed().as_secs_f64()
        );
        Ok::<_, Failure>(side)
    };
    let mut small = filled("small", SMALL)?;
    let mut large = filled("large", large)?;
    let mut table = Table::default();
    for round in 0..rounds {
        measure(&mut small, &mut large, round, &mut table)?;
    }
    print!("{table}");
    Ok(())
}

/// One round: every job in turn on either side.
fn measure(
    small: &mut Side,
    large: &mut Side,
    round: usize,
    table: &mut Table,
) -> Result<(), Failure> {
    for side in [&mut *small, &mut *large] {
        side.reconnect().map_err(broken)?;
    }
    for job in Job::ALL {
        let mut times = [Vec::new(), Vec::new()];
        for call in 0..CALLS {
            for (side, times) in [&mut *small, &mut *large].into_iter().zip(&mut times) {
                times.push(side.time(job, round * CALLS + call).map_err(broken)?);
            }
        }
        table.add(job.name(), times.map(median));
    }
    // Clears come last, since what they leave to be collected would be in the way of others.
    let cleared = [
        small.clear(round).map_err(broken)?,
        large.clear(round).map_err(broken)?,
    ];
    table.add(
        "ClearContext, until its answer",
        cleared.map(|times| times.0),
    );
    table.add(
        "the same, until it is available",
        cleared.map(|times| times.1),
    );
    table.note("resident after a round, KiB", large.resident());
    let restarted = [small.restart()?, large.restart()?];
    table.add("kill -9, and up again", restarted);
    table.note("resident after a restart, KiB", large.resident());
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn broken(error: std::io::Error) -> Failure {
    Failure::new(
        format!("the service did not do what it was asked to: {error}"),
        "see what it said above; the disk may be full",
    )
}
