//! What is known of a clear that did not end in time.

use std::time::{Duration, Instant};

use super::WaitOptions;
use crate::{
    error::Error,
    model::{ContextId, ContextState},
};

/// A clear that did not end in time: from [`Error::clear_timeout`](crate::Error::clear_timeout). The clear continues in
/// the service; to continue to wait, use [`Contexts::resume`](crate::Contexts::resume).
///
/// ```
/// # agbcloud_doctest::run(async |client| {
/// use std::time::Duration;
///
/// let contexts = client.contexts();
/// let context = contexts.get_or_create("my-project").await?;
/// if let Err(error) = contexts.clear(&context.id).timeout(Duration::from_millis(1)).await {
///     let Some(late) = error.clear_timeout() else { return Err(error.into()) };
///     println!("{:?} after {:?}", late.last_state, late.elapsed);
///     contexts.resume(late).timeout(Duration::from_secs(60)).wait().await?;
/// }
/// # Ok(()) });
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClearTimedOut {
    /// Time from the start of the clear to the end of the wait; for a resumed clear, from the start of the wait.
    pub elapsed: Duration,
    /// Number of polls, failed ones included.
    pub polls: u32,
    /// The state of the last successful poll; `None` if no poll succeeded.
    pub last_state: Option<ContextState>,
    pub(super) context_id: ContextId,
    pub(super) options: WaitOptions,
    pub(super) began: Instant,
    pub(super) seen_clearing: bool,
}

impl ClearTimedOut {
    /// Id of the context that is being cleared.
    pub fn context_id(&self) -> &ContextId {
        &self.context_id
    }
}

impl Error {
    /// What is known of a clear that did not end in time: `Some` for
    /// [`ClearTimeout`](crate::ErrorKind::ClearTimeout) only. [`ClearTimedOut`] has an example.
    pub fn clear_timeout(&self) -> Option<&ClearTimedOut> {
        self.extension()
    }
}
