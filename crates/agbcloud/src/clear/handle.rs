//! A started clear.

use std::time::{Duration, Instant};

use super::{
    ClearStatuses, ClearTimedOut, Cleared, StatusListener,
    poll::{ClearStart, PollTarget, Poller},
};
use crate::{
    client::{Client, Request},
    error::Result,
    model::{ContextId, ContextState},
};

/// A started clear, from [`Clear::start`](crate::Clear::start) and [`Contexts::resume`](crate::Contexts::resume). Dropping
/// the handle does not stop the clear. For a clear that was started elsewhere, use
/// [`Contexts::resume_clear`](crate::Contexts::resume_clear).
#[derive(Debug, Clone)]
pub struct ClearHandle {
    target: PollTarget,
    start: ClearStart,
    request_id: Option<String>,
}

impl ClearHandle {
    pub(super) fn started(target: PollTarget, request_id: Option<String>) -> Self {
        let start = ClearStart::at(target.client.time().now());
        Self {
            target,
            start,
            request_id,
        }
    }

    /// Continues a wait that timed out.
    pub(crate) fn resume_late(client: Client, late: &ClearTimedOut) -> Self {
        let target = PollTarget {
            client,
            id: late.context_id.clone(),
            options: late.options,
            listener: StatusListener::default(),
        };
        let start = ClearStart {
            began: late.began,
            seen_clearing: late.seen_clearing,
        };
        Self {
            target,
            start,
            request_id: None,
        }
    }

    /// Sets the maximum time that [`wait`](Self::wait) and [`statuses`](Self::statuses) wait, from their call: see
    /// [`Clear::timeout`](crate::Clear::timeout).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.target.options.timeout = timeout;
        self
    }

    /// Sets the maximum time between two polls: see [`Clear::poll_interval`](crate::Clear::poll_interval).
    #[must_use]
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.target.options.poll_interval = interval;
        self
    }

    /// Id of the request that started the clear; `None` if the wait was [resumed](crate::Contexts::resume).
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Id of the context that is being cleared, to [resume](crate::Contexts::resume_clear) in another process.
    pub fn context_id(&self) -> &ContextId {
        &self.target.id
    }

    /// Polls once: the state is `clearing`, or `available` when the clear is done.
    ///
    /// ```
    /// # agbcloud_doctest::run(async |client| {
    /// let context = client.contexts().get_or_create("my-project").await?;
    /// let handle = client.contexts().clear(&context.id).start().await?;
    /// println!("the context is {}", handle.status().await?);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if the context was deleted, and those of any call.
    #[doc(alias = "get_clear_status")]
    pub fn status(&self) -> Request<ContextState> {
        Request::new(
            self.target.clone(),
            |target| async move { target.state().await },
        )
    }

    /// Waits until the context is `available` again. This counts only after `clearing` was seen or a full poll interval has
    /// passed since the start of the clear, since the state is `available` before a clear too. If the timeout is shorter, but
    /// at least 1 s, `available` at its end counts.
    ///
    /// A poll is repeated if it fails with a transient error, or if the response is not from the service. Any other state is
    /// waited for.
    ///
    /// Dropping the future stops polling, not the clear.
    ///
    /// ```
    /// # agbcloud_doctest::run(async |client| {
    /// use std::time::Duration;
    ///
    /// let context = client.contexts().get_or_create("my-project").await?;
    /// let clear = client.contexts().clear(&context.id).poll_interval(Duration::from_millis(200));
    /// let handle = clear.start().await?;
    /// let cleared = handle.wait().await?;
    /// println!("done after {:?} and {} polls", cleared.elapsed, cleared.polls);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`ClearTimeout`](crate::ErrorKind::ClearTimeout) if it takes longer than the timeout, with
    /// [details](crate::Error::clear_timeout),
    /// [`NotFound`](crate::ErrorKind::NotFound) if the context was deleted, and those of any call that are not transient.
    pub async fn wait(&self) -> Result<Cleared> {
        let timeout = self.target.options.timeout;
        self.wait_until(self.target.client.time().later(timeout))
            .await
    }

    pub(super) async fn wait_until(&self, deadline: Instant) -> Result<Cleared> {
        let mut poller = Poller::new(self.target.clone(), self.start, deadline);
        // Boxed because it is large.
        Box::pin(poller.run()).await
    }

    /// Returns the polls as a stream. It ends after the status with which the clear is done, or with the error of
    /// [`wait`](Self::wait). The timeout starts with this call.
    ///
    /// ```
    /// # agbcloud_doctest::run(async |client| {
    /// use std::time::Duration;
    ///
    /// let context = client.contexts().get_or_create("my-project").await?;
    /// let clear = client.contexts().clear(&context.id).poll_interval(Duration::from_millis(200));
    /// let mut statuses = clear.start().await?.statuses();
    /// while let Some(status) = statuses.next().await {
    ///     let status = status?;
    ///     println!("{} after {:?}", status.state, status.elapsed);
    /// }
    /// # Ok(()) });
    /// ```
    pub fn statuses(&self) -> ClearStatuses {
        let deadline = self.target.client.time().later(self.target.options.timeout);
        ClearStatuses::new(Poller::new(self.target.clone(), self.start, deadline))
    }
}
