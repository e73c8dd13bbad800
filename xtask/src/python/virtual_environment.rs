//! Virtual environments of Python.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::failure::Failure;

const PYTHON: &str = "python3";

/// Requirements of the scripts that use the official Python SDK.
pub(crate) const OFFICIAL_SDK: &str = "tests/python/requirements.txt";

/// A virtual environment with installed requirements.
pub(crate) struct VirtualEnvironment {
    interpreter: PathBuf,
}

impl VirtualEnvironment {
    /// Creates the environment in a folder and installs the requirements from PyPI.
    pub(crate) fn create(folder: &Path, requirements: &Path) -> Result<Self, Failure> {
        eprintln!("installing {}", requirements.display());
        let created = Command::new(PYTHON)
            .args(["-m", "venv"])
            .arg(folder)
            .output();
        succeeded(
            created,
            "creating a virtual environment",
            "install Python 3.10 or newer with venv: `apt-get install python3 python3-venv`",
        )?;
        let environment = Self {
            interpreter: match cfg!(windows) {
                true => folder.join("Scripts").join("python.exe"),
                false => folder.join("bin").join("python"),
            },
        };
        let installed = Command::new(&environment.interpreter)
            .args(["-m", "pip", "install", "--quiet"])
            .args(["--disable-pip-version-check", "--requirement"])
            .arg(requirements)
            .output();
        succeeded(
            installed,
            &format!("installing {}", requirements.display()),
            "check the connection to PyPI (pip reads PIP_INDEX_URL)",
        )?;
        Ok(environment)
    }

    /// The path of a program that the requirements installed.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.interpreter.with_file_name(name)
    }

    /// A command that runs a script.
    pub(crate) fn command(&self, script: &Path) -> Command {
        let mut command = Command::new(&self.interpreter);
        command.arg(script);
        command
    }

    /// Runs a script, with its output shown, and returns whether it succeeded.
    pub(crate) fn run(
        &self,
        script: &Path,
        configure: impl FnOnce(&mut Command),
    ) -> Result<bool, Failure> {
        let mut command = self.command(script);
        configure(&mut command);
        succeeds(&mut command)
    }
}

/// Runs a command of Python, with its output shown, and returns whether it succeeded.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool, Failure> {
    let status = command.status();
    status.map(|status| status.success()).map_err(|error| {
        let program = command.get_program().display();
        let problem = format!("can't run {program}: {error}");
        Failure::new(problem, "check the installation of Python")
    })
}

fn succeeded(output: std::io::Result<Output>, action: &str, hint: &str) -> Result<(), Failure> {
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let printed = [output.stdout, output.stderr].concat();
            let printed = String::from_utf8_lossy(&printed).trim().to_owned();
            Err(Failure::new(format!("{action} failed:\n{printed}"), hint))
        }
        Err(error) => Err(Failure::new(format!("{action} failed: {error}"), hint)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_shows_what_it_printed() {
        let failed = Command::new("cargo").arg("--no-such-option").output();
        let shown = succeeded(failed, "trying", "do not").unwrap_err();
        let shown = shown.to_string();
        assert!(shown.starts_with("error: trying failed:\n"), "{shown}");
        assert!(shown.contains("--no-such-option"), "{shown}");
        assert!(shown.ends_with("hint: do not"), "{shown}");
    }
}
