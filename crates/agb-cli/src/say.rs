//! Messages, each on one line: whatever a value in it contains, it makes no other line.

use std::{
    fmt::Display,
    io::{self, Write},
    sync::OnceLock,
};

use anstyle::{AnsiColor, Style};

use crate::{
    exit::Failure,
    output::{self, escape},
};

const BAD: Style = AnsiColor::Red.on_default().bold();

/// A line on stdout.
pub(crate) fn line(text: impl Display) -> Result<(), Failure> {
    output::write(&format!("{}\n", escape(&text.to_string())))
}

/// The first failure to write a line of a story.
static UNWRITTEN: OnceLock<io::Error> = OnceLock::new();

/// A line on stdout of a program that goes on where it can't be written, to clean up in the end.
pub(crate) fn story(text: impl Display) {
    let written = writeln!(anstream::stdout().lock(), "{}", escape(&text.to_string()));
    let _ = written.map_err(|error| UNWRITTEN.set(error));
}

/// Whether all of a story was written. A reader that has gone (`agb demo | head`) is no failure.
pub(crate) fn check_story() -> Result<(), Failure> {
    let flushed = anstream::stdout().lock().flush();
    let failed = UNWRITTEN.get().map(io::Error::kind);
    match failed.or(flushed.err().map(|error| error.kind())) {
        None | Some(io::ErrorKind::BrokenPipe) => Ok(()),
        Some(kind) => Err(Failure::other(
            "can't write to stdout",
            io::Error::from(kind),
        )),
    }
}

/// A line on stderr.
pub(crate) fn note(text: impl Display) {
    let text = text.to_string();
    let _ = writeln!(anstream::stderr().lock(), "{}", escape(&text));
}

/// What went wrong.
pub(crate) fn error(text: impl Display) {
    let text = text.to_string();
    let _ = writeln!(
        anstream::stderr().lock(),
        "{BAD}error:{BAD:#} {}",
        escape(&text)
    );
}
