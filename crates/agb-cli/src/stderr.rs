//! Messages on stderr, one line each: values are escaped, so that none adds a line.

use std::{fmt::Display, io::Write};

use agbcloud::escape_for_display as escape;
use anstyle::{AnsiColor, Style};

use crate::failure::Failure;

const ERROR: Style = AnsiColor::Red.on_default().bold();

/// Prints a line.
pub(crate) fn note(text: impl Display) {
    let text = text.to_string();
    let _ = writeln!(anstream::stderr().lock(), "{}", escape(&text));
}

/// Prints a line that starts with `error:`.
pub(crate) fn error(text: impl Display) {
    let text = text.to_string();
    let _ = writeln!(
        anstream::stderr().lock(),
        "{ERROR}error:{ERROR:#} {}",
        escape(&text)
    );
}

/// Prints a failure with its cause, request id and hint.
pub(crate) fn failure(failure: &Failure) {
    let Some(message) = &failure.message else {
        return;
    };
    error(message);
    if let Some(cause) = &failure.cause {
        note(format_args!("cause: {cause}"));
    }
    details(failure);
}

/// Prints the request id and the hint of a failure.
pub(crate) fn details(failure: &Failure) {
    if let Some(id) = &failure.request_id {
        note(format_args!("request id: {id}"));
    }
    if let Some(hint) = &failure.hint {
        note(format_args!("hint: {hint}"));
    }
}
