//! [`OutputOptions`]: the format and the colors of the output.

use std::{
    ffi::OsString,
    io::{self, IsTerminal},
};

use anstream::AutoStream;
use clap::{ArgAction, Args, ValueEnum};

/// The options for the output of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutputOptions {
    /// Print JSON: one document, or one line for each item of a listing. 'agb schema' prints the schema
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
    /// Print only names or ids, and no progress
    #[arg(long, short)]
    quiet: bool,
    /// Show each call with its time and request id on stderr, and no progress. Given twice: each request too
    #[arg(long, short, action = ArgAction::Count)]
    verbose: u8,
    /// When to use colors. 'auto': on a terminal, unless NO_COLOR is set or TERM is dumb
    #[arg(
        long,
        hide_short_help = true,
        value_name = "WHEN",
        default_value = "auto",
        value_enum
    )]
    color: Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

/// The format of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputMode {
    /// Columns on a terminal.
    Human,
    /// Tab-separated values.
    Plain,
    /// JSON.
    Json,
    /// Names only.
    Quiet,
}

impl OutputOptions {
    /// Sets the colors of the process.
    pub(crate) fn set_colors(&self) {
        match self.color {
            Color::Auto => set_default_colors(),
            Color::Always => anstream::ColorChoice::Always.write_global(),
            Color::Never => anstream::ColorChoice::Never.write_global(),
        }
    }

    pub(crate) fn mode(&self) -> OutputMode {
        match self {
            Self { json: true, .. } => OutputMode::Json,
            Self { quiet: true, .. } => OutputMode::Quiet,
            _ if io::stdout().is_terminal() => OutputMode::Human,
            _ => OutputMode::Plain,
        }
    }

    /// Whether stderr is a terminal that can redraw a line.
    pub(crate) fn is_live() -> bool {
        io::stderr().is_terminal() && !is_dumb_terminal()
    }

    /// Whether bars are drawn. Lines of `-v` would break them.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.quiet && self.verbose == 0
    }

    pub(crate) fn verbosity(&self) -> u8 {
        self.verbose
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }
}

/// Sets the colors before the arguments are parsed, for help and usage errors. anstream colors a dumb terminal if `CI` is
/// set.
pub(crate) fn set_default_colors() {
    if is_dumb_terminal() {
        anstream::ColorChoice::Never.write_global();
    }
    let arguments: Vec<_> = std::env::args_os().collect();
    let has = |when: &str| {
        let joined = OsString::from(format!("--color={when}"));
        let separate = |pair: &[OsString]| pair[0] == "--color" && pair[1] == when;
        arguments.contains(&joined) || arguments.windows(2).any(separate)
    };
    match (has("never"), has("always")) {
        (true, _) => anstream::ColorChoice::Never.write_global(),
        (_, true) => anstream::ColorChoice::Always.write_global(),
        _ => {}
    }
}

/// Whether help and usage errors may have colors, after [`set_default_colors`].
pub(crate) fn shows_colors() -> bool {
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let choices = [AutoStream::choice(&stdout), AutoStream::choice(&stderr)];
    choices != [anstream::ColorChoice::Never; 2]
}

/// Whether `TERM` is `dumb`.
fn is_dumb_terminal() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}
