//! Clearing a context: starting it, waiting for it, taking it up again.

mod cadence;
#[cfg(test)]
mod comparison;
mod handle;
mod status;
mod statuses;
#[cfg(test)]
mod tests;
mod watch;

use std::{future::IntoFuture, time::Duration};

use futures_core::future::BoxFuture;

pub use handle::ClearHandle;
pub use status::ClearStatus;
pub use statuses::ClearStatuses;

use status::Listener;

use crate::{
    Client, ContextId, Operation, Response, Result,
    wire::{Call, call},
};

/// How long a clear is waited for when nothing else is said.
pub const DEFAULT_CLEAR_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest time between two looks at a clear when nothing else is said.
pub const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(2);

/// The start of a clear is given so much time at least, whatever the timeout: what is not started can't be waited for.
const START: Duration = Duration::from_secs(1);

/// How a clear is waited for.
#[derive(Debug, Clone, Copy)]
struct Patience {
    timeout: Duration,
    poll_interval: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            timeout: DEFAULT_CLEAR_TIMEOUT,
            poll_interval: DEFAULT_POLL_INTERVAL,
        }
    }
}

/// A clear that has not been sent: await it to clear and wait, or [`start`](Self::start) it.
/// From [`Contexts::clear`](crate::Contexts::clear).
///
/// The service answers when the files are gone from view, and deletes them in the background: the context is
/// `clearing` until then, `available` after.
#[derive(Debug, Clone)]
#[must_use = "a clear does nothing until it is awaited or started"]
pub struct Clear {
    client: Client,
    id: ContextId,
    patience: Patience,
    listener: Listener,
}

/// A clear that has ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "ClearContextResult")]
pub struct Cleared {
    /// Time from the start of the clear to the look that saw it done. For a clear that was
    /// [resumed](crate::Contexts::resume_clear), from the start of the waiting.
    pub elapsed: Duration,
    /// How often the state was looked at.
    pub polls: u32,
}

impl Clear {
    pub(crate) fn new(client: Client, id: ContextId) -> Self {
        Self {
            client,
            id,
            patience: Patience::default(),
            listener: Listener::default(),
        }
    }

    /// How long it may take when it is awaited, in real time, the start and all calls included; when it is
    /// [started](Self::start), how long the handle waits. [`DEFAULT_CLEAR_TIMEOUT`] if not said. The last look begins when
    /// the time is up and is given one poll interval to answer, from 1 s to 2 s; a start is given 1 s at least.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.patience.timeout = timeout;
        self
    }

    /// The longest time between two looks; [`DEFAULT_POLL_INTERVAL`] if not said, at least 10 ms. The first looks come
    /// sooner: after 100 ms, then at distances that grow with the time already waited.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.patience.poll_interval = interval;
        self
    }

    /// Calls this after each look that got an answer, in the task that waits: it should be quick. A second listener
    /// takes the place of the first.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # use std::time::Duration;
    /// let context = client.contexts().get_or_create("my-project").await?;
    /// let clear = client.contexts().clear(&context.id).poll_interval(Duration::from_millis(200));
    /// clear.on_status(|status| println!("{} after {:?}", status.state, status.elapsed)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_status(mut self, listener: impl Fn(&ClearStatus) + Send + Sync + 'static) -> Self {
        self.listener = Listener::new(listener);
        self
    }

    /// Starts the clear and does not wait. Dropping the handle does not stop the clear.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # use std::time::Duration;
    /// let context = client.contexts().get_or_create("my-project").await?;
    /// let clear = client.contexts().clear(&context.id).poll_interval(Duration::from_millis(200));
    /// let handle = clear.start().await?;
    /// // … do something else …
    /// handle.wait().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such context, and those of any call.
    #[doc(alias = "clear_async")]
    pub async fn start(self) -> Result<Response<ClearHandle>> {
        self.start_within(None).await
    }

    async fn start_within(self, limit: Option<Duration>) -> Result<Response<ClearHandle>> {
        let id = self.id.clone();
        let what = Call {
            limit,
            ..Call::from((Operation::ClearContext, &id))
        };
        let response = call(&self.client, what, |api| api.clear_context(id.clone())).await?;
        Ok(response
            .map(|_| ClearHandle::started(self.client, self.id, self.patience, self.listener)))
    }

    async fn run(self) -> Result<Cleared> {
        let timeout = self.patience.timeout;
        let deadline = self.client.time().later(timeout);
        let started = self.start_within(Some(timeout.max(START))).await?;
        started.wait_until(deadline).await
    }
}

impl IntoFuture for Clear {
    type Output = Result<Cleared>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
