//! How the program ends: exit codes, and what is said on stderr.

use std::{error::Error, fmt, process::ExitCode};

use crate::say;

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// Exit code 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            code: 1,
            message: message.into(),
            source: None,
        }
    }

    /// Exit code 1, with a cause.
    pub(crate) fn other(
        message: impl Into<String>,
        source: impl Error + Send + Sync + 'static,
    ) -> Self {
        Self {
            source: Some(Box::new(source)),
            ..Self::new(message)
        }
    }

    /// Exit code 2: what was typed can't be done.
    #[cfg(feature = "serve")]
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            code: 2,
            ..Self::new(message)
        }
    }

    /// Exit code 130: Ctrl-C or another signal.
    pub(crate) fn interrupted() -> Self {
        Self {
            code: 130,
            ..Self::new("interrupted")
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<agbcloud::Error> for Failure {
    fn from(error: agbcloud::Error) -> Self {
        let message = error.to_string();
        match error.source() {
            // The SDK's message is the first line; its causes follow.
            Some(_) => Self::other(message, Causes(error)),
            None => Self::new(message),
        }
    }
}

/// An SDK error whose own line has been told.
#[derive(Debug)]
struct Causes(agbcloud::Error);

impl fmt::Display for Causes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.source() {
            Some(cause) => fmt::Display::fmt(cause, f),
            None => f.write_str("no cause is known"),
        }
    }
}

impl Error for Causes {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source().and_then(Error::source)
    }
}

/// Says what went wrong and gives the exit code.
pub(crate) fn report(failure: &Failure) -> ExitCode {
    say::note(format_args!("error: {failure}"));
    let mut cause = failure.source();
    while let Some(error) = cause {
        say::note(format_args!("  because: {error}"));
        cause = error.source();
    }
    ExitCode::from(failure.code)
}
