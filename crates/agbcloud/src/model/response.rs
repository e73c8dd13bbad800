//! The result of a successful call.

use std::{fmt, ops::Deref};

use crate::error::Result;

/// The value of a successful call and the id of the request. It dereferences to the value.
///
/// ```
/// # agbcloud_doctest::run(async |client| {
/// let response = client.contexts().get_or_create("my-project").await?;
/// assert_eq!(response.name, "my-project");
/// assert!(response.request_id().is_some());
/// let context = response.into_inner();
/// # Ok(()) });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[doc(alias = "ApiResponse")]
#[doc(alias = "ContextResult")]
#[doc(alias = "OperationResult")]
pub struct Response<T> {
    value: T,
    request_id: Option<String>,
}

impl<T> Response<T> {
    pub(crate) fn new(value: T, request_id: Option<String>) -> Self {
        Self { value, request_id }
    }

    /// Id of the request, to quote when you report a problem.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Returns the value without the request id.
    pub fn into_inner(self) -> T {
        self.value
    }

    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Response<U> {
        Response::new(f(self.value), self.request_id)
    }

    pub(crate) fn try_map<U>(self, f: impl FnOnce(T) -> Result<U>) -> Result<Response<U>> {
        match f(self.value) {
            Ok(value) => Ok(Response::new(value, self.request_id)),
            Err(error) => Err(error.with_request_id(self.request_id)),
        }
    }
}

impl<T: fmt::Display> fmt::Display for Response<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T> Deref for Response<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
