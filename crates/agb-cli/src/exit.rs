//! How the program ends: exit codes, and what is said on stderr.

use std::{
    error::Error,
    fmt,
    io::{self, Write},
    process::ExitCode,
};

use agbcloud::ErrorKind;

use crate::{output, say, stdio};

/// Why a command has not done what it was asked for. The numbers are the exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    Other = 1,
    Usage = 2,
    NotFound = 3,
    NotAllowed = 4,
    Partial = 5,
    Conflict = 6,
    Unavailable = 7,
    TimedOut = 8,
    SafetyLimit = 9,
    Differs = 10,
    Interrupted = 130,
    /// As of a program that SIGPIPE has ended.
    BrokenPipe = 141,
}

impl Code {
    pub(crate) fn of(error: &agbcloud::Error) -> Self {
        match error.kind() {
            ErrorKind::Configuration | ErrorKind::InvalidArgument | ErrorKind::WrongEndpoint => {
                Self::Usage
            }
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Unauthorized | ErrorKind::UrlRejected | ErrorKind::InsecureUrl => {
                Self::NotAllowed
            }
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Connection => {
                Self::Unavailable
            }
            ErrorKind::Timeout | ErrorKind::ClearTimeout => Self::TimedOut,
            ErrorKind::SafetyLimit => Self::SafetyLimit,
            // What was typed is what the service does not take.
            ErrorKind::Rejected if is_parameter(error) => Self::Usage,
            _ => Self::Other,
        }
    }
}

fn is_parameter(error: &agbcloud::Error) -> bool {
    let code = error.code().unwrap_or_default();
    code.starts_with("InvalidParameter") || code.starts_with("InvalidRegion")
}

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    message: String,
    hint: Option<String>,
    request_id: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
    /// Nothing is to be said.
    silent: bool,
}

impl Failure {
    pub(crate) fn of(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
            request_id: None,
            source: None,
            silent: false,
        }
    }

    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::of(Code::Other, message)
    }

    /// With a cause.
    pub(crate) fn other(
        message: impl Into<String>,
        source: impl Error + Send + Sync + 'static,
    ) -> Self {
        Self {
            source: Some(Box::new(source)),
            ..Self::new(message)
        }
    }

    /// An error of the SDK, with what was being done.
    pub(crate) fn while_doing(error: agbcloud::Error, what: &str) -> Self {
        let failure = Self::from(error);
        Self {
            message: format!("can't {what}: {}", failure.message),
            ..failure
        }
    }

    /// An error of the SDK in words of its own.
    pub(crate) fn about(error: &agbcloud::Error, message: impl Into<String>) -> Self {
        Self {
            request_id: error.request_id().map(str::to_owned),
            ..Self::of(Code::of(error), message)
        }
    }

    /// What was typed can't be done.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::of(Code::Usage, message)
    }

    /// Ctrl-C or another signal.
    pub(crate) fn interrupted() -> Self {
        Self::of(Code::Interrupted, "interrupted")
    }

    /// Ends with a code, and with nothing more than has been said.
    pub(crate) fn silent(code: Code) -> Self {
        Self {
            silent: true,
            ..Self::of(code, "")
        }
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// What to do about it, if that is known.
    pub(crate) fn hinted(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Whether it ends with this code.
    pub(crate) fn is(&self, code: Code) -> bool {
        self.code == code
    }

    /// What to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
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
        let code = Code::of(&error);
        let message = message(&error);
        let said = error.request_id().filter(|id| !message.contains(*id));
        let (request_id, hint) = (said.map(str::to_owned), hint(&error));
        let failure = match error.source() {
            // The SDK's message is the first line; its causes follow.
            Some(_) => Self::other(message, Causes(error)),
            None => Self::new(message),
        };
        Self {
            code,
            hint,
            request_id,
            ..failure
        }
    }
}

/// Adds what was being done to an error of the SDK.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T> Doing<T> for agbcloud::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure::while_doing(error, &what()))
    }
}

/// What the SDK says, without what only a program could do about it.
pub(crate) fn message(error: &agbcloud::Error) -> String {
    let told = error.message();
    let (told, _) = told.split_once("; it goes on").unwrap_or((told, ""));
    let told = told
        .replace(", or call api_key(…)", "")
        .replace(": allow overwriting, or choose another name", "");
    let told = plain(error.code().unwrap_or_default()).map_or(told, str::to_owned);
    match error.kind() {
        // Nothing was called: what was attempted says no more than the message does.
        ErrorKind::Configuration
        | ErrorKind::InvalidArgument
        | ErrorKind::LocalFile
        | ErrorKind::SafetyLimit
        | ErrorKind::ClearTimeout => told,
        ErrorKind::Conflict if error.code().is_none() => told,
        _ => error.to_string().replace(error.message(), &told),
    }
}

/// What a code of the service means, where its own words are for programs.
fn plain(code: &str) -> Option<&'static str> {
    Some(match code {
        "InvalidContext.NotFound" => "there is no such context",
        "InvalidContext.Clearing" => "the context is being cleared",
        code if code.starts_with("Unauthorized") => "the service does not accept the API key",
        _ => return None,
    })
}

/// The last of its causes, which says what has happened.
pub(crate) fn deepest(error: &dyn Error) -> Option<String> {
    let mut cause = error.source()?;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Some(cause.to_string())
}

/// What to type next.
fn hint(error: &agbcloud::Error) -> Option<String> {
    let glob = error.source().and_then(|source| source.downcast_ref());
    if let Some(glob) = glob.map(agbcloud::GlobError::hint) {
        return Some(glob.to_owned());
    }
    let hint = match error.kind() {
        ErrorKind::Configuration if error.message().starts_with("no API key") => {
            "export AGB_API_KEY=…, or write it into a profile: agb doctor tells where"
        }
        ErrorKind::Unauthorized => {
            "agb doctor tells where the key comes from, and whether the endpoint is the right one"
        }
        ErrorKind::Connection | ErrorKind::InvalidResponse => "agb doctor looks for what is wrong",
        ErrorKind::ClearTimeout => "the clear goes on: agb context wait NAME goes on waiting",
        ErrorKind::SafetyLimit if error.message().starts_with("there is not one file") => {
            "is it the right folder? --max-delete 100% deletes all the same"
        }
        ErrorKind::Conflict if error.code() == Some("InvalidContext.Clearing") => {
            "agb context wait NAME waits until that is over"
        }
        ErrorKind::NotFound if error.code() == Some("InvalidContext.NotFound") => {
            "agb context list shows which there are"
        }
        ErrorKind::WrongEndpoint => {
            "check the endpoint, with its path: agb doctor shows it and where it comes from"
        }
        ErrorKind::InsecureUrl => {
            "set the service's public URL to https; --allow-insecure-urls accepts it on a trusted network"
        }
        ErrorKind::UrlRejected => "is the clock right? agb doctor tells",
        ErrorKind::SafetyLimit => "look with --dry-run; if it is meant, raise --max-delete",
        ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Timeout => {
            "try again in a while"
        }
        _ => return None,
    };
    Some(hint.to_owned())
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

/// Shows the help, the version, or what is wrong with the arguments. clap itself ignores that it can't be written.
pub(crate) fn refuse(error: &clap::Error) -> ExitCode {
    let asked_for = !error.use_stderr();
    if asked_for && let Err(failure) = stdio::check_stdout() {
        return report(&failure);
    }
    let printed = error.print().and_then(|()| io::stdout().flush());
    match printed {
        Err(unwritten) if asked_for => report(&output::unwritten(unwritten)),
        _ => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Code::Usage as u8)),
    }
}

/// Says what went wrong and gives the exit code.
pub(crate) fn report(failure: &Failure) -> ExitCode {
    tell_failure(failure);
    ExitCode::from(failure.code as u8)
}

/// Says what went wrong.
pub(crate) fn tell_failure(failure: &Failure) {
    if failure.silent {
        return;
    }
    say::error(failure);
    // Those between say no more than that one thing failed because another did.
    let cause = deepest(failure).filter(|cause| !failure.message.contains(cause));
    if let Some(cause) = cause {
        say::note(format_args!("  because: {cause}"));
    }
    tell(failure.request_id.as_deref(), failure.hint.as_deref());
}

/// What there is to say of an error beside its message.
pub(crate) fn more(error: &agbcloud::Error) {
    tell(error.request_id(), hint(error).as_deref());
}

fn tell(request_id: Option<&str>, hint: Option<&str>) {
    if let Some(id) = request_id {
        say::note(format_args!("  request id: {id}"));
    }
    if let Some(hint) = hint {
        say::note(format_args!("  hint: {hint}"));
    }
}
