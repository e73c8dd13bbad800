//! A throw-away Python environment.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::failure::Failure;

const PYTHON: &str = "python3";

/// An environment with the requirements installed.
pub(crate) struct Environment {
    interpreter: PathBuf,
}

impl Environment {
    pub(crate) fn install(folder: &Path, requirements: &Path) -> Result<Self, Failure> {
        has_venv()?;
        let made = Command::new(PYTHON)
            .args(["-m", "venv"])
            .arg(folder)
            .output();
        done(
            made,
            "making a virtual environment",
            "install it: `apt-get install python3-venv`",
        )?;
        let environment = Self {
            interpreter: interpreter(folder),
        };
        let installed = Command::new(&environment.interpreter)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .arg("--requirement")
            .arg(requirements)
            .output();
        done(
            installed,
            &format!("installing {}", requirements.display()),
            "check the connection to PyPI (pip reads PIP_INDEX_URL), then try again",
        )?;
        Ok(environment)
    }

    /// A program that came with the requirements; it is a script as well.
    pub(crate) fn script(&self, name: &str) -> PathBuf {
        self.interpreter.with_file_name(name)
    }

    /// Runs a script and shows what it prints; whether it was content.
    pub(crate) fn run(
        &self,
        script: &Path,
        prepare: impl FnOnce(&mut Command),
    ) -> Result<bool, Failure> {
        let mut command = Command::new(&self.interpreter);
        command.arg(script);
        prepare(&mut command);
        let status = command.status();
        status.map(|status| status.success()).map_err(|error| {
            let problem = format!("can't run {}: {error}", self.interpreter.display());
            Failure::new(problem, "try again")
        })
    }
}

fn interpreter(folder: &Path) -> PathBuf {
    match cfg!(windows) {
        true => folder.join("Scripts").join("python.exe"),
        false => folder.join("bin").join("python"),
    }
}

/// Debian keeps `venv` in a package of its own.
fn has_venv() -> Result<(), Failure> {
    let tried = Command::new(PYTHON)
        .args(["-c", "import ensurepip, venv"])
        .output();
    match tried {
        Ok(output) if output.status.success() => Ok(()),
        Ok(_) => Err(Failure::new(
            "python3 has no `venv`, which keeps the SDK out of the system",
            "install it: `apt-get install python3-venv`",
        )),
        Err(error) => Err(Failure::new(
            format!("can't run {PYTHON}: {error}"),
            "install Python 3.10 or newer: `apt-get install python3 python3-venv`",
        )),
    }
}

fn done(output: std::io::Result<Output>, what: &str, mend: &str) -> Result<(), Failure> {
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let why = [output.stdout, output.stderr].concat();
            let why = String::from_utf8_lossy(&why).trim().to_owned();
            Err(Failure::new(format!("{what} failed:\n{why}"), mend))
        }
        Err(error) => Err(Failure::new(format!("{what} failed: {error}"), mend)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_fails_shows_what_it_printed() {
        let failed = Command::new("cargo").arg("--no-such-option").output();
        let shown = done(failed, "trying", "do not").unwrap_err().to_string();
        assert!(shown.starts_with("error: trying failed:\n"), "{shown}");
        assert!(shown.contains("--no-such-option"), "{shown}");
        assert!(shown.ends_with("mend: do not"), "{shown}");
    }
}
