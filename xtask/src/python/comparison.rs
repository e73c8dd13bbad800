//! `cargo xtask transfers` and `cargo xtask startup`: compare whole commands against the same `agb serve`.
//!
//! The data is in a temporary folder, so TMPDIR selects the disk that is measured.

use std::path::Path;
use std::process::{Command, Stdio};

use super::virtual_environment::{self, OFFICIAL_SDK, VirtualEnvironment};
use crate::agb_serve::{self, Service};
use crate::cargo;
use crate::failure::Failure;
use crate::temporary;

const KEY: &str = "comparison-key";

/// A Python script that runs and measures commands.
pub(crate) struct Comparison {
    script: &'static str,
    /// Environment variable that passes the path of the measured program to the script.
    variable: &'static str,
    /// Name of that program.
    program: &'static str,
    /// Arguments of cargo that build it.
    target: &'static [&'static str],
}

pub(crate) const TRANSFERS: Comparison = Comparison {
    script: "benches/transfers.py",
    variable: "TRANSFER",
    program: "transfer",
    target: &["--package", "agbcloud-benches", "--example", "transfer"],
};

pub(crate) const STARTUP: Comparison = Comparison {
    script: "benches/startup.py",
    variable: "AGB",
    program: "agb",
    target: &["--package", "agb-cli", "--bin", "agb"],
};

impl Comparison {
    pub(crate) fn run(&self, root: &Path, arguments: &[String]) -> Result<(), Failure> {
        let folder = temporary::folder("comparison")?;
        println!("building {} and agb", self.program);
        let program = cargo::build_release(root, self.program, self.target)
            .map_err(|problem| Failure::new(problem, "correct the error"))?;
        let agb = agb_serve::build_release(root)?;
        let (service, mut command) = self.prepare(root, folder.path(), &program, &agb)?;
        let passed = virtual_environment::succeeds(command.args(arguments))?;
        service.stop();
        match passed {
            true => Ok(()),
            false => Err(Failure::new(
                format!("{} failed", self.script),
                "see its output above",
            )),
        }
    }

    /// Installs the requirements, starts the service, and returns the command of the script.
    pub(crate) fn prepare(
        &self,
        root: &Path,
        folder: &Path,
        program: &Path,
        agb: &Path,
    ) -> Result<(Service, Command), Failure> {
        let environment =
            VirtualEnvironment::create(&folder.join("python"), &root.join(OFFICIAL_SDK))?;
        let service = Service::start(
            agb,
            &folder.join("data"),
            &["--api-key", KEY],
            Stdio::inherit(),
        )?;
        let mut command = environment.command(&root.join(self.script));
        command
            // The SDK reads `.env` of its working directory and may write a log file there.
            .current_dir(folder)
            .env("AGB_ENDPOINT", service.endpoint())
            .env("AGB_API_KEY", KEY)
            .env("AGB_SERVE_PID", service.process_id().to_string())
            .env(self.variable, program);
        Ok((service, command))
    }
}
