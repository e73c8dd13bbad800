//! Runs the example `clients`, which compares clients in one process.

use std::io::{BufRead, BufReader};
use std::process::Command;

use serde::Deserialize;

use super::Run;
use super::results::{Measured, Quantity};
use crate::distributed::engines::Process;
use crate::distributed::interrupt;
use crate::failure::Failure;

/// The client that the others are compared with.
const BASE: &str = "plain loop";

/// A line of its output.
#[derive(Debug, Deserialize)]
struct Sample {
    job: String,
    client: String,
    value: f64,
}

pub(super) fn get(run: &Run<'_>) -> Result<Measured, Failure> {
    measure(run, 500)
}

pub(super) fn pages(run: &Run<'_>) -> Result<Measured, Failure> {
    measure(run, 300)
}

pub(super) fn streams(run: &Run<'_>) -> Result<Measured, Failure> {
    // One stream takes longer.
    measure(run, 1)
}

fn measure(run: &Run<'_>, milliseconds: u32) -> Result<Measured, Failure> {
    let milliseconds = match run.is_quick {
        true => 20,
        false => milliseconds,
    };
    let name = run.comparison.name();
    eprintln!("{name}: {} rounds", run.rounds);
    let output = run.folder.join("samples");
    let file = std::fs::File::create(&output).map_err(|error| failure(&error.to_string()))?;
    let mut command = Command::new(&run.programs.clients);
    command
        .args([name, &run.rounds.to_string(), &milliseconds.to_string()])
        .stdout(file);
    let status = Process::run("the example clients", command)?;
    interrupt::check()?;
    if !status.success() {
        return Err(failure(&format!("ended with {status}")));
    }
    let file = std::fs::File::open(&output).map_err(|error| failure(&error.to_string()))?;
    let mut measured = Measured::default();
    for line in BufReader::new(file).lines() {
        let line = line.map_err(|error| failure(&error.to_string()))?;
        let sample: Sample = serde_json::from_str(&line)
            .map_err(|error| failure(&format!("printed {line}: {error}")))?;
        measured.add(&sample.job, Quantity::Seconds, &sample.client, sample.value);
        measured.compare_with(&sample.job, BASE);
    }
    Ok(measured)
}

fn failure(problem: &str) -> Failure {
    Failure::new(
        format!("the example clients {problem}"),
        "see its output above",
    )
}
