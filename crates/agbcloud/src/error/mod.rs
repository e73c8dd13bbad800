//! The one error type of the SDK.

mod classify;
mod clear_timed_out;
mod detail;
mod escape;
mod kind;
mod operation;
mod query;
mod text;

use std::{
    borrow::Cow,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

pub(crate) use classify::{Reading, StoreRefusal, Verdict, date, request_id};
pub use clear_timed_out::ClearTimedOut;
pub use detail::{ErrorDetail, Side};
pub use kind::ErrorKind;
pub use operation::Operation;

use crate::{Attempt, StoppedBy, escape_for_display};
pub(crate) use text::{redact, snippet, take_out};

/// What every fallible function of this crate gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be done.
///
/// One opaque type: ask [`kind`](Self::kind) what to do about it, and the other methods for the details. Its
/// `Display` is one line with the operation, the service's code and message, and the request id; causes are
/// in [`source`](std::error::Error::source). It never contains the API key, a
/// presigned URL's signature, or a character that [`escape_for_display`] escapes.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let service = agbcloud_server::Server::builder().start().await?;
/// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
/// use agbcloud::{ContextId, ErrorKind};
///
/// let error = client.contexts().get(&ContextId::new("SdkCtx-none")?).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert_eq!(error.code(), Some("InvalidContext.NotFound"));
/// assert!(error.request_id().is_some());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "AGBError")]
pub struct Error(Box<Inner>);

#[derive(Default)]
struct Inner {
    kind: Option<ErrorKind>,
    operation: Option<Operation>,
    status: Option<u16>,
    code: Option<String>,
    message: String,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    body_start: Option<String>,
    /// The connection was not even made.
    unsent: bool,
    /// The answer is of something in front of the service.
    foreign: bool,
    attempts: Vec<Attempt>,
    stopped_by: Option<StoppedBy>,
    detail: Option<ErrorDetail>,
    side: Option<Side>,
    path: Option<PathBuf>,
    clear_timeout: Option<ClearTimedOut>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind: Some(kind),
            message: message.into(),
            ..Inner::default()
        }))
    }

    pub(crate) fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    pub(crate) fn with_operation(mut self, operation: Operation) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    pub(crate) fn with_request_id(mut self, request_id: Option<String>) -> Self {
        self.0.request_id = request_id;
        self
    }

    pub(crate) fn with_attempts(mut self, attempts: Vec<Attempt>, stopped_by: StoppedBy) -> Self {
        self.0.attempts = attempts;
        self.0.stopped_by = Some(stopped_by);
        self
    }

    pub(crate) fn with_detail(mut self, detail: ErrorDetail) -> Self {
        self.0.detail = Some(detail);
        self
    }

    /// Sets the local path that the error is about.
    pub(crate) fn with_local_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.0.side = Some(Side::Local);
        self.0.path = Some(path.into());
        self
    }

    pub(crate) fn with_clear_timeout(mut self, late: ClearTimedOut) -> Self {
        self.0.clear_timeout = Some(late);
        self
    }

    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// Whether something in front of the service has answered, and not the service.
    pub(crate) fn is_foreign(&self) -> bool {
        self.0.foreign
    }

    pub(crate) fn was_sent(&self) -> bool {
        !self.0.unsent
    }

    /// What kind of failure this is, and so what to do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind.unwrap_or(ErrorKind::Rejected)
    }

    /// What was attempted; `None` for a value that was refused before any operation was known.
    pub fn operation(&self) -> Option<Operation> {
        self.0.operation
    }

    /// The HTTP status of the answer, if there was one. It can be 200: a failure may come inside a good answer.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The service's dotted code, `InvalidContext.NotFound`; for a transfer the object store's, `AccessDenied`.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// What went wrong, without code and request id.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Id of the call, to quote when a problem is reported to whoever runs the service.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How long the service asked to wait before the next try.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The start (up to 1 KiB) of an answer that was not the envelope it should have been, a gateway's HTML say, without
    /// the queries of the URLs in it.
    pub fn body_start(&self) -> Option<&str> {
        self.0.body_start.as_deref()
    }

    /// The tries of the call, in order; the last is this error. Empty where nothing was called.
    pub fn attempts(&self) -> &[Attempt] {
        &self.0.attempts
    }

    /// Why the call was not tried once more; `None` where nothing was called.
    pub fn stopped_by(&self) -> Option<StoppedBy> {
        self.0.stopped_by
    }

    /// What exactly is missing, in the way or over a limit, where that is known. Branch on this rather than on
    /// [`message`](Self::message).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// use agbcloud::{ContextId, ErrorDetail};
    ///
    /// let files = client.contexts().files(&ContextId::new("SdkCtx-none")?);
    /// let error = files.stat("/a.txt").await.unwrap_err();
    /// assert_eq!(error.detail(), Some(ErrorDetail::ContextNotFound));
    /// # Ok(())
    /// # }
    /// ```
    pub fn detail(&self) -> Option<ErrorDetail> {
        let code = self.code().unwrap_or_default();
        self.0
            .detail
            .or_else(|| ErrorDetail::of_code(self.kind(), code))
    }

    /// Where the failure is: the local file system, or the service and its object store. `None` where it is neither,
    /// for example for a setting or an argument.
    pub fn side(&self) -> Option<Side> {
        self.0.side.or_else(|| Side::of_kind(self.kind()))
    }

    /// The local file that the error is about, where that is known.
    pub fn local_path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// What is known of a clear that did not end in time: `Some` for [`ClearTimeout`](ErrorKind::ClearTimeout) only.
    /// [`ClearTimedOut`] has an example.
    pub fn clear_timeout(&self) -> Option<&ClearTimedOut> {
        self.0.clear_timeout.as_ref()
    }

    /// Whether the same call could succeed later: the connection failed, it took too long, or the service or
    /// something in front of it was busy or broken, which an answer that makes no sense is a sign of. What is worth a
    /// try later is not always tried again at once: see [`RetryPolicy`](crate::RetryPolicy).
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Connection
                | ErrorKind::Timeout
                | ErrorKind::Throttled
                | ErrorKind::Unavailable
                | ErrorKind::InvalidResponse
        )
    }
}

/// Says what was attempted, where the error does not say it yet.
pub(crate) fn in_operation(operation: Operation) -> impl Fn(Error) -> Error {
    move |error| error.with_operation(operation)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            operation,
            status,
            code,
            message,
            request_id,
            attempts,
            ..
        } = &*self.0;
        if let Some(operation) = operation {
            write!(f, "{operation} failed: ")?;
        }
        if let Some(code) = code {
            write!(f, "{}: ", escape_for_display(code))?;
        }
        f.write_str(&match message.is_empty() {
            true => Cow::Borrowed(self.kind().summary()),
            false => escape_for_display(message),
        })?;
        let told = [
            status.map(|status| format!("HTTP {status}")),
            request_id
                .as_ref()
                .map(|id| format!("request {}", escape_for_display(id))),
            (attempts.len() > 1).then(|| format!("tried {} times", attempts.len())),
        ];
        let told: Vec<String> = told.into_iter().flatten().collect();
        if told.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", told.join(", "))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            operation,
            status,
            code,
            message,
            request_id,
            retry_after,
            attempts,
            stopped_by,
            path,
            source,
            ..
        } = &*self.0;
        f.debug_struct("Error")
            .field("kind", &self.kind())
            .field("operation", operation)
            .field("status", status)
            .field("code", code)
            .field("message", message)
            .field("request_id", request_id)
            .field("retry_after", retry_after)
            .field("attempts", attempts)
            .field("stopped_by", stopped_by)
            .field("detail", &self.detail())
            .field("local_path", path)
            .field("source", source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_one_line_with_all_there_is_to_quote() {
        let mut error = Error::new(ErrorKind::NotFound, "no such context")
            .with_operation(Operation::GetContext)
            .with_request_id(Some("r-1".into()));
        error.0.code = Some("InvalidContext.NotFound".into());
        error.0.status = Some(404);
        assert_eq!(
            error.to_string(),
            "GetContext failed: InvalidContext.NotFound: no such context (HTTP 404, request r-1)"
        );
    }

    #[test]
    fn display_is_one_line_whatever_is_in_it() {
        let mut error = Error::new(
            ErrorKind::LocalFile,
            "can't read a\nerror: forged\u{9b}31m\u{202e}",
        )
        .with_request_id(Some("r\u{1b}[0m\u{2028}".into()));
        error.0.code = Some("A.B\t".into());
        assert_eq!(
            error.to_string(),
            "A.B\\t: can't read a\\nerror: forged\\u{9b}31m\\u{202e} (request r\\u{1b}[0m\\u{2028})"
        );
    }

    #[test]
    fn an_error_is_small() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
