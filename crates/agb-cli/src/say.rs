//! Saying something. A reader that has gone (`agb demo | head`) does not end the work: what was begun is finished
//! and cleaned up.

use std::{fmt::Display, io::Write};

use anstyle::{AnsiColor, Style};

use crate::output;

const BAD: Style = AnsiColor::Red.on_default().bold();

/// A line on stdout.
pub(crate) fn line(text: impl Display) {
    let _ = writeln!(anstream::stdout().lock(), "{text}");
}

/// A line on stderr. What comes from elsewhere may be in it.
pub(crate) fn note(text: impl Display) {
    let text = output::harmless_lines(&text.to_string());
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// What went wrong.
pub(crate) fn error(text: impl Display) {
    let text = output::harmless_lines(&text.to_string());
    let _ = writeln!(anstream::stderr().lock(), "{BAD}error:{BAD:#} {text}");
}
