//! Opens a local file with the program of the platform for its type.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::failure::Failure;

/// Starts the program for the type of the file, and waits until it ends or runs in the background.
pub(crate) fn open(path: &Path) -> Result<(), Failure> {
    let program = if cfg!(target_os = "macos") {
        "open"
    } else if cfg!(windows) {
        "explorer"
    } else {
        "xdg-open"
    };
    let status = Command::new(program)
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() || cfg!(windows) => Ok(()),
        Ok(status) => Err(Failure::new(format!("{program} failed ({status})"))),
        Err(error) => Err(Failure::with_cause(format!("can't run {program}"), error)),
    }
}
