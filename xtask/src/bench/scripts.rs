//! Runs the Python scripts that compare whole commands.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::Run;
use super::environment::is_installed;
use super::results::{Measured, Quantity};
use crate::distributed::engines::Process;
use crate::distributed::interrupt;
use crate::failure::Failure;
use crate::python::comparison::{Comparison, STARTUP, TRANSFERS};

/// A line of the file that a script writes.
#[derive(Debug, Deserialize)]
struct Sample {
    job: String,
    client: String,
    seconds: f64,
    /// Peak memory.
    #[serde(default)]
    mebibytes: Option<f64>,
}

pub(super) fn transfers(run: &Run<'_>) -> Result<Measured, Failure> {
    let sizes: &[&str] = match run.is_quick {
        true => &["--size-mib", "32", "--files", "100"],
        false => &[],
    };
    let mut measured = measure(
        run,
        (&TRANSFERS, &run.programs.transfer),
        &["python3", "curl"],
        sizes,
    )?;
    let ours = "SDK";
    for (job, base, speed) in [
        ("upload one", "curl", 0.97),
        ("download one", "curl", 0.95),
        ("upload many", "plain", 1.2),
        ("download many", "plain", 1.1),
    ] {
        measured.compare_with(job, base);
        measured.goal(job, ours, base, speed);
    }
    for job in ["upload many", "download many"] {
        measured.goal(job, ours, "Python", 10.0);
    }
    Ok(measured)
}

pub(super) fn startup(run: &Run<'_>) -> Result<Measured, Failure> {
    let mut measured = measure(run, (&STARTUP, &run.programs.agb), &["python3"], &[])?;
    let (ours, base) = ("agb context list", "official Python SDK");
    for job in ["wall-clock time", "processor time"] {
        measured.compare_with(job, base);
    }
    measured.goal("wall-clock time", ours, base, 50.0);
    Ok(measured)
}

/// Runs a script that measures `built`.
fn measure(
    run: &Run<'_>,
    (comparison, built): (&Comparison, &Path),
    programs: &[&str],
    arguments: &[&str],
) -> Result<Measured, Failure> {
    let mut measured = Measured::default();
    let missing = programs.iter().find(|program| !is_installed(program));
    if let Some(program) = missing {
        measured.skip(format!("all: {program} is not installed"));
        return Ok(measured);
    }
    let samples = run.folder.join("samples");
    let prepared = comparison.prepare(run.root, run.folder, built, &run.programs.agb);
    let (service, mut command) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => {
            // Without PyPI, for example.
            interrupt::check()?;
            measured.skip(format!("all: {}", failure.problem()));
            return Ok(measured);
        }
    };
    command
        .args(["--rounds", &run.rounds.to_string(), "--samples"])
        .arg(&samples)
        .args(arguments)
        // Its tables would be between the paths of the results.
        .stdout(std::io::stderr());
    eprintln!("{}: {} rounds", run.comparison.name(), run.rounds);
    let status = Process::run("the script", command)?;
    service.stop();
    if !status.success() {
        return Err(Failure::new(
            format!(
                "the script of {} ended with {status}",
                run.comparison.name()
            ),
            "see its output above",
        ));
    }
    let lines = fs::read_to_string(&samples).map_err(|error| unexpected(&error.to_string()))?;
    let mut memory = Measured::default();
    for line in lines.lines() {
        let sample: Sample =
            serde_json::from_str(line).map_err(|error| unexpected(&format!("{error}: {line}")))?;
        let Sample { job, client, .. } = &sample;
        measured.add(job, Quantity::Seconds, client, sample.seconds);
        if let Some(mebibytes) = sample.mebibytes {
            let job = format!("{job}: peak memory");
            memory.add(&job, Quantity::Mebibytes, client, mebibytes);
        }
    }
    measured.jobs.append(&mut memory.jobs);
    Ok(measured)
}

fn unexpected(problem: &str) -> Failure {
    Failure::new(
        format!("unexpected samples of the script: {problem}"),
        "see its output above",
    )
}
