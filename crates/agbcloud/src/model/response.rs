//! A value with its request id.

use crate::error::Result;

/// The value of a successful call and the id of the request: from [`Request::with_response`](crate::Request::with_response),
/// and what a `ContextApi` of the module `testing` returns.
///
/// Calls return plain values, so that `let id = contexts.get_or_create("my-project").await?.id` compiles: a type that
/// dereferences to its value would not let a field be moved out, and would not be taken where the value is. `google-cloud-gax`
/// makes the same decision: its stubs return a `Response`, and its builders the body. The AWS SDK adds the request id to each
/// output, which here would become part of every stored and compared context. The id of a successful call is rarely asked for;
/// it is in [errors](crate::Error::request_id), pages, transfers and spans, and otherwise here.
///
/// ```
/// # agbcloud_doctest::run(async |client| {
/// let response = client.contexts().get_or_create("my-project").with_response().await?;
/// println!("request {:?}", response.request_id());
/// let (context, request_id) = response.into_parts();
/// assert_eq!(context.name, "my-project");
/// # Ok(()) });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[doc(alias = "ApiResponse")]
#[doc(alias = "ContextResult")]
#[doc(alias = "OperationResult")]
pub struct Response<T> {
    value: T,
    request_id: Option<String>,
    announces_file_urls: bool,
}

impl<T> Response<T> {
    pub(crate) fn new(value: T, request_id: Option<String>) -> Self {
        Self {
            value,
            request_id,
            announces_file_urls: false,
        }
    }

    /// Sets whether the response announces the extension `file-urls`.
    pub(crate) fn announcing_file_urls(mut self, announces: bool) -> Self {
        self.announces_file_urls = announces;
        self
    }

    pub(crate) fn announces_file_urls(&self) -> bool {
        self.announces_file_urls
    }

    /// Id of the request, to quote when you report a problem.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The value.
    pub fn get_ref(&self) -> &T {
        &self.value
    }

    /// Returns the value without the request id.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// Returns the value and the request id.
    pub fn into_parts(self) -> (T, Option<String>) {
        (self.value, self.request_id)
    }

    /// Converts the value and keeps the request id.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Response<U> {
        Response::new(f(self.value), self.request_id).announcing_file_urls(self.announces_file_urls)
    }

    pub(crate) fn try_map<U>(self, f: impl FnOnce(T) -> Result<U>) -> Result<Response<U>> {
        match f(self.value) {
            Ok(value) => Ok(Response::new(value, self.request_id)
                .announcing_file_urls(self.announces_file_urls)),
            Err(error) => Err(error.with_request_id(self.request_id)),
        }
    }
}
