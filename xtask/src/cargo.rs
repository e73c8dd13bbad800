//! Runs cargo as a subprocess.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Maximum number of lines shown of a failed command.
const MAX_ERROR_LINES: usize = 8;

/// Runs the cargo that started this program and returns its stdout. An error holds the first error that it printed.
pub(crate) fn output(root: &Path, arguments: &[&str]) -> Result<Vec<u8>, String> {
    output_with(root, arguments, &[])
}

/// [`output`] with variables of the environment.
pub(crate) fn output_with(
    root: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<Vec<u8>, String> {
    let shown = arguments.join(" ");
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args(arguments)
        .env("CARGO_TERM_COLOR", "never")
        .envs(environment.iter().copied())
        .output()
        .map_err(|error| format!("can't run `cargo {shown}`: {error}"))?;
    if status.success() {
        return Ok(stdout);
    }
    let reason = first_error(&String::from_utf8_lossy(&stderr));
    Err(format!("`cargo {shown}` failed:\n{reason}"))
}

/// Builds a binary or an example and returns its path.
pub(crate) fn build(root: &Path, name: &str, arguments: &[&str]) -> Result<PathBuf, String> {
    build_with(root, name, arguments, &[])
}

/// Builds a binary or an example as it is released, and returns its path. An incremental build results in other code.
pub(crate) fn build_release(
    root: &Path,
    name: &str,
    arguments: &[&str],
) -> Result<PathBuf, String> {
    let arguments = [&["--release"], arguments].concat();
    build_with(root, name, &arguments, &[("CARGO_INCREMENTAL", "0")])
}

fn build_with(
    root: &Path,
    name: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<PathBuf, String> {
    let start = ["build", "--quiet", "--locked"];
    let end = ["--message-format", "json-render-diagnostics"];
    let messages = output_with(root, &[&start[..], arguments, &end].concat(), environment)?;
    let path = executable(name, &String::from_utf8_lossy(&messages));
    path.ok_or_else(|| format!("cargo reports no executable {name}"))
}

/// Builds an example of a workspace crate, runs it and returns its stdout.
pub(crate) fn run_example(root: &Path, name: &str) -> Result<Vec<u8>, String> {
    // With the features of the whole workspace, so that `cargo test --workspace` has compiled its dependencies.
    let program = build(root, name, &["--workspace", "--example", name])?;
    let output = Command::new(&program)
        .current_dir(root)
        .output()
        .map_err(|error| format!("can't run {}: {error}", program.display()))?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => {
            let reason = first_error(&String::from_utf8_lossy(&output.stderr));
            Err(format!("the example {name} failed:\n{reason}"))
        }
    }
}

/// Installs the programs of a package of crates.io in a folder of the repository. Shows the output of cargo.
#[cfg(target_os = "linux")]
pub(crate) fn install(
    root: &Path,
    folder: &str,
    package: &str,
    arguments: &[&str],
) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["install", package, "--locked", "--root"])
        .arg(root.join(folder))
        .args(arguments)
        // The build folder of the repository has other features of the same crates.
        .env_remove("CARGO_TARGET_DIR")
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        // Compiles about as fast as without optimization, and runs several times as fast.
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        .current_dir(root)
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`cargo install {package}` failed: {status}")),
        Err(error) => Err(format!("can't run `cargo install {package}`: {error}")),
    }
}

/// Runs `cargo tree` for a package, and returns the name and version of each distinct crate, including its own.
pub(crate) fn tree(
    root: &Path,
    package: &str,
    arguments: &[&str],
) -> Result<BTreeSet<(String, String)>, String> {
    let start = ["tree", "--locked", "--package", package];
    let end = ["--edges", "normal,build", "--prefix", "none"];
    let tree = output(root, &[&start[..], arguments, &end].concat())?;
    Ok(parse_tree(&String::from_utf8_lossy(&tree)))
}

/// A line is `name v1.0.0`, optionally followed by its source and by `(*)` if it is repeated.
fn parse_tree(tree: &str) -> BTreeSet<(String, String)> {
    let crates = tree.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (name, version) = (words.next()?, words.next()?);
        Some((name.to_owned(), version.trim_start_matches('v').to_owned()))
    });
    crates.collect()
}

fn executable(name: &str, messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| {
            message
                .pointer("/target/name")
                .is_some_and(|target| target == name)
        })
        .find_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
}

/// The lines from the first error on, without the warnings before it.
fn first_error(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().collect();
    let start = lines
        .iter()
        .position(|line| line.starts_with("error") || line.contains("panicked at"))
        .unwrap_or(0);
    let shown: Vec<&str> = lines
        .into_iter()
        .skip(start)
        .filter(|line| !line.trim().is_empty())
        .take(MAX_ERROR_LINES)
        .collect();
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_before_the_first_error_are_omitted() {
        let stderr =
            "warning: unused\n  --> a.rs\n\nerror[E0425]: no `x`\n  --> b.rs\n\nerror: aborting\n";
        assert_eq!(
            first_error(stderr),
            "error[E0425]: no `x`\n  --> b.rs\nerror: aborting"
        );
    }

    #[test]
    fn output_without_an_error_line_is_shown_from_its_start() {
        assert_eq!(first_error("killed\n"), "killed");
    }

    #[test]
    fn a_failure_names_the_command_and_its_error() {
        let folder = tempfile::tempdir().unwrap();
        let failed = output(folder.path(), &["metadata", "--format-version", "1"]).unwrap_err();
        assert!(
            failed
                .starts_with("`cargo metadata --format-version 1` failed:\nerror: could not find")
        );
    }

    #[test]
    fn the_path_of_a_program_is_read_from_the_messages_of_cargo() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"serde"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"agb"},"executable":"/t/agb"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable("agb", messages), Some(PathBuf::from("/t/agb")));
    }

    #[test]
    fn two_versions_of_a_crate_are_two_crates() {
        let tree = "sdk v0.1.0 (/sdk)\nsyn v3.0.1\nsyn v2.0.0\nserde_derive v1.0.0 (proc-macro)\n\
                    syn v3.0.1 (*)\n\nserde_derive v1.0.0 (proc-macro) (*)\n";
        assert_eq!(parse_tree(tree).len(), 4);
    }
}
