//! Calling cargo from a program that cargo itself has started.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// How many lines of a failed build are shown.
const SHOWN: usize = 8;

/// The cargo that started this program, else the one on the path.
pub(crate) fn command(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

/// Runs cargo and gives what it printed; on failure the first lines that tell why.
pub(crate) fn output(root: &Path, arguments: &[&str]) -> Result<Vec<u8>, String> {
    let shown = arguments.join(" ");
    let Output {
        status,
        stdout,
        stderr,
    } = command(root)
        .args(arguments)
        // What it says is read here.
        .env("CARGO_TERM_COLOR", "never")
        .output()
        .map_err(|error| format!("can't run `cargo {shown}`: {error}"))?;
    if status.success() {
        return Ok(stdout);
    }
    let why = first_errors(&String::from_utf8_lossy(&stderr));
    Err(format!("`cargo {shown}` failed:\n{why}"))
}

/// Builds what these arguments name and gives the path of the program of this name.
pub(crate) fn built(root: &Path, program: &str, what: &[&str]) -> Result<PathBuf, String> {
    let start = ["build", "--quiet", "--locked"];
    let end = ["--message-format", "json-render-diagnostics"];
    let messages = output(root, &[&start[..], what, &end].concat())?;
    let path = executable(program, &String::from_utf8_lossy(&messages));
    path.ok_or_else(|| format!("cargo tells no path of {program}"))
}

fn executable(program: &str, messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| {
            message
                .pointer("/target/name")
                .is_some_and(|name| name == program)
        })
        .find_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
}

/// From the first line that is an error on.
fn first_errors(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().collect();
    let start = lines
        .iter()
        .position(|line| line.starts_with("error") || line.contains("panicked at"))
        .unwrap_or(0);
    let shown: Vec<&str> = lines
        .into_iter()
        .skip(start)
        .filter(|line| !line.trim().is_empty())
        .take(SHOWN)
        .collect();
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_build_shows_its_first_error_not_the_warnings_before() {
        let stderr =
            "warning: unused\n  --> a.rs\n\nerror[E0425]: no `x`\n  --> b.rs\n\nerror: aborting\n";
        assert_eq!(
            first_errors(stderr),
            "error[E0425]: no `x`\n  --> b.rs\nerror: aborting"
        );
    }

    #[test]
    fn what_names_no_error_is_shown_from_the_start() {
        assert_eq!(first_errors("killed\n"), "killed");
    }

    #[test]
    fn a_failing_cargo_tells_its_command_and_why() {
        let folder = tempfile::tempdir().unwrap();
        let failed = output(folder.path(), &["metadata", "--format-version", "1"]).unwrap_err();
        assert!(
            failed
                .starts_with("`cargo metadata --format-version 1` failed:\nerror: could not find")
        );
    }

    #[test]
    fn the_path_of_the_program_is_read_from_the_messages_of_cargo() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"serde"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"agb"},"executable":"/t/agb"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable("agb", messages), Some(PathBuf::from("/t/agb")));
    }
}
