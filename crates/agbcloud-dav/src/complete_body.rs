//! [`CompleteBody`]: the body of a response of `dav-server`.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};

use crate::request::Request;

/// A body that ends with an error if an operation has failed after the response started. `dav-server` ends a listing that
/// fails as if it were complete.
pub(crate) struct CompleteBody {
    /// `None` after its end.
    body: Option<dav_server::body::Body>,
    request: Request,
}

impl CompleteBody {
    pub(crate) fn new(body: dav_server::body::Body, request: Request) -> Self {
        Self {
            body: Some(body),
            request,
        }
    }
}

impl HttpBody for CompleteBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if let Some(failure) = self.request.failure() {
            tracing::warn!("a response ended early: {}", failure.message);
            self.body = None;
            return Poll::Ready(Some(Err(io::Error::other(failure.message))));
        }
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }
}
