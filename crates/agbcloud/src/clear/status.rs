//! What one look at a clear has shown, and who is told of it.

use std::{fmt, sync::Arc, time::Duration};

use crate::ContextState;

/// What one look at a clear has shown: from [`ClearHandle::statuses`](crate::ClearHandle::statuses) and
/// [`Clear::on_status`](crate::Clear::on_status).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClearStatus {
    /// What the context is doing; a state that this version does not know is
    /// [`Other`](crate::ContextState::Other).
    pub state: ContextState,
    /// Time from the start of the clear to the answer of this look. For a clear that was
    /// [resumed](crate::Contexts::resume_clear), from the start of the waiting.
    pub elapsed: Duration,
    /// How often the state was looked at, this look and those that failed included.
    pub polls: u32,
    /// Id of the call, to quote when something about it is to be reported.
    pub request_id: Option<String>,
}

type Tell = dyn Fn(&ClearStatus) + Send + Sync;

/// Whom to tell.
#[derive(Clone, Default)]
pub(super) struct Listener(Option<Arc<Tell>>);

impl Listener {
    pub(super) fn new(listener: impl Fn(&ClearStatus) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    pub(super) fn tell(&self, status: &ClearStatus) {
        if let Some(listener) = &self.0 {
            listener(status);
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Listener" } else { "None" })
    }
}
