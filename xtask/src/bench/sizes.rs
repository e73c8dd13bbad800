//! Costs of calls by the number of files.

use super::Run;
use super::results::{Measured, Quantity};
use super::units::thousands;
use crate::failure::Failure;
use crate::scale::{Instance, Operation, Size, failure};
use crate::statistics::Spread;

const OPERATIONS: [Operation; 5] = [
    Operation::FirstFiles,
    Operation::DeepFiles,
    Operation::Download,
    Operation::Put,
    Operation::Delete,
];
const SIZES: [usize; 4] = [1, 100, 10_000, 1_000_000];
const QUICK_SIZES: [usize; 3] = [1, 100, 1000];
/// Calls of each operation in a round, to each service.
const CALLS: usize = 300;
const QUICK_CALLS: usize = 20;

pub(super) fn measure(run: &Run<'_>) -> Result<Measured, Failure> {
    let (sizes, calls) = match run.is_quick {
        true => (&QUICK_SIZES[..], QUICK_CALLS),
        false => (&SIZES[..], CALLS),
    };
    let mut instances = Vec::new();
    for files in sizes {
        let name = thousands(*files as u64);
        eprintln!("{}: creating {name} files", run.comparison.name());
        let size = Size {
            contexts: 200,
            files: *files,
            cleared: 0,
        };
        let folder = run.folder.join(files.to_string());
        let mut instance = Instance::start(&run.programs.agb, &folder, size)?;
        instance.fill(0).map_err(failure)?;
        instances.push((name, instance));
    }
    let mut measured = Measured::default();
    for round in 0..=run.rounds {
        run.begin_round(round)?;
        for (_, instance) in &mut instances {
            instance.reconnect().map_err(failure)?;
        }
        for operation in OPERATIONS {
            let mut times = vec![Vec::new(); instances.len()];
            for call in 0..calls {
                for ((_, instance), times) in instances.iter_mut().zip(&mut times) {
                    let time = instance.measure(operation, round as usize * calls + call);
                    times.push(time.map_err(failure)?.as_secs_f64());
                }
            }
            if round == 0 {
                continue;
            }
            for ((size, _), times) in instances.iter().zip(times) {
                if let Some(Spread { median, .. }) = Spread::of(times) {
                    measured.add(operation.name(), Quantity::Seconds, size, median);
                }
            }
        }
    }
    Ok(measured)
}
