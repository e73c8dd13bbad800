//! `cargo xtask interop`: the official Python SDK, which nobody here wrote, drives `agb serve`.
//!
//! Everything is thrown away afterwards: the Python environment, the data folder, the service.

pub(crate) mod python;
pub(crate) mod service;

use std::path::Path;

use tempfile::TempDir;

use self::python::Environment;
use self::service::Service;
use crate::failure::Failure;

const SCRIPT: &str = "tests/python/official_sdk.py";
pub(crate) const REQUIREMENTS: &str = "tests/python/requirements.txt";

/// Two tenants.
const KEYS: [&str; 2] = ["interop-key-one", "interop-key-two"];

pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let scratch = TempDir::with_prefix("agb-interop-").map_err(|error| {
        Failure::new(
            format!("can't make a temporary folder: {error}"),
            "set TMPDIR to a folder that can be written to",
        )
    })?;
    println!("interop: installing {REQUIREMENTS} into a throw-away environment");
    let environment =
        Environment::install(&scratch.path().join("python"), &root.join(REQUIREMENTS))?;
    println!("interop: building and starting agb serve");
    let service = Service::start(root, &[], &scratch.path().join("data"), &KEYS)?;
    println!("interop: running {SCRIPT} against {}", service.endpoint());
    let passed = environment.run(&root.join(SCRIPT), |command| {
        command
            // The SDK reads a `.env` from where it runs, and may write a log there.
            .current_dir(scratch.path())
            .env("AGB_ENDPOINT", service.endpoint())
            .env("AGB_API_KEY", KEYS[0])
            .env("AGB_OTHER_API_KEY", KEYS[1]);
    })?;
    service.stop();
    if passed {
        return Ok(());
    }
    Err(Failure::new(
        "the official Python SDK and `agb serve` do not get along",
        format!("see the failed tests above; they are in {SCRIPT}"),
    ))
}
