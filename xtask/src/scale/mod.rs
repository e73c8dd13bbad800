//! `cargo xtask scale`: compares the latency of calls to a full service with those to a nearly empty one.
//!
//! Both run the same binary with `strict` durability on folders of the same disk, and the calls alternate. The folders are
//! temporary, so TMPDIR selects the disk that is measured.

#![expect(clippy::disallowed_methods, reason = "measures real time")]

mod instance;
mod table;

use std::path::Path;
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
pub(crate) use self::instance::KEY;
pub(crate) use self::instance::{Instance, Operation, Size, failure};
use self::table::Table;
use crate::agb_serve;
use crate::failure::Failure;
use crate::temporary;

/// Number of calls of each operation in a round, to each service.
const CALLS: usize = 300;
/// Size of the nearly empty service: two pages of contexts and of files.
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
    let folder = temporary::folder("scale")?;
    println!("scale: building agb");
    let program = agb_serve::build_release(root)?;
    let large = Size {
        contexts,
        files,
        cleared: files.div_ceil(10),
    };
    let fill = |name, size: Size| {
        let start = Instant::now();
        let mut instance = Instance::start(&program, &folder.path().join(name), size)?;
        instance.fill(rounds).map_err(failure)?;
        println!(
            "scale: created {} contexts, {} files in one and {} in each of {rounds} others in {:.0} s",
            size.contexts,
            size.files,
            size.cleared,
            start.elapsed().as_secs_f64()
        );
        Ok::<_, Failure>(instance)
    };
    let mut small = fill("small", SMALL)?;
    let mut large = fill("large", large)?;
    let mut table = Table::default();
    for round in 0..rounds {
        measure(&mut small, &mut large, round, &mut table)?;
    }
    print!("{table}");
    Ok(())
}

/// One round: all operations on both services.
fn measure(
    small: &mut Instance,
    large: &mut Instance,
    round: usize,
    table: &mut Table,
) -> Result<(), Failure> {
    for instance in [&mut *small, &mut *large] {
        instance.reconnect().map_err(failure)?;
    }
    for operation in Operation::ALL {
        let mut times = [Vec::new(), Vec::new()];
        for call in 0..CALLS {
            for (instance, times) in [&mut *small, &mut *large].into_iter().zip(&mut times) {
                let time = instance.measure(operation, round * CALLS + call);
                times.push(time.map_err(failure)?);
            }
        }
        table.add(operation.name(), times.map(median));
    }
    // Clears come last: collecting the garbage that they leave would slow down the other calls.
    let cleared = [
        small.clear(round).map_err(failure)?,
        large.clear(round).map_err(failure)?,
    ];
    table.add(
        "ClearContext, until its response",
        cleared.map(|times| times.0),
    );
    table.add(
        "ClearContext, until the context is available",
        cleared.map(|times| times.1),
    );
    table.note(
        "resident memory after a round, KiB",
        large.resident_memory(),
    );
    let restarted = [small.restart()?, large.restart()?];
    table.add("restart after kill -9", restarted);
    table.note(
        "resident memory after a restart, KiB",
        large.resident_memory(),
    );
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
