//! Writes to stdout.

use std::{
    fmt::Display,
    io::{self, Write},
    sync::OnceLock,
};

use agbcloud::escape_for_display as escape;

use crate::failure::{Code, Failure};

/// Writes text in which each value is already escaped.
pub(crate) fn write(text: &str) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    let written = stdout.write_all(text.as_bytes());
    written
        .and_then(|()| stdout.flush())
        .map_err(|error| write_failure(&error))
}

/// Prints a line, escaped.
pub(crate) fn print_line(text: impl Display) -> Result<(), Failure> {
    write(&format!("{}\n", escape(&text.to_string())))
}

/// The failure of a write. A closed pipe (`agb ls … | head`) ends the command without a message, with the exit code of a
/// program that SIGPIPE ends.
pub(crate) fn write_failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::silent(Code::BrokenPipe),
        _ => Failure::with_cause("can't write to stdout", error),
    }
}

static FIRST_ERROR: OnceLock<io::Error> = OnceLock::new();

/// Prints a line, escaped, and ignores errors until [`check_best_effort`], for a command that must run to its end.
pub(crate) fn print_line_best_effort(text: impl Display) {
    let written = writeln!(anstream::stdout().lock(), "{}", escape(&text.to_string()));
    let _ = written.map_err(|error| FIRST_ERROR.set(error));
}

/// Fails if [`print_line_best_effort`] could not print a line. A closed pipe (`agb demo | head`) is no failure.
pub(crate) fn check_best_effort() -> Result<(), Failure> {
    let flushed = anstream::stdout().lock().flush();
    let kind = FIRST_ERROR.get().map(io::Error::kind);
    match kind.or(flushed.err().map(|error| error.kind())) {
        None | Some(io::ErrorKind::BrokenPipe) => Ok(()),
        Some(kind) => Err(write_failure(&kind.into())),
    }
}
