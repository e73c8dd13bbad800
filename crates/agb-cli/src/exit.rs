//! Turns usage errors and failures into messages and exit codes.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use crate::{
    failure::{Code, Failure},
    output, stderr, stdio,
};

/// Prints the help, the version, or what is wrong with the arguments. clap itself ignores write errors.
pub(crate) fn print_usage(error: &clap::Error) -> ExitCode {
    let to_stdout = !error.use_stderr();
    if to_stdout && let Err(failure) = stdio::check_stdout() {
        return print_failure(&failure);
    }
    match error.print().and_then(|()| io::stdout().flush()) {
        Err(unwritten) if to_stdout => print_failure(&output::write_failure(&unwritten)),
        _ => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Code::Usage as u8)),
    }
}

/// Prints a failure and returns its exit code.
pub(crate) fn print_failure(failure: &Failure) -> ExitCode {
    stderr::failure(failure);
    ExitCode::from(failure.code() as u8)
}
