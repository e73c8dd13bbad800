//! Errors for tests.

use std::time::Duration;

use crate::{Error, ErrorDetail, ErrorKind, Operation, wire::ResponseFuture};

/// Builds an error of this kind, for the tests of code that handles errors.
///
/// ```
/// use agbcloud::{Error, ErrorKind, testing::error};
///
/// let error: Error = error(ErrorKind::NotFound).status(404).code("InvalidFile.NotFound").path("/a.txt").into();
/// assert!(error.is_not_found());
/// assert_eq!((error.status(), error.path()), (Some(404), Some("/a.txt")));
/// ```
///
/// [`fail`] returns it from a [`ContextApi`](super::ContextApi).
pub fn error(kind: ErrorKind) -> ErrorBuilder {
    ErrorBuilder(Error::new(kind, ""))
}

/// Builds an [`Error`]: from [`error`]. What is not set is `None`.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct ErrorBuilder(Error);

impl ErrorBuilder {
    /// Sets the message. Defaults to a description of the kind.
    pub fn message(self, message: impl Into<String>) -> Self {
        Self(self.0.with_message(message))
    }

    /// Sets the HTTP status.
    pub fn status(self, status: u16) -> Self {
        Self(self.0.with_status(status))
    }

    /// Sets the code of the service or the store, such as `InvalidFile.NotFound`. It determines
    /// [`Error::detail`] unless that is set.
    pub fn code(self, code: impl Into<String>) -> Self {
        Self(self.0.with_code(code))
    }

    /// Sets the request id.
    pub fn request_id(self, id: impl Into<String>) -> Self {
        Self(self.0.with_request_id(Some(id.into())))
    }

    /// Sets how long the service asks to wait.
    pub fn retry_after(self, wait: Duration) -> Self {
        Self(self.0.with_retry_after(wait))
    }

    /// Sets the operation.
    pub fn operation(self, operation: Operation) -> Self {
        Self(self.0.with_operation(operation))
    }

    /// Sets the id of the context.
    pub fn context_id(self, id: impl AsRef<str>) -> Self {
        Self(self.0.with_context(id.as_ref()))
    }

    /// Sets the path of the file or folder in the context.
    pub fn path(self, path: impl AsRef<str>) -> Self {
        Self(self.0.with_path(path.as_ref()))
    }

    /// Sets the path of the local file.
    pub fn local_path(self, path: impl Into<std::path::PathBuf>) -> Self {
        Self(self.0.with_local_path(path))
    }

    /// Sets the detail.
    pub fn detail(self, detail: ErrorDetail) -> Self {
        Self(self.0.with_detail(detail))
    }

    /// Sets the source.
    pub fn source(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(self.0.with_source(source))
    }

    /// Returns the error.
    pub fn build(self) -> Error {
        self.0
    }
}

impl From<ErrorBuilder> for Error {
    fn from(builder: ErrorBuilder) -> Self {
        builder.build()
    }
}

/// An immediate failure, for a [`ContextApi`](super::ContextApi). The SDK retries it like any other failure of its kind: see
/// [`RetryPolicy`](crate::RetryPolicy).
pub fn fail<T>(error: impl Into<Error>) -> ResponseFuture<T> {
    let error = error.into();
    Box::pin(async { Err(error) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Client, RetryPolicy, testing::MockContextApi};

    #[test]
    fn each_field_can_be_set() {
        let built = error(ErrorKind::Throttled)
            .message("slow down")
            .status(429)
            .code("Throttling.User")
            .request_id("r-1")
            .retry_after(Duration::from_secs(3))
            .operation(Operation::Upload)
            .context_id("SdkCtx-1")
            .path("/a")
            .source(std::io::Error::other("cause"))
            .build();
        assert!(built.is_throttled() && built.is_transient());
        assert_eq!(built.retry_after(), Some(Duration::from_secs(3)));
        assert_eq!(
            built.to_string(),
            "Upload of /a in SdkCtx-1 failed: Throttling.User: slow down (HTTP 429, retry after 3 s, request r-1)"
        );
        let built = error(ErrorKind::Conflict).detail(ErrorDetail::TargetExists);
        assert_eq!(built.build().detail(), Some(ErrorDetail::TargetExists));
        let built = error(ErrorKind::LocalFile).local_path("a.txt").build();
        assert_eq!(built.local_path(), Some(std::path::Path::new("a.txt")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_mock_can_fail_with_it() {
        let mut api = MockContextApi::new();
        api.expect_get_context()
            .times(1)
            .returning(|_| fail(error(ErrorKind::Unavailable).status(503)));
        let client = Client::builder().stub(api).retry(RetryPolicy::never());
        let contexts = client.build().unwrap().contexts();
        let failed = contexts.get("SdkCtx-1").await.unwrap_err();
        assert_eq!(
            (failed.status(), failed.context_id()),
            (Some(503), Some("SdkCtx-1"))
        );
    }
}
