//! [`Failure`]: why a command failed, with its exit code, cause and hint.

use std::{error::Error, fmt};

use agbcloud::{ErrorDetail, ErrorKind};

use crate::{proxy, quote::quote};

/// How to set the API key.
pub(crate) const NO_API_KEY_HINT: &str =
    "log in with 'agb login', set AGB_API_KEY, or pass --api-key-stdin";

/// The exit codes.
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
    /// The exit code of a program that SIGPIPE ends.
    BrokenPipe = 141,
}

impl From<&agbcloud::Error> for Code {
    fn from(error: &agbcloud::Error) -> Self {
        match error.kind() {
            ErrorKind::Configuration
            | ErrorKind::InvalidArgument
            | ErrorKind::WrongEndpoint
            | ErrorKind::Redirected => Self::Usage,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Unauthorized
            | ErrorKind::ProxyAuthentication
            | ErrorKind::UrlRejected
            | ErrorKind::InsecureUrl => Self::NotAllowed,
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::Throttled
            | ErrorKind::Unavailable
            | ErrorKind::Connection
            | ErrorKind::Tls => Self::Unavailable,
            ErrorKind::Timeout | ErrorKind::ClearTimeout => Self::TimedOut,
            ErrorKind::SafetyLimit => Self::SafetyLimit,
            // The service rejects a value from the command line.
            ErrorKind::Rejected if is_parameter(error) => Self::Usage,
            _ => Self::Other,
        }
    }
}

fn is_parameter(error: &agbcloud::Error) -> bool {
    let code = error.code().unwrap_or_default();
    code.starts_with("InvalidParameter") || code.starts_with("InvalidRegion")
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    /// `None` ends the program without a message.
    pub(crate) message: Option<String>,
    pub(crate) cause: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) hint: Option<String>,
}

impl Failure {
    pub(crate) fn with_code(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: Some(message.into()),
            cause: None,
            request_id: None,
            hint: None,
        }
    }

    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::with_code(Code::Other, message)
    }

    pub(crate) fn with_cause(message: impl Into<String>, cause: impl fmt::Display) -> Self {
        Self {
            cause: Some(cause.to_string()),
            ..Self::new(message)
        }
    }

    /// An SDK error with the action that failed: `can't {action}: {error}`.
    pub(crate) fn in_action(error: &agbcloud::Error, action: &str) -> Self {
        let failure = Self::from(error);
        Self {
            message: Some(format!("can't {action}: {failure}")),
            ..failure
        }
    }

    /// An SDK error with a message of the command instead of its own.
    pub(crate) fn replacing(error: &agbcloud::Error, message: impl Into<String>) -> Self {
        Self {
            request_id: error.request_id().map(str::to_owned),
            ..Self::with_code(Code::from(error), message)
        }
    }

    /// Wrong arguments or settings.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::with_code(Code::Usage, message)
    }

    /// Ctrl-C or another signal.
    pub(crate) fn interrupted() -> Self {
        Self::with_code(Code::Interrupted, "interrupted")
    }

    /// Ends the program without a message.
    pub(crate) fn silent(code: Code) -> Self {
        Self {
            message: None,
            ..Self::with_code(code, "")
        }
    }

    /// The name of the kind of failure, for JSON.
    pub(crate) fn kind(&self) -> &'static str {
        match self.code {
            Code::Usage => ErrorKind::InvalidArgument.as_str(),
            Code::NotFound => ErrorKind::NotFound.as_str(),
            Code::NotAllowed => ErrorKind::Unauthorized.as_str(),
            Code::Conflict => ErrorKind::Conflict.as_str(),
            Code::Unavailable => ErrorKind::Unavailable.as_str(),
            Code::TimedOut => ErrorKind::Timeout.as_str(),
            Code::SafetyLimit => ErrorKind::SafetyLimit.as_str(),
            Code::Partial => "partial",
            Code::Differs | Code::Other => "other",
            Code::Interrupted | Code::BrokenPipe => "interrupted",
        }
    }

    /// Sets what the user can do, in the imperative.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.as_deref().unwrap_or_default())
    }
}

impl From<&agbcloud::Error> for Failure {
    fn from(error: &agbcloud::Error) -> Self {
        Self {
            code: Code::from(error),
            message: Some(message(error)),
            cause: root_cause(error),
            request_id: error.request_id().map(str::to_owned),
            hint: hint(error),
        }
    }
}

impl From<agbcloud::Error> for Failure {
    fn from(error: agbcloud::Error) -> Self {
        Self::from(&error)
    }
}

/// Adds the action that failed to an SDK error.
pub(crate) trait ErrorContext<T> {
    fn with_action(self, action: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T> ErrorContext<T> for agbcloud::Result<T> {
    fn with_action(self, action: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure::in_action(&error, &action()))
    }
}

/// The message of an SDK error with its code, status and number of attempts.
pub(crate) fn message(error: &agbcloud::Error) -> String {
    let message = match error.detail() {
        Some(ErrorDetail::ContextNotFound) => "context not found",
        Some(ErrorDetail::ContextClearing) => "the context is being cleared",
        Some(ErrorDetail::NoApiKey) => "no API key",
        // The SDK's messages contain what the hint says.
        Some(ErrorDetail::NotTls) => "the port does not speak TLS",
        Some(ErrorDetail::NotHttp) => "the response is not HTTP",
        _ if error.kind() == ErrorKind::Unauthorized => "the service rejected the API key",
        _ if error.kind() == ErrorKind::ProxyAuthentication => "the proxy requires authentication",
        _ => error.message(),
    };
    let message = match message_of_proxy(error) {
        Some(message) => return with_details(error, message),
        None => message,
    };
    let message = match message.is_empty() {
        true => error.kind().as_str().replace('_', " "),
        false => with_local_cause(error, message),
    };
    with_details(error, message)
}

/// The message of a failure that comes from a proxy which forwards calls, or may come from it.
fn message_of_proxy(error: &agbcloud::Error) -> Option<String> {
    let proxy = proxy::active().filter(|proxy| proxy.forwards)?;
    let url = proxy.url();
    match error.kind() {
        ErrorKind::Connection if error.detail().is_none() && is_connect(error) => {
            Some(format!("can't connect to the proxy {url}"))
        }
        // The service always sends a code.
        ErrorKind::Unauthorized if error.code().is_none() => {
            Some(format!("the proxy {url} or a gateway refuses the call"))
        }
        _ => None,
    }
}

/// Whether no connection was made.
fn is_connect(error: &agbcloud::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        let client: Option<&hyper_util::client::legacy::Error> = error.downcast_ref();
        if client.is_some_and(hyper_util::client::legacy::Error::is_connect) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn with_details(error: &agbcloud::Error, message: String) -> String {
    let attempts = error.attempts().len();
    let details = [
        error.code().map(str::to_owned),
        error.status().map(|status| format!("HTTP {status}")),
        (attempts > 1).then(|| format!("{attempts} attempts")),
    ];
    let details: Vec<_> = details.into_iter().flatten().collect();
    match details.is_empty() {
        true => message,
        false => format!("{message} ({})", details.join(", ")),
    }
}

/// A text about an error, with the cause if a local file can't be used.
pub(crate) fn with_local_cause(error: &agbcloud::Error, text: impl Into<String>) -> String {
    let text = text.into();
    match error.source() {
        Some(cause) if error.local_path().is_some() => format!("{text}: {}", deepest(cause)),
        _ => text,
    }
}

/// The last error in a chain of causes.
fn deepest<'a>(mut cause: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause
}

/// The last error in the chain of causes. The ones before it only repeat that something failed.
///
/// `None` without a cause, and for errors whose [`message`] contains it: those about arguments and local files.
pub(crate) fn root_cause(error: &agbcloud::Error) -> Option<String> {
    if error.kind() == ErrorKind::InvalidArgument || error.local_path().is_some() {
        return None;
    }
    Some(deepest(error.source()?).to_string())
}

/// Whether a local file can't be written because its disk is full.
fn is_disk_full(error: &agbcloud::Error) -> bool {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let mut causes = causes.filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    let is_full = |kind| {
        matches!(
            kind,
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
        )
    };
    error.kind() == ErrorKind::LocalFile && causes.any(|cause| is_full(cause.kind()))
}

fn hint(error: &agbcloud::Error) -> Option<String> {
    if let Some(hint) = hint_for_proxy(error) {
        return Some(hint);
    }
    let glob = error.source().and_then(|source| source.downcast_ref());
    if let Some(glob) = glob.map(agbcloud::GlobError::hint) {
        return Some(glob.to_owned());
    }
    if error.detail() == Some(ErrorDetail::FileAndFolder) {
        return Some(other_name(error));
    }
    let of_detail = match error.detail() {
        Some(ErrorDetail::NoApiKey) => Some(NO_API_KEY_HINT),
        Some(ErrorDetail::ContextNotFound) => Some("list contexts with 'agb context list'"),
        Some(ErrorDetail::ContextClearing) => {
            Some("wait for the clear with 'agb context wait NAME'")
        }
        Some(ErrorDetail::NotTls) => Some("use http:// in the endpoint, or the port for https"),
        Some(ErrorDetail::NotHttp) => Some("use https:// in the endpoint, or the port for http"),
        Some(ErrorDetail::UntrustedCertificate) => {
            Some("check the endpoint, and trust its certificate or issuer with --ca-file FILE")
        }
        Some(ErrorDetail::CaCertificate) => Some(
            "give the server a certificate with CA:FALSE, for example of mkcert or 'openssl req -x509 -addext basicConstraints=CA:FALSE'",
        ),
        Some(ErrorDetail::ExpiredCertificate) => {
            Some("renew the certificate of the endpoint, and check the local clock")
        }
        Some(ErrorDetail::FutureCertificate) => Some("check the local clock"),
        Some(ErrorDetail::OtherHostCertificate) => {
            Some("use a host name of the certificate in the endpoint")
        }
        Some(ErrorDetail::ClientCertificateRejected) => {
            Some("pass --client-cert FILE and --client-key FILE")
        }
        Some(ErrorDetail::HostNotFound) => {
            Some("check the spelling of the endpoint and of the proxy, and the network")
        }
        Some(ErrorDetail::ProxyUnreachable) => {
            Some("check HTTPS_PROXY and ALL_PROXY, or add the endpoint to NO_PROXY")
        }
        Some(ErrorDetail::ProxyRefused) => {
            Some("allow the endpoint in the proxy, or add the endpoint to NO_PROXY")
        }
        Some(ErrorDetail::QuotaExceeded) => {
            Some("delete files, or ask the operator of the service for a higher limit")
        }
        Some(ErrorDetail::EmptySource { .. }) => {
            Some("check the source folder, or pass --max-delete 100% to delete all files")
        }
        _ => None,
    };
    let of_kind = || match error.kind() {
        ErrorKind::Unauthorized => Some("check the API key and the endpoint with 'agb doctor'"),
        ErrorKind::Connection | ErrorKind::InvalidResponse => {
            Some("find the cause with 'agb doctor'")
        }
        ErrorKind::ClearTimeout => {
            Some("the clear continues: wait for it with 'agb context wait NAME'")
        }
        ErrorKind::Tls => Some("check the scheme, the host and the port of the endpoint"),
        ErrorKind::WrongEndpoint => Some("check the endpoint and its path with 'agb doctor'"),
        ErrorKind::InsecureUrl => Some(
            "set the public URL of the service to https, or pass --allow-insecure-urls on a trusted network",
        ),
        ErrorKind::UrlRejected => Some("check the clock with 'agb doctor'"),
        ErrorKind::SafetyLimit => Some("preview with --dry-run, then raise --max-delete"),
        ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Timeout => {
            Some("try again later")
        }
        _ => None,
    };
    let of_disk = || match is_disk_full(error) {
        true => Some("free space on the disk, then run the same command"),
        false => None,
    };
    let hint = of_detail.or_else(of_disk).or_else(of_kind);
    hint.map(str::to_owned)
}

/// How to get a file or a folder whose name is also that of the other.
fn other_name(error: &agbcloud::Error) -> String {
    let (Some(context), Some(path)) = (error.context_id(), error.path()) else {
        return "rename one of the two, or choose another folder".to_owned();
    };
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    match path.strip_suffix('/') {
        Some(folder) => {
            let name = name(folder);
            let address = quote(format_args!("{context}:{path}"));
            let target = quote(format_args!("{name}.folder"));
            format!("get its contents: agb get -r {address} {target}")
        }
        None => format!(
            "get the file: agb get {} {}",
            quote(format_args!("{context}:{path}")),
            quote(format_args!("{}.file", name(path)))
        ),
    }
}

fn hint_for_proxy(error: &agbcloud::Error) -> Option<String> {
    let variable = || proxy::active().map_or("HTTPS_PROXY", |proxy| proxy.variable);
    if error.kind() == ErrorKind::ProxyAuthentication {
        return Some(format!("set {}=http://user:password@host:port", variable()));
    }
    message_of_proxy(error)?;
    Some(match error.kind() {
        ErrorKind::Unauthorized => {
            "allow the endpoint in the proxy, or add the endpoint to NO_PROXY".to_owned()
        }
        _ => format!("check {}, or add the endpoint to NO_PROXY", variable()),
    })
}
