//! `cargo xtask transfers`: whole commands that move files, side by side against one `agb serve`.
//!
//! Everything is thrown away afterwards. It is in the folder for temporary files, so TMPDIR says on which disk it is
//! measured.

use std::path::Path;

use tempfile::TempDir;

use crate::cargo;
use crate::failure::Failure;
use crate::interop::{REQUIREMENTS, python::Environment, service::Service};

const SCRIPT: &str = "benches/transfers.py";
const KEY: &str = "transfers-key";

pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), Failure> {
    let scratch = TempDir::with_prefix("agb-transfers-").map_err(|error| {
        Failure::new(
            format!("can't make a temporary folder: {error}"),
            "set TMPDIR to a folder that can be written to",
        )
    })?;
    println!("transfers: installing {REQUIREMENTS} into a throw-away environment");
    let environment =
        Environment::install(&scratch.path().join("python"), &root.join(REQUIREMENTS))?;
    println!("transfers: building and starting agb serve");
    let what = [
        "--release",
        "--package",
        "agbcloud-benches",
        "--example",
        "transfer",
    ];
    let transfer = cargo::built(root, "transfer", &what)
        .map_err(|problem| Failure::new(problem, "see why it does not compile"))?;
    let service = Service::start(root, &["--release"], &scratch.path().join("data"), &[KEY])?;
    let passed = environment.run(&root.join(SCRIPT), |command| {
        command
            .args(arguments)
            // The SDK reads a `.env` from where it runs, and may write a log there.
            .current_dir(scratch.path())
            .env("AGB_ENDPOINT", service.endpoint())
            .env("AGB_API_KEY", KEY)
            .env("TRANSFER", &transfer);
    })?;
    service.stop();
    if passed {
        return Ok(());
    }
    Err(Failure::new(
        format!("{SCRIPT} did not get to its end"),
        "its last lines above say why",
    ))
}
