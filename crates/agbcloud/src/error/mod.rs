//! The one error type of the SDK.

mod attempt;
mod classify;
mod detail;
mod io;
mod kind;
mod operation;
mod predicates;
mod record;
mod transport;

use std::{
    any::Any,
    borrow::Cow,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

pub use attempt::{Attempt, StoppedBy};
pub(crate) use classify::{
    DecodeContext, EnvelopeStatus, StoreError, http_date, is_redirect, request_id,
};
pub use detail::{ErrorDetail, Side};
pub use kind::ErrorKind;
pub use operation::Operation;
pub(crate) use transport::ResolveError;

use crate::text::escape_for_display;

/// The result of the fallible functions of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error of every fallible function of this crate.
///
/// Branch on [`kind`](Self::kind) and [`detail`](Self::detail) rather than on messages. `Display` writes one line with the
/// operation, the context and the path, the code and message of the service, and the request id;
/// [`source`](std::error::Error::source) has the cause, which `Display` does not repeat. Neither contains the API key, the signature of a presigned URL, or
/// a character that [`escape_for_display`](crate::escape_for_display) escapes.
///
/// ```
/// # agbcloud_doctest::run(async |client| {
/// use agbcloud::ErrorKind;
///
/// let error = client.contexts().get("SdkCtx-none").await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert_eq!(error.context_id(), Some("SdkCtx-none"));
/// assert_eq!(error.code(), Some("InvalidContext.NotFound"));
/// assert!(error.request_id().is_some());
/// # Ok(()) });
/// ```
///
/// `?` converts it to a [`std::io::Error`] of the nearest [kind](std::io::ErrorKind), from which it can be downcast.
#[derive(Clone)]
#[doc(alias = "AGBError")]
pub struct Error(Box<Inner>);

#[derive(Clone, Default)]
struct Inner {
    kind: Option<ErrorKind>,
    operation: Option<Operation>,
    /// The id of the context.
    context: Option<String>,
    /// Of a file or folder in the context.
    remote_path: Option<String>,
    status: Option<u16>,
    code: Option<String>,
    message: String,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    body_start: Option<String>,
    /// The connection was never established.
    unsent: bool,
    /// The response is from something in front of the service, such as a gateway.
    foreign: bool,
    attempts: Vec<Attempt>,
    stopped_by: Option<StoppedBy>,
    detail: Option<ErrorDetail>,
    side: Option<Side>,
    path: Option<PathBuf>,
    /// Data of a higher layer.
    extension: Option<Arc<dyn Any + Send + Sync>>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
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

    /// Sets the context that the error is about, if it has none.
    pub(crate) fn with_context(mut self, id: &str) -> Self {
        self.0.context.get_or_insert_with(|| id.to_owned());
        self
    }

    /// Sets the file or folder of the context that the error is about, if it has none.
    pub(crate) fn with_path(mut self, path: &str) -> Self {
        self.0.remote_path.get_or_insert_with(|| path.to_owned());
        self
    }

    /// Removes the context and the path, for the source of an error that has them.
    pub(crate) fn without_target(mut self) -> Self {
        self.0.context = None;
        self.0.remote_path = None;
        self
    }

    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(Arc::from(source.into()));
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

    /// Attaches data of a type that this module does not know.
    pub(crate) fn with_extension(mut self, extension: impl Any + Send + Sync) -> Self {
        self.0.extension = Some(Arc::new(extension));
        self
    }

    pub(crate) fn extension<T: Any>(&self) -> Option<&T> {
        self.0.extension.as_deref()?.downcast_ref()
    }

    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn with_message(mut self, message: impl Into<String>) -> Self {
        self.0.message = message.into();
        self
    }

    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// Whether the response is from something in front of the service, such as a gateway.
    pub(crate) fn is_foreign(&self) -> bool {
        self.0.foreign
    }

    pub(crate) fn was_sent(&self) -> bool {
        !self.0.unsent
    }

    /// The kind of failure, which decides what to do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind.unwrap_or(ErrorKind::Rejected)
    }

    /// The failed operation; `None` for an invalid argument that belongs to no operation.
    pub fn operation(&self) -> Option<Operation> {
        self.0.operation
    }

    /// The id of the context that the error is about, where that is known.
    pub fn context_id(&self) -> Option<&str> {
        self.0.context.as_deref()
    }

    /// The path of the file or folder in the context that the error is about, where that is known. The path of a local file
    /// is [`local_path`](Self::local_path).
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// let error = files.read("/none.txt").await.unwrap_err();
    /// assert_eq!(error.path(), Some("/none.txt"));
    /// assert!(error.to_string().contains("/none.txt"));
    /// # Ok(()) });
    /// ```
    pub fn path(&self) -> Option<&str> {
        self.0.remote_path.as_deref()
    }

    /// The HTTP status of the response, if there was one. It can be 200, since the service also reports failures with
    /// that status.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The code of the service, such as `InvalidContext.NotFound`; for a transfer that of the object store, such as
    /// `AccessDenied`.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The message, without code and request id.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Id of the request, to quote when you report a problem to the operator of the service.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How long the service asked to wait before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The start (up to 1 KiB) of a response that is not an envelope of the service, such as the HTML of a gateway. URLs in
    /// it have no queries.
    pub fn body_start(&self) -> Option<&str> {
        self.0.body_start.as_deref()
    }

    /// The attempts of the call, in order; the last one is this error. Empty if nothing was called.
    pub fn attempts(&self) -> &[Attempt] {
        &self.0.attempts
    }

    /// Whether the service may have executed the call in an attempt before the last one: its response was lost, or reported
    /// another checksum. After an upload under a condition that failed with status 412, the file may contain what was uploaded:
    /// read it before the change is made again.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// files.upload("/a.txt", b"one").await?;
    /// let error = files.upload("/a.txt", b"two").if_absent().await.unwrap_err();
    /// assert!(!error.earlier_attempt_may_be_done()); // another client has created it
    /// # Ok(()) });
    /// ```
    pub fn earlier_attempt_may_be_done(&self) -> bool {
        let earlier = self
            .attempts()
            .split_last()
            .map_or(&[][..], |(_, earlier)| earlier);
        earlier
            .iter()
            .any(|attempt| attempt.may_be_done() || attempt.kind == ErrorKind::Corrupted)
    }

    /// Why the call was not retried again; `None` if nothing was called.
    pub fn stopped_by(&self) -> Option<StoppedBy> {
        self.0.stopped_by
    }

    /// What exactly is missing, exists already or exceeds a limit, where that is known. Branch on this rather than on
    /// [`message`](Self::message).
    ///
    /// ```
    /// # agbcloud_doctest::run(async |client| {
    /// use agbcloud::{ContextId, ErrorDetail};
    ///
    /// let files = client.contexts().files(&ContextId::new("SdkCtx-none")?);
    /// let error = files.stat("/a.txt").await.unwrap_err();
    /// assert_eq!(error.detail(), Some(ErrorDetail::ContextNotFound));
    /// # Ok(()) });
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
}

/// Sets the operation of an error that has none.
pub(crate) fn in_operation(operation: Operation) -> impl Fn(Error) -> Error {
    move |error| error.with_operation(operation)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            operation,
            context,
            remote_path,
            status,
            code,
            message,
            request_id,
            retry_after,
            attempts,
            ..
        } = &*self.0;
        if let Some(operation) = operation {
            let path = remote_path.as_deref();
            let context = context.as_deref();
            f.write_str(operation.as_str())?;
            for (word, name) in [
                ("of", path),
                (if path.is_some() { "in" } else { "of" }, context),
            ] {
                if let Some(name) = name {
                    write!(f, " {word} {}", escape_for_display(name))?;
                }
            }
            f.write_str(" failed: ")?;
        }
        if let Some(code) = code {
            write!(f, "{}: ", escape_for_display(code))?;
        }
        f.write_str(&match message.is_empty() {
            true => Cow::Borrowed(self.kind().summary()),
            false => escape_for_display(message),
        })?;
        let throttled = self.kind() == ErrorKind::Throttled;
        let details = [
            status.map(|status| format!("HTTP {status}")),
            retry_after
                .filter(|_| throttled)
                .map(|wait| format!("retry after {} s", wait.as_secs())),
            request_id
                .as_ref()
                .map(|id| format!("request {}", escape_for_display(id))),
            (attempts.len() > 1).then(|| format!("{} attempts", attempts.len())),
        ];
        let details: Vec<String> = details.into_iter().flatten().collect();
        if details.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", details.join(", "))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            operation,
            context,
            remote_path,
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
            .field("context_id", context)
            .field("path", remote_path)
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
    fn display_has_operation_code_status_and_request_id() {
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
    fn display_names_the_path_and_the_context() {
        let error = Error::new(ErrorKind::Unavailable, "").with_operation(Operation::Upload);
        let error = error.with_context("SdkCtx-1");
        assert_eq!(
            error.to_string(),
            "Upload of SdkCtx-1 failed: the service is unavailable"
        );
        let error = error.with_path("/a\n.txt").with_path("/");
        assert_eq!(
            error.to_string(),
            "Upload of /a\\n.txt in SdkCtx-1 failed: the service is unavailable"
        );
        assert_eq!(
            (error.context_id(), error.path()),
            (Some("SdkCtx-1"), Some("/a\n.txt"))
        );
    }

    #[test]
    fn display_is_one_escaped_line() {
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
