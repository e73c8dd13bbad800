//! What is shown of what was found: columns for people, tabs for scripts, JSON for programs, names alone.

mod human;
mod rows;
pub(crate) mod schema;
mod table;

use std::io::{self, IsTerminal, Write};

use clap::{Args, ValueEnum};

pub(crate) use agbcloud::escape_for_display as escape;
pub(crate) use human::{ago, bytes, counted, duration, moment};
pub(crate) use rows::{Row, Rows};

use crate::exit::{Code, Failure};

/// How it is shown.
#[derive(Debug, Clone, Args)]
pub(crate) struct Look {
    /// Print JSON: one document, or a line for each item of a listing. `agb schema` describes it
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
    /// Print names or ids alone, and no progress
    #[arg(long, short)]
    quiet: bool,
    /// When to use colours: auto means on a terminal, unless NO_COLOR is set or TERM is dumb
    #[arg(long, value_name = "WHEN", default_value = "auto", value_enum)]
    color: Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

/// Who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    Person,
    Script,
    Program,
    /// A script that wants names alone.
    Terse,
}

impl Look {
    /// Settles colours for the whole process.
    pub(crate) fn settle(&self) {
        match self.color {
            Color::Auto => settle_colors(),
            Color::Always => anstream::ColorChoice::Always.write_global(),
            Color::Never => anstream::ColorChoice::Never.write_global(),
        }
    }

    pub(crate) fn reader(&self) -> Reader {
        match self {
            Self { json: true, .. } => Reader::Program,
            Self { quiet: true, .. } => Reader::Terse,
            _ if io::stdout().is_terminal() => Reader::Person,
            _ => Reader::Script,
        }
    }

    /// Whether it is told how far something has come.
    pub(crate) fn tells_progress(&self) -> bool {
        !self.quiet
    }
}

/// What holds before it is known what was asked, so that help and usage errors keep to it too. anstream colours a
/// dumb terminal where `CI` is set.
pub(crate) fn settle_colors() {
    if is_dumb() {
        anstream::ColorChoice::Never.write_global();
    }
    let arguments: Vec<_> = std::env::args_os().collect();
    let says = |when: &str| {
        let joined = std::ffi::OsString::from(format!("--color={when}"));
        let apart = |pair: &[std::ffi::OsString]| pair[0] == "--color" && pair[1] == when;
        arguments.contains(&joined) || arguments.windows(2).any(apart)
    };
    match (says("never"), says("always")) {
        (true, _) => anstream::ColorChoice::Never.write_global(),
        (_, true) => anstream::ColorChoice::Always.write_global(),
        _ => {}
    }
}

/// Whether the terminal says that it can do no more than print.
pub(crate) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Writes text to stdout in which each value is escaped. A reader that has had enough (`agb ls … | head`) ends the command,
/// with the exit code of a program that SIGPIPE has ended and without a message.
pub(crate) fn write(text: &str) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    let written = stdout.write_all(text.as_bytes());
    written.and_then(|()| stdout.flush()).map_err(unwritten)
}

pub(crate) fn unwritten(error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure::silent(Code::BrokenPipe);
    }
    Failure::other("can't write to stdout", error)
}

/// One thing, shown as lines of names and values.
pub(crate) fn show<R: Row>(look: &Look, row: &R) -> Result<(), Failure> {
    write(&match look.reader() {
        Reader::Program => rows::json(row)?,
        Reader::Terse => rows::name(row),
        Reader::Script => format!("{}\n", rows::plain(row)),
        Reader::Person => table::card(R::HEAD, &row.full()),
    })
}

/// A document that has no other form than JSON, or a sentence for people.
pub(crate) fn done(
    look: &Look,
    document: &impl serde::Serialize,
    said: &str,
) -> Result<(), Failure> {
    match look.reader() {
        Reader::Program => write(&rows::json(document)?),
        Reader::Terse => Ok(()),
        Reader::Script | Reader::Person => {
            crate::say::note(said);
            Ok(())
        }
    }
}
