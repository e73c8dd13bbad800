//! A call without options.

use std::fmt;

use super::driver::Driver;
use crate::{Response, Result};

/// A call that has not been sent: [`agbcloud::Request`](crate::Request) with blocking calls. From
/// [`Contexts::get`](super::Contexts::get) and other calls without options.
///
/// ```
/// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
/// let context = client.contexts().get(&context.id).send()?;
/// let response = client.contexts().rename(&context.id, "our-project").with_response()?;
/// println!("renamed by request {:?}", response.request_id());
/// # Ok(()) });
/// ```
#[must_use = "a call does nothing until it is sent"]
pub struct Request<T> {
    inner: crate::Request<T>,
    driver: Driver,
}

impl<T> Request<T> {
    pub(super) fn new(inner: crate::Request<T>, driver: Driver) -> Self {
        Self { inner, driver }
    }

    /// Sends the call, and blocks until its value is there.
    ///
    /// # Errors
    ///
    /// Those of the method that returned this.
    pub fn send(self) -> Result<T> {
        self.driver.run(self.inner.send())?
    }

    /// Sends the call, and blocks until its value and the request id are there.
    ///
    /// # Errors
    ///
    /// Those of the method that returned this.
    pub fn with_response(self) -> Result<Response<T>> {
        self.driver.run(self.inner.with_response())?
    }
}

impl<T> Clone for Request<T> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            driver: self.driver.clone(),
        }
    }
}

impl<T> fmt::Debug for Request<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
