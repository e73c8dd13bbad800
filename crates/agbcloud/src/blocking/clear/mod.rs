//! Clearing a context: starting it, waiting for it, taking it up again.

mod handle;

use std::time::Duration;

pub use handle::{ClearHandle, ClearStatuses};

use super::Driver;
use crate::{ClearStatus, Cleared, Response, Result};

/// A clear that has not been sent: [`send`](Self::send) it to clear and wait, or [`start`](Self::start) it.
/// From [`Contexts::clear`](super::Contexts::clear).
#[derive(Debug, Clone)]
#[must_use = "a clear does nothing until it is sent or started"]
pub struct Clear {
    inner: crate::Clear,
    driver: Driver,
}

impl Clear {
    pub(super) fn new(inner: crate::Clear, driver: Driver) -> Self {
        Self { inner, driver }
    }

    /// How long it is waited for: see [`Clear::timeout`](crate::Clear::timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.inner = self.inner.timeout(timeout);
        self
    }

    /// The longest time between two looks: see [`Clear::poll_interval`](crate::Clear::poll_interval).
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.inner = self.inner.poll_interval(interval);
        self
    }

    /// Calls this after each look that got an answer, on the thread that waits. A second listener takes the place
    /// of the first.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # use std::time::Duration;
    /// let context = client.contexts().get_or_create("my-project").send()?;
    /// let clear = client.contexts().clear(&context.id).poll_interval(Duration::from_millis(200));
    /// clear.on_status(|status| println!("{} after {:?}", status.state, status.elapsed)).send()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_status(mut self, listener: impl Fn(&ClearStatus) + Send + Sync + 'static) -> Self {
        self.inner = self.inner.on_status(listener);
        self
    }

    /// Starts the clear and waits for it.
    ///
    /// # Errors
    ///
    /// [`ClearTimeout`](crate::ErrorKind::ClearTimeout) if it takes longer than the timeout:
    /// [`Contexts::resume`](super::Contexts::resume) waits on. Those of [`start`](Self::start) and
    /// [`wait`](ClearHandle::wait).
    pub fn send(self) -> Result<Cleared> {
        self.driver.run(self.inner)?
    }

    /// Starts the clear and does not wait. Dropping the handle does not stop the clear.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # use std::time::Duration;
    /// let context = client.contexts().get_or_create("my-project").send()?;
    /// let handle = client.contexts().clear(&context.id).poll_interval(Duration::from_millis(200)).start()?;
    /// // … do something else …
    /// handle.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such context, and those of any call.
    #[doc(alias = "clear_async")]
    pub fn start(self) -> Result<Response<ClearHandle>> {
        let started = self.driver.run(self.inner.start())??;
        Ok(started.map(|handle| ClearHandle::new(handle, self.driver)))
    }
}
