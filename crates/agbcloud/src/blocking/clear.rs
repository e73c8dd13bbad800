//! Clearing a context.

use std::time::Duration;

use super::{Iter, Request};
use crate::{ClearStatus, Cleared, ContextId, ContextState, Result, Resumed};

/// The polls of a clear until it is done. From [`ClearHandle::statuses`] and [`ResumeClear::statuses`]. It polls only in `next`.
pub type ClearStatuses = Iter<crate::ClearStatuses>;

blocking_type! {
    /// A clear that has not been sent. From [`Contexts::clear`](super::Contexts::clear).
    ///
    /// [`send`](Self::send) starts it and waits; [`start`](Self::start) only starts it. The listener of
    /// [`on_status`](Self::on_status) runs on the thread that waits.
    #[derive(Debug, Clone)]
    #[must_use = "a clear does nothing until it is sent or started"]
    pub struct Clear => Cleared;

    set fn timeout(timeout: Duration);
    set fn poll_interval(interval: Duration);
    set fn on_status(listener: impl Fn(&ClearStatus) + Send + Sync + 'static);
}

impl Clear {
    /// Starts the clear and does not wait.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// let handle = client.contexts().clear(&context.id).start()?;
    /// // … do something else …
    /// handle.wait()?;
    /// # Ok(()) });
    /// ```
    ///
    /// See [`Clear::start`](crate::Clear::start).
    #[doc(alias = "clear_async")]
    pub fn start(self) -> Result<ClearHandle> {
        let handle = self.driver.run(self.inner.start())??;
        Ok(ClearHandle::new(handle, self.driver))
    }
}

blocking_type! {
    /// A clear that was started. From [`Clear::start`] and [`Contexts::resume`](super::Contexts::resume).
    ///
    /// Dropping the handle does not stop the clear.
    #[derive(Debug, Clone)]
    pub struct ClearHandle;

    #[must_use]
    set fn timeout(timeout: Duration);
    #[must_use]
    set fn poll_interval(interval: Duration);

    /// Requests the state of the context once.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// let handle = client.contexts().clear(&context.id).start()?;
    /// println!("the context is {}", handle.status().send()?);
    /// # Ok(()) });
    /// ```
    #[doc(alias = "get_clear_status")]
    request fn status() -> ContextState;

    /// Waits until the context is `available` again.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// let handle = client.contexts().clear(&context.id).start()?;
    /// let cleared = handle.wait()?;
    /// println!("done after {:?} and {} polls", cleared.elapsed, cleared.polls);
    /// # Ok(()) });
    /// ```
    call fn wait() -> Cleared;

    /// Returns an iterator over the polls.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// for status in client.contexts().clear(&context.id).start()?.statuses() {
    ///     let status = status?;
    ///     println!("{} after {:?}", status.state, status.elapsed);
    /// }
    /// # Ok(()) });
    /// ```
    make fn statuses() -> ClearStatuses;
}

impl ClearHandle {
    /// Returns the id of the context.
    pub fn context_id(&self) -> &ContextId {
        self.inner.context_id()
    }

    /// Returns the id of the request that started the clear.
    ///
    /// See [`ClearHandle::request_id`](crate::ClearHandle::request_id).
    pub fn request_id(&self) -> Option<&str> {
        self.inner.request_id()
    }
}

blocking_type! {
    /// A wait for a clear that was started elsewhere. From [`Contexts::resume_clear`](super::Contexts::resume_clear).
    ///
    /// The listener of [`on_status`](Self::on_status) runs on the thread that waits.
    #[derive(Debug, Clone)]
    #[must_use = "a wait does nothing until it is sent"]
    pub struct ResumeClear => Resumed;

    set fn timeout(timeout: Duration);
    set fn poll_interval(interval: Duration);
    set fn on_status(listener: impl Fn(&ClearStatus) + Send + Sync + 'static);

    /// Requests the state of the context once.
    ///
    /// ```
    /// # agbcloud_doctest::run_blocking_with_context(|client, context, files| {
    /// println!("the context is {}", client.contexts().resume_clear(&context.id).status().send()?);
    /// # Ok(()) });
    /// ```
    #[doc(alias = "get_clear_status")]
    into fn status() -> Request<ContextState>;

    /// Returns an iterator over the polls.
    into fn statuses() -> ClearStatuses;
}
