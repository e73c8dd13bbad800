//! The stream of the polls of a clear.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::{FusedStream, Stream, future::BoxFuture};

use super::{ClearStatus, poll::Poller};
use crate::error::{Error, Result};

/// A stream of the polls of a clear, until the clear is done: from
/// [`ClearHandle::statuses`](crate::ClearHandle::statuses).
///
/// It polls the service only while the stream is polled. Dropping the stream does not stop the clear.
#[must_use = "a stream does nothing until it is polled"]
pub struct ClearStatuses(StreamState);

enum StreamState {
    Idle(Box<Poller>),
    /// The wait can't start.
    Invalid(Error),
    Polling(BoxFuture<'static, (Box<Poller>, Result<ClearStatus>)>),
    Ended,
}

impl ClearStatuses {
    pub(super) fn new(poller: Poller) -> Self {
        Self(StreamState::Idle(Box::new(poller)))
    }

    pub(super) fn invalid(error: Error) -> Self {
        Self(StreamState::Invalid(error))
    }

    /// Returns the next status, or `None` at the end, like `StreamExt::next` without that trait. Dropping the future loses
    /// nothing.
    ///
    /// # Errors
    ///
    /// Those of [`ClearHandle::wait`](crate::ClearHandle::wait); an error ends the stream.
    pub async fn next(&mut self) -> Option<Result<ClearStatus>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for ClearStatuses {
    type Item = Result<ClearStatus>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut polling = match std::mem::replace(&mut self.0, StreamState::Ended) {
            StreamState::Idle(poller) => poll(poller),
            StreamState::Invalid(error) => return Poll::Ready(Some(Err(error))),
            StreamState::Polling(future) => future,
            StreamState::Ended => return Poll::Ready(None),
        };
        let Poll::Ready((poller, status)) = polling.as_mut().poll(cx) else {
            self.0 = StreamState::Polling(polling);
            return Poll::Pending;
        };
        if status.is_ok() && !poller.is_done() {
            self.0 = StreamState::Idle(poller);
        }
        Poll::Ready(Some(status))
    }
}

fn poll(mut poller: Box<Poller>) -> BoxFuture<'static, (Box<Poller>, Result<ClearStatus>)> {
    Box::pin(async move {
        let status = poller.next().await;
        (poller, status)
    })
}

impl FusedStream for ClearStatuses {
    fn is_terminated(&self) -> bool {
        matches!(self.0, StreamState::Ended)
    }
}

impl fmt::Debug for ClearStatuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClearStatuses").finish_non_exhaustive()
    }
}
