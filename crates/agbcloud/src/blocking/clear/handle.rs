//! A clear that runs in the service.

use std::time::Duration;

use crate::{
    Cleared, ContextId, ContextState, Response, Result,
    blocking::{Driver, Iter},
};

/// What each look at a clear shows, until it is done: from [`ClearHandle::statuses`]. It looks only in `next`.
pub type ClearStatuses = Iter<crate::ClearStatuses>;

/// A clear that was started: here by [`Clear::start`](super::Clear::start), elsewhere and taken up by
/// [`Contexts::resume_clear`](crate::blocking::Contexts::resume_clear), or not done in time and taken up by
/// [`Contexts::resume`](crate::blocking::Contexts::resume). Dropping it stops nothing.
#[derive(Debug, Clone)]
pub struct ClearHandle {
    inner: crate::ClearHandle,
    driver: Driver,
}

impl ClearHandle {
    pub(in crate::blocking) fn new(inner: crate::ClearHandle, driver: Driver) -> Self {
        Self { inner, driver }
    }

    /// How long [`wait`](Self::wait) and [`statuses`](Self::statuses) wait at most, from their call: see
    /// [`Clear::timeout`](crate::Clear::timeout).
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.inner = self.inner.with_timeout(timeout);
        self
    }

    /// The longest time between two looks: see [`Clear::poll_interval`](crate::Clear::poll_interval).
    #[must_use]
    pub fn with_poll_interval(mut self, interval: Duration) -> Self {
        self.inner = self.inner.with_poll_interval(interval);
        self
    }

    /// The context that is being cleared.
    pub fn context_id(&self) -> &ContextId {
        self.inner.context_id()
    }

    /// Looks once: `clearing`, or `available` once it is done.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// let context = client.contexts().get_or_create("my-project").send()?;
    /// let handle = client.contexts().clear(&context.id).start()?;
    /// println!("the context is {}", handle.status()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if the context was deleted meanwhile, and those of any call.
    #[doc(alias = "get_clear_status")]
    pub fn status(&self) -> Result<Response<ContextState>> {
        self.driver.run(self.inner.status())?
    }

    /// Waits until the context is `available` again: see [`ClearHandle::wait`](crate::ClearHandle::wait).
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # use std::time::Duration;
    /// let context = client.contexts().get_or_create("my-project").send()?;
    /// let handle = client.contexts().resume_clear(&context.id).with_poll_interval(Duration::from_millis(200));
    /// let cleared = handle.wait()?;
    /// println!("seen after {:?} and {} looks", cleared.elapsed, cleared.polls);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ClearTimeout`](crate::ErrorKind::ClearTimeout) if it takes longer than the timeout:
    /// [`Contexts::resume`](crate::blocking::Contexts::resume) waits on;
    /// [`NotFound`](crate::ErrorKind::NotFound) if the context was deleted meanwhile,
    /// [`Unauthorized`](crate::ErrorKind::Unauthorized) and the like at once.
    pub fn wait(&self) -> Result<Cleared> {
        self.driver.run(self.inner.wait())?
    }

    /// The same looks as an iterator. It ends after the status with which the clear is done, or with the error that
    /// [`wait`](Self::wait) would give. The time for it is counted from this call.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # use std::time::Duration;
    /// let context = client.contexts().get_or_create("my-project").send()?;
    /// let clear = client.contexts().clear(&context.id).poll_interval(Duration::from_millis(200));
    /// for status in clear.start()?.statuses() {
    ///     let status = status?;
    ///     println!("{} after {:?}", status.state, status.elapsed);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn statuses(&self) -> ClearStatuses {
        Iter::new(self.inner.statuses(), self.driver.clone())
    }
}
