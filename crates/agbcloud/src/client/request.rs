//! A call without options.

use std::{fmt, future::IntoFuture};

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
pub struct Request<T>(BoxFuture<'static, Result<Response<T>>>);

impl<T> Request<T> {
    pub(crate) fn new(call: impl Future<Output = Result<Response<T>>> + Send + 'static) -> Self {
        Self(Box::pin(call))
    }

    /// Sends the call and returns its value, as awaiting it does.
    ///
    /// # Errors
    ///
    /// Those of the method that returned this.
    pub async fn send(self) -> Result<T> {
        Ok(self.0.await?.into_inner())
    }

    /// Sends the call and returns its value with the request id.
    ///
    /// # Errors
    ///
    /// Those of the method that returned this.
    pub async fn with_response(self) -> Result<Response<T>> {
        self.0.await
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
