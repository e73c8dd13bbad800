//! Instructions of operations, counted by gungraun, which runs callgrind of valgrind.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;
use std::{env, iter};

use serde::Deserialize;

use super::Costs;
use super::programs::{self, Programs, failure};
use crate::cargo;
use crate::failure::Failure;
use crate::temporary;

/// The version of gungraun in the root Cargo.toml, which its runner must have.
const VERSION: &str = "0.20.0";
const RUNNER: &str = "gungraun-runner";
/// Where the runner is installed, below the root of the repository.
const INSTALLED: &str = "target/gungraun-runner";

/// The part of a summary that is used. The runner prints one for each benchmark.
#[derive(Deserialize)]
struct Summary {
    function_name: String,
    profiles: Vec<Profile>,
}

#[derive(Deserialize)]
struct Profile {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    total: Total,
}

#[derive(Deserialize)]
struct Total {
    metrics: Metrics,
}

#[derive(Deserialize)]
struct Metrics {
    #[serde(rename = "Ir")]
    instructions: Metric,
}

#[derive(Deserialize)]
struct Metric {
    values: Values,
}

#[derive(Deserialize)]
struct Values {
    new: u64,
}

pub(crate) fn measure(programs: &mut Programs<'_>) -> Result<Costs, Failure> {
    let path = path_with_runner(programs.root())?;
    let benchmarks = programs.get("instructions")?;
    // Without results of an earlier run.
    let home = temporary::folder("gungraun")?;
    let output = programs::output(
        Command::new(benchmarks)
            .args(["--bench", "--output-format=json", "--nocapture=stderr"])
            .current_dir(programs.root())
            // The benchmark reads GUNGRAUN_RUNNER only when it is compiled.
            .env("PATH", path)
            .env("GUNGRAUN_HOME", home.path())
            .env("GUNGRAUN_COLOR", "never"),
        "the benchmark",
    )?;
    parse(&String::from_utf8_lossy(&output))
}

fn parse(output: &str) -> Result<Costs, Failure> {
    let mut costs = Costs::new();
    for line in output.lines().filter(|line| line.starts_with('{')) {
        let summary: Summary = serde_json::from_str(line)
            .map_err(|error| failure(format!("can't parse a summary of {RUNNER}: {error}")))?;
        let [profile] = &summary.profiles[..] else {
            return Err(failure(format!(
                "{} has {} profiles instead of one",
                summary.function_name,
                summary.profiles.len()
            )));
        };
        let instructions = profile.data.total.metrics.instructions.values.new;
        costs.insert(summary.function_name, instructions);
    }
    Ok(costs)
}

/// Returns a PATH with the runner. Installs it if the one of this process does not have the required version.
pub(super) fn path_with_runner(root: &Path) -> Result<OsString, Failure> {
    if version("valgrind").is_none() {
        return Err(Failure::new(
            "valgrind is not installed",
            "install it, for example with `apt-get install valgrind`",
        ));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let is_required =
        |program: &Path| version(program).is_some_and(|printed| printed.trim().ends_with(VERSION));
    if is_required(Path::new(RUNNER)) {
        return Ok(path);
    }
    let folder = root.join(INSTALLED).join("bin");
    if !is_required(&folder.join(RUNNER)) {
        eprintln!("installing {RUNNER}");
        let arguments = ["--debug", "--version", VERSION];
        cargo::install(root, INSTALLED, RUNNER, &arguments).map_err(|problem| {
            Failure::new(problem, format!("install {RUNNER} {VERSION} by hand"))
        })?;
    }
    let folders = iter::once(folder).chain(env::split_paths(&path));
    env::join_paths(folders).map_err(|error| failure(format!("can't extend PATH: {error}")))
}

/// What a program prints for `--version`. `None` if it can't be run.
fn version(program: impl AsRef<OsStr>) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(printed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(name: &str, profiles: &str) -> String {
        format!(r#"{{"function_name": "{name}", "id": "stub", "profiles": [{profiles}]}}"#)
    }

    const PROFILE: &str = r#"{"tool": "Callgrind", "data": {"parts": [], "total": {"metrics":
        {"Ir": {"values": {"new": 46563}}, "Dr": {"values": {"new": 1}}}, "regressions": []}}}"#;

    #[test]
    fn instructions_are_read_from_the_summaries() {
        let profile = PROFILE.replace('\n', " ");
        let output = format!(
            "costs\n{}\n{}\n",
            summary("get", &profile),
            summary("plan", &profile)
        );
        let expected = [("get".to_owned(), 46563), ("plan".to_owned(), 46563)];
        assert_eq!(parse(&output).unwrap(), Costs::from(expected));
    }

    #[test]
    fn a_summary_without_instructions_is_an_error() {
        for profiles in ["", "{}", r#"{"data": {"total": {"metrics": {}}}}"#] {
            assert!(parse(&summary("get", profiles)).is_err(), "{profiles}");
        }
    }

    #[test]
    fn the_runner_has_the_version_of_the_library() {
        let manifest = include_str!("../../../Cargo.toml");
        assert!(manifest.contains(&format!("gungraun = \"={VERSION}\"")));
    }
}
