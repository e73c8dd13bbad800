//! The programs that measure or are measured, built with the dev profile: an optimized build would take minutes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::Costs;
use crate::cargo;
use crate::failure::Failure;

/// Other settings of the build result in other code.
const ENVIRONMENT: [(&str, &str); 1] = [("CARGO_INCREMENTAL", "0")];

/// The programs that measure, besides the one for instructions.
const EXAMPLES: [&str; 4] = ["allocations", "round-trips", "transfer", "million"];

/// Programs, built when the first is needed.
pub(crate) struct Programs<'a> {
    root: &'a Path,
    built: BTreeMap<String, PathBuf>,
}

impl<'a> Programs<'a> {
    pub(crate) fn new(root: &'a Path) -> Self {
        Self {
            root,
            built: BTreeMap::new(),
        }
    }

    pub(crate) fn root(&self) -> &'a Path {
        self.root
    }

    /// Returns the path of a program.
    pub(crate) fn get(&mut self, name: &str) -> Result<PathBuf, Failure> {
        if self.built.is_empty() {
            self.build()?;
        }
        let path = self.built.get(name).cloned();
        path.ok_or_else(|| failure(format!("cargo reports no executable {name}")))
    }

    /// Builds all in one call, with the features of the whole workspace, so that `cargo test --workspace` has compiled
    /// their dependencies.
    fn build(&mut self) -> Result<(), Failure> {
        let mut arguments = vec!["build", "--quiet", "--locked", "--workspace"];
        arguments.extend(["--bin", "agb", "--bench", "instructions"]);
        arguments.extend(EXAMPLES.iter().flat_map(|name| ["--example", name]));
        arguments.extend(["--message-format", "json-render-diagnostics"]);
        let messages = cargo::output_with(self.root, &arguments, &ENVIRONMENT).map_err(failure)?;
        for line in String::from_utf8_lossy(&messages).lines() {
            self.built.extend(executable(line));
        }
        Ok(())
    }

    /// Runs a program that prints costs as JSON.
    pub(crate) fn print_costs(&mut self, name: &str) -> Result<Costs, Failure> {
        let output = output(Command::new(self.get(name)?).current_dir(self.root), name)?;
        serde_json::from_slice(&output)
            .map_err(|error| failure(format!("can't parse the output of {name}: {error}")))
    }
}

/// Name and path of the executable that a message of cargo reports.
fn executable(message: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(message).ok()?;
    let name = message.pointer("/target/name")?.as_str()?.to_owned();
    let path = message.get("executable")?.as_str()?.into();
    Some((name, path))
}

/// Runs a command and returns its stdout. Its stderr is shown.
pub(crate) fn output(command: &mut Command, name: &str) -> Result<Vec<u8>, Failure> {
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| failure(format!("can't run {name}: {error}")))?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(failure(format!("{name} failed: {}", output.status))),
    }
}

/// Returns the version of the compiler and its platform, which determine the code of a program.
pub(crate) fn compiler() -> Result<String, Failure> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = output(Command::new(rustc).arg("-vV"), "rustc")?;
    let output = String::from_utf8_lossy(&output);
    let version = output.lines().next().unwrap_or_default();
    let host = output.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(format!("{version} {}", host.unwrap_or_default()))
}

pub(crate) fn failure(problem: String) -> Failure {
    Failure::new(problem, "run the command to see the whole error")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_executables_are_programs() {
        let message = r#"{"target":{"name":"agb"},"executable":"/t/agb"}"#;
        assert_eq!(
            executable(message),
            Some(("agb".to_owned(), "/t/agb".into()))
        );
        let library = r#"{"target":{"name":"serde"},"executable":null}"#;
        assert_eq!(executable(library), None);
        assert_eq!(executable("building"), None);
    }

    #[test]
    fn the_compiler_has_a_version_and_a_platform() {
        let compiler = compiler().unwrap();
        assert!(compiler.starts_with("rustc 1."), "{compiler}");
        assert!(compiler.contains(std::env::consts::ARCH), "{compiler}");
    }

    #[test]
    fn a_program_that_fails_is_an_error() {
        let failed = output(&mut Command::new("false"), "false").unwrap_err();
        assert!(
            failed.to_string().starts_with("error: false failed: "),
            "{failed}"
        );
    }
}
