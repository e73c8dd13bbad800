//! A started clear.

use std::time::{Duration, Instant};

use super::{
    ClearStatuses, ClearTimedOut, Cleared,
    poll::{ClearStart, PollTarget, Poller},
};
use crate::{
    client::Client,
    error::Result,
    model::{ContextId, ContextState, Response},
};

/// A started clear, from [`Clear::start`](crate::Clear::start) or, if it was started elsewhere, from
/// [`Contexts::resume_clear`](crate::Contexts::resume_clear). Dropping the handle does not stop the clear.
#[derive(Debug, Clone)]
pub struct ClearHandle {
    target: PollTarget,
    /// `None` for a clear that was started elsewhere.
    start: Option<ClearStart>,
}

impl ClearHandle {
    pub(super) fn started(target: PollTarget) -> Self {
        let start = ClearStart::at(target.client.time().now());
        Self {
            target,
            start: Some(start),
        }
    }

    pub(crate) fn resume(client: Client, id: ContextId) -> Self {
        Self {
            target: PollTarget::new(client, id),
            start: None,
        }
    }

    /// Continues a wait that timed out.
    pub(crate) fn resume_late(client: Client, late: &ClearTimedOut) -> Self {
        let mut target = PollTarget::new(client, late.context_id.clone());
        target.options = late.options;
        let start = ClearStart {
            began: late.began,
            seen_clearing: late.seen_clearing,
        };
        Self {
            target,
            start: Some(start),
        }
    }

    /// Sets the maximum time that [`wait`](Self::wait) and [`statuses`](Self::statuses) wait, from their call: see
    /// [`Clear::timeout`](crate::Clear::timeout).
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.target.options.timeout = timeout;
        self
    }

    /// Sets the maximum time between two polls: see [`Clear::poll_interval`](crate::Clear::poll_interval).
    #[must_use]
    pub fn with_poll_interval(mut self, interval: Duration) -> Self {
        self.target.options.poll_interval = interval;
        self
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
    pub async fn status(&self) -> Result<Response<ContextState>> {
        self.target.state().await
    }

    /// Waits until the context is `available` again. This counts only after `clearing` was seen or a full poll interval has
    /// passed, since the state is `available` before a clear too. The interval starts with the clear or, if that was started
    /// elsewhere, with this call. If the timeout is shorter, but at least 1 s, `available` at its end counts.
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
    /// let handle = client.contexts().resume_clear(&context.id).with_poll_interval(Duration::from_millis(200));
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
        loop {
            let status = poller.next().await?;
            if poller.is_done() {
                return Ok(Cleared {
                    elapsed: status.elapsed,
                    polls: status.polls,
                });
            }
        }
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
