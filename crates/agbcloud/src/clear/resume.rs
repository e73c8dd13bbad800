//! The wait for a clear that was started elsewhere.

use std::{future::IntoFuture, time::Duration};

use futures_core::future::BoxFuture;

use super::{
    ClearStatus, ClearStatuses, Cleared, StatusListener, WaitOptions,
    poll::{ClearStart, PollTarget, Poller},
};
use crate::{
    client::{Client, Request},
    error::{Operation, Result, in_operation},
    model::{ContextId, ContextState},
};

/// A wait for a clear that was started elsewhere. Await it, or poll [once](Self::status). From
/// [`Contexts::resume_clear`](crate::Contexts::resume_clear).
///
/// The time at which the clear was started is unknown here, so `available` counts only after `clearing` was seen or a full poll interval
/// has passed since the start of the wait. In the second case the result is [`Resumed::NotClearing`]. If the timeout is
/// shorter, but at least 1 s, `available` at its end counts.
#[derive(Debug, Clone)]
#[must_use = "a wait does nothing until it is awaited"]
pub struct ResumeClear {
    client: Client,
    id: Result<ContextId>,
    options: WaitOptions,
    listener: StatusListener,
}

/// The end of a wait for a clear that was started elsewhere: of
/// [`Contexts::resume_clear`](crate::Contexts::resume_clear).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumed {
    /// The context was `clearing` during the wait, and is `available` again.
    Cleared(Cleared),
    /// The context was never seen `clearing`: the clear had ended before, or was never started.
    NotClearing(Cleared),
}

impl Resumed {
    /// The duration and the polls of the wait, in either case.
    pub fn cleared(self) -> Cleared {
        match self {
            Self::Cleared(cleared) | Self::NotClearing(cleared) => cleared,
        }
    }

    /// Whether the context was seen `clearing` during the wait.
    pub fn was_clearing(self) -> bool {
        matches!(self, Self::Cleared(_))
    }
}

impl ResumeClear {
    pub(crate) fn new(client: Client, id: Result<ContextId>) -> Self {
        Self {
            client,
            id,
            options: WaitOptions::default(),
            listener: StatusListener::default(),
        }
    }

    /// Sets the maximum time to wait: see [`Clear::timeout`](crate::Clear::timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = timeout;
        self
    }

    /// Sets the maximum time between two polls: see [`Clear::poll_interval`](crate::Clear::poll_interval).
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.options.poll_interval = interval;
        self
    }

    /// Calls a listener after each successful poll: see [`Clear::on_status`](crate::Clear::on_status).
    pub fn on_status(mut self, listener: impl Fn(&ClearStatus) + Send + Sync + 'static) -> Self {
        self.listener = StatusListener::new(listener);
        self
    }

    /// Polls once: the state is `clearing`, or `available` when the clear is done or has not started.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// let state = client.contexts().resume_clear(&context.id).status().await?;
    /// println!("the context is {state}");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if the context does not exist,
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the id is not valid, and those of any call.
    #[doc(alias = "get_clear_status")]
    pub fn status(self) -> Request<ContextState> {
        Request::new(self, |resume| async move { resume.target()?.state().await })
    }

    /// Returns the polls as a stream: see [`ClearHandle::statuses`](crate::ClearHandle::statuses). The timeout starts with
    /// this call.
    pub fn statuses(self) -> ClearStatuses {
        match self.target() {
            Ok(target) => ClearStatuses::new(poller(target)),
            Err(error) => ClearStatuses::invalid(error),
        }
    }

    /// Waits until the context is `available`. Dropping the future stops polling, not the clear.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// use std::time::Duration;
    ///
    /// let wait = client.contexts().resume_clear(&context.id).poll_interval(Duration::from_millis(200));
    /// assert!(!wait.send().await?.was_clearing());
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`ClearHandle::wait`](crate::ClearHandle::wait), and
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the id is not valid.
    pub async fn send(self) -> Result<Resumed> {
        // Boxed because it is large.
        let cleared = Box::pin(poller(self.target()?).run()).await?;
        Ok(match cleared.seen_clearing {
            true => Resumed::Cleared(cleared),
            false => Resumed::NotClearing(cleared),
        })
    }

    fn target(self) -> Result<PollTarget> {
        Ok(PollTarget {
            client: self.client,
            id: self.id.map_err(in_operation(Operation::ClearContext))?,
            options: self.options,
            listener: self.listener,
        })
    }
}

fn poller(target: PollTarget) -> Poller {
    let time = target.client.time();
    let (now, deadline) = (time.now(), time.later(target.options.timeout));
    Poller::new(target, ClearStart::at(now), deadline)
}

impl IntoFuture for ResumeClear {
    type Output = Result<Resumed>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
