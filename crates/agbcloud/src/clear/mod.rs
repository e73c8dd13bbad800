//! Clearing a context: start, wait, resume.

#[cfg(test)]
mod comparison;
mod handle;
mod poll;
mod resume;
mod statuses;
#[cfg(test)]
mod tests;
mod timed_out;

use std::{fmt, future::IntoFuture, sync::Arc, time::Duration};

use futures_core::future::BoxFuture;
use serde::{Deserialize, Serialize};

pub use handle::ClearHandle;
pub use resume::{ResumeClear, Resumed};
pub use statuses::ClearStatuses;
pub use timed_out::ClearTimedOut;

use poll::PollTarget;

use crate::{
    client::{Call, Client, call},
    error::{Operation, Result, in_operation},
    model::{ContextId, ContextState},
    wire::ContextApi,
};

/// The default of [`Clear::timeout`].
pub const DEFAULT_CLEAR_TIMEOUT: Duration = Duration::from_secs(60);

/// The default of [`Clear::poll_interval`].
pub const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Minimum time for the call that starts the clear, whatever the timeout.
const MIN_START_TIMEOUT: Duration = Duration::from_secs(1);

/// How to wait for a clear.
#[derive(Debug, Clone, Copy)]
struct WaitOptions {
    timeout: Duration,
    poll_interval: Duration,
}

impl Default for WaitOptions {
    fn default() -> Self {
        Self {
            timeout: DEFAULT_CLEAR_TIMEOUT,
            poll_interval: DEFAULT_POLL_INTERVAL,
        }
    }
}

/// A request to clear a context: await it to clear and wait, or [`start`](Self::start) it.
/// From [`Contexts::clear`](crate::Contexts::clear).
///
/// The service responds when the files are no longer visible, and deletes them in the background. The context is
/// `clearing` until then, and `available` afterwards.
#[derive(Debug, Clone)]
#[must_use = "a clear does nothing until it is awaited or started"]
pub struct Clear {
    client: Client,
    id: Result<ContextId>,
    options: WaitOptions,
    listener: StatusListener,
}

/// A clear that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[doc(alias = "ClearContextResult")]
pub struct Cleared {
    /// Time from the start of the clear to the poll that saw it done. For a clear that was started
    /// [elsewhere](crate::Contexts::resume_clear), from the start of the wait.
    pub elapsed: Duration,
    /// Number of polls.
    pub polls: u32,
    /// Whether the context was seen `clearing`. It is not if the clear takes less time than the first poll.
    pub seen_clearing: bool,
}

/// The result of one poll of a clear: from [`ClearHandle::statuses`](crate::ClearHandle::statuses) and
/// [`Clear::on_status`](crate::Clear::on_status).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClearStatus {
    /// The state of the context. An unknown state is [`Other`](crate::ContextState::Other).
    pub state: ContextState,
    /// Time from the start of the clear to the response of the poll. For a clear that was
    /// [resumed](crate::Contexts::resume_clear), from the start of the wait.
    pub elapsed: Duration,
    /// Number of polls so far, this one and failed ones included.
    pub polls: u32,
    /// Id of the request, to quote when you report a problem.
    pub request_id: Option<String>,
}

type StatusCallback = dyn Fn(&ClearStatus) + Send + Sync;

/// The callback of [`Clear::on_status`].
#[derive(Clone, Default)]
struct StatusListener(Option<Arc<StatusCallback>>);

impl StatusListener {
    fn new(listener: impl Fn(&ClearStatus) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    fn notify(&self, status: &ClearStatus) {
        if let Some(listener) = &self.0 {
            listener(status);
        }
    }
}

impl fmt::Debug for StatusListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "StatusListener"
        } else {
            "None"
        })
    }
}

impl Clear {
    pub(crate) fn new(client: Client, id: Result<ContextId>) -> Self {
        Self {
            client,
            id,
            options: WaitOptions::default(),
            listener: StatusListener::default(),
        }
    }

    /// Sets the maximum time to clear and wait, the call that starts the clear included; for a clear that is
    /// [started](Self::start), the maximum time that the handle waits. Defaults to [`DEFAULT_CLEAR_TIMEOUT`]. The last
    /// poll starts when the time is over, and has one poll interval to respond, from 1 s to 2 s; the call that starts the
    /// clear has at least 1 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = timeout;
        self
    }

    /// Sets the maximum time between two polls. Defaults to [`DEFAULT_POLL_INTERVAL`]; at least 10 ms. The first polls are
    /// more frequent: after 100 ms, and then at intervals that grow with the elapsed time.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.options.poll_interval = interval;
        self
    }

    /// Calls a listener after each successful poll, in the waiting task, so it should return quickly. A second listener
    /// replaces the first.
    ///
    /// ```
    /// # agbcloud_doctest::run(async |client| {
    /// use std::time::Duration;
    ///
    /// let context = client.contexts().get_or_create("my-project").await?;
    /// let clear = client.contexts().clear(&context.id).poll_interval(Duration::from_millis(200));
    /// clear.on_status(|status| println!("{} after {:?}", status.state, status.elapsed)).await?;
    /// # Ok(()) });
    /// ```
    pub fn on_status(mut self, listener: impl Fn(&ClearStatus) + Send + Sync + 'static) -> Self {
        self.listener = StatusListener::new(listener);
        self
    }

    /// Starts the clear without waiting for its end. Dropping the handle does not stop the clear.
    ///
    /// ```
    /// # agbcloud_doctest::run(async |client| {
    /// use std::time::Duration;
    ///
    /// let context = client.contexts().get_or_create("my-project").await?;
    /// let clear = client.contexts().clear(&context.id).poll_interval(Duration::from_millis(200));
    /// let handle = clear.start().await?;
    /// // … do something else …
    /// handle.wait().await?;
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if the context does not exist,
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the id is not valid, and those of any call.
    #[doc(alias = "clear_async")]
    pub async fn start(self) -> Result<ClearHandle> {
        self.start_within(None).await
    }

    async fn start_within(self, limit: Option<Duration>) -> Result<ClearHandle> {
        let operation = Operation::ClearContext;
        let target = PollTarget {
            client: self.client,
            id: self.id.map_err(in_operation(operation))?,
            options: self.options,
            listener: self.listener,
        };
        let what = Call {
            limit,
            ..Call::from((operation, &target.id))
        };
        let send = |api: &dyn ContextApi| api.clear_context(target.id.clone());
        let response = call(&target.client, what, send).await?;
        let ((), request_id) = response.into_parts();
        Ok(ClearHandle::started(target, request_id))
    }

    /// Starts the clear and waits for its end, as awaiting it does.
    ///
    /// # Errors
    ///
    /// Those of [`start`](Self::start) and of [`ClearHandle::wait`].
    pub async fn send(self) -> Result<Cleared> {
        let timeout = self.options.timeout;
        let deadline = self.client.time().later(timeout);
        let started = self
            .start_within(Some(timeout.max(MIN_START_TIMEOUT)))
            .await?;
        started.wait_until(deadline).await
    }
}

impl IntoFuture for Clear {
    type Output = Result<Cleared>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
