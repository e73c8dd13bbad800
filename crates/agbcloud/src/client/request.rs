//! A call without options.

use std::{fmt, future::IntoFuture, sync::Arc};

use futures_core::future::BoxFuture;

use crate::{error::Result, model::Response};

/// A call that has not been sent: await it. It returns the value, and [`with_response`](Self::with_response) the request id
/// too. From [`Contexts::get`](crate::Contexts::get) and other calls without options.
///
/// ```
/// # agbcloud_doctest::run_with_context(async |client, context, files| {
/// let context = client.contexts().get(&context.id).await?;
/// let response = client.contexts().rename(&context.id, "our-project").with_response().await?;
/// println!("renamed by request {:?}", response.request_id());
/// # Ok(()) });
/// ```
#[must_use = "a call does nothing until it is awaited"]
pub struct Request<T>(Arc<dyn Fn() -> BoxFuture<'static, Result<Response<T>>> + Send + Sync>);

impl<T> Request<T> {
    /// A call that is made of a copy of its arguments each time that it is sent.
    pub(crate) fn new<A, F>(arguments: A, call: impl Fn(A) -> F + Send + Sync + 'static) -> Self
    where
        A: Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response<T>>> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(call(arguments.clone()))))
    }

    /// Sends the call and returns its value, as awaiting it does.
    ///
    /// # Errors
    ///
    /// Those of the method that returned this.
    pub async fn send(self) -> Result<T> {
        Ok(self.with_response().await?.into_inner())
    }

    /// Sends the call and returns its value with the request id.
    ///
    /// # Errors
    ///
    /// Those of the method that returned this.
    pub async fn with_response(self) -> Result<Response<T>> {
        (self.0)().await
    }
}

impl<T> Clone for Request<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Send + 'static> IntoFuture for Request<T> {
    type Output = Result<T>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl<T> fmt::Debug for Request<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").finish_non_exhaustive()
    }
}
