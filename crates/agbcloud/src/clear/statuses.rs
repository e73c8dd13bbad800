//! The stream over what the looks at a clear show.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::{FusedStream, Stream, future::BoxFuture};

use super::{ClearStatus, watch::Watch};
use crate::Result;

/// What each look at a clear shows, until it is done: from
/// [`ClearHandle::statuses`](crate::ClearHandle::statuses).
///
/// It looks only while it is polled. Dropping it ends the looking, not the clear.
#[must_use = "a stream does nothing until it is polled"]
pub struct ClearStatuses(State);

enum State {
    Idle(Box<Watch>),
    Looking(BoxFuture<'static, (Box<Watch>, Result<ClearStatus>)>),
    Ended,
}

impl ClearStatuses {
    pub(super) fn new(watch: Watch) -> Self {
        Self(State::Idle(Box::new(watch)))
    }

    /// The next status, or `None` at the end: what `StreamExt::next` gives, without that trait. Dropping the future
    /// loses nothing.
    ///
    /// # Errors
    ///
    /// Those of [`ClearHandle::wait`](crate::ClearHandle::wait); the stream has ended then.
    pub async fn next(&mut self) -> Option<Result<ClearStatus>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for ClearStatuses {
    type Item = Result<ClearStatus>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut looking = match std::mem::replace(&mut self.0, State::Ended) {
            State::Idle(watch) => look(watch),
            State::Looking(future) => future,
            State::Ended => return Poll::Ready(None),
        };
        let Poll::Ready((watch, status)) = looking.as_mut().poll(cx) else {
            self.0 = State::Looking(looking);
            return Poll::Pending;
        };
        if status.is_ok() && !watch.is_done() {
            self.0 = State::Idle(watch);
        }
        Poll::Ready(Some(status))
    }
}

fn look(mut watch: Box<Watch>) -> BoxFuture<'static, (Box<Watch>, Result<ClearStatus>)> {
    Box::pin(async move {
        let status = watch.next().await;
        (watch, status)
    })
}

impl FusedStream for ClearStatuses {
    fn is_terminated(&self) -> bool {
        matches!(self.0, State::Ended)
    }
}

impl fmt::Debug for ClearStatuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClearStatuses").finish_non_exhaustive()
    }
}
