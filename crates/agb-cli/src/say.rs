//! Saying something. A reader that has gone (`agb demo | head`) does not end the work: what was begun is finished
//! and cleaned up.

use std::{fmt::Display, io::Write};

/// A line on stdout.
pub(crate) fn line(text: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// A line on stderr.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
