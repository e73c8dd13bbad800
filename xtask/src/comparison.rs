//! `cargo xtask transfers` and `cargo xtask startup`: whole commands, side by side against one `agb serve`.
//!
//! Everything is thrown away afterwards. It is in the folder for temporary files, so TMPDIR says on which disk it is
//! measured.

use std::path::Path;

use tempfile::TempDir;

use crate::cargo;
use crate::failure::Failure;
use crate::interop::{REQUIREMENTS, python::Environment, service::Service};

const KEY: &str = "comparison-key";

/// A script of Python that runs programs and compares them.
pub(crate) struct Comparison {
    script: &'static str,
    /// The program that it needs: its variable in the environment, its name, and how it is built.
    program: (&'static str, &'static str, &'static [&'static str]),
}

/// Files that are moved.
pub(crate) const TRANSFERS: Comparison = Comparison {
    script: "benches/transfers.py",
    program: (
        "TRANSFER",
        "transfer",
        &[
            "--release",
            "--package",
            "agbcloud-benches",
            "--example",
            "transfer",
        ],
    ),
};

/// From nothing to a listing.
pub(crate) const STARTUP: Comparison = Comparison {
    script: "benches/startup.py",
    program: (
        "AGB",
        "agb",
        &["--release", "--package", "agb-cli", "--bin", "agb"],
    ),
};

impl Comparison {
    pub(crate) fn run(&self, root: &Path, arguments: &[String]) -> Result<(), Failure> {
        let script = self.script;
        let scratch = TempDir::with_prefix("agb-comparison-").map_err(|error| {
            Failure::new(
                format!("can't make a temporary folder: {error}"),
                "set TMPDIR to a folder that can be written to",
            )
        })?;
        println!("{script}: installing {REQUIREMENTS} into a throw-away environment");
        let environment =
            Environment::install(&scratch.path().join("python"), &root.join(REQUIREMENTS))?;
        println!("{script}: building and starting agb serve");
        let (variable, name, what) = self.program;
        let program = cargo::built(root, name, what)
            .map_err(|problem| Failure::new(problem, "see why it does not compile"))?;
        let service = Service::start(root, &["--release"], &scratch.path().join("data"), &[KEY])?;
        let passed = environment.run(&root.join(script), |command| {
            command
                .args(arguments)
                // The SDK reads a `.env` from where it runs, and may write a log there.
                .current_dir(scratch.path())
                .env("AGB_ENDPOINT", service.endpoint())
                .env("AGB_API_KEY", KEY)
                .env(variable, &program);
        })?;
        service.stop();
        if passed {
            return Ok(());
        }
        Err(Failure::new(
            format!("{script} did not get to its end"),
            "its last lines above say why",
        ))
    }
}
