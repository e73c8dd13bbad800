//! The machinery under every page stream.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::{FusedStream, Stream, future::BoxFuture};

use crate::Result;

/// Where pages come from. It keeps its own place: each fetch gives the page at it and moves on.
pub(crate) trait Source: Send + Sized + 'static {
    type Page: Send + 'static;
    type Item: Send + 'static;

    /// Fetches the next page, and gives the source back if there may be another after it.
    fn fetch(self) -> BoxFuture<'static, Result<(Self::Page, Option<Self>)>>;

    fn items(page: Self::Page) -> Vec<Self::Item>;
}

type Fetched<S> = Result<(<S as Source>::Page, Option<S>)>;

enum State<S: Source> {
    /// The next page has not been asked for.
    Ready(S),
    Fetching(BoxFuture<'static, Fetched<S>>),
    Done,
}

/// A stream of pages.
pub(crate) struct Pages<S: Source>(State<S>);

impl<S: Source> Pages<S> {
    pub(crate) fn new(source: S) -> Self {
        Self(State::Ready(source))
    }
}

/// Nothing in a state is pinned in place: the future is in a box of its own.
impl<S: Source> Unpin for Pages<S> {}

impl<S: Source> Stream for Pages<S> {
    type Item = Result<S::Page>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut fetching = match std::mem::replace(&mut self.0, State::Done) {
            State::Ready(source) => source.fetch(),
            State::Fetching(future) => future,
            State::Done => return Poll::Ready(None),
        };
        match fetching.as_mut().poll(cx) {
            Poll::Pending => {
                self.0 = State::Fetching(fetching);
                Poll::Pending
            }
            Poll::Ready(Ok((page, next))) => {
                self.0 = next.map_or(State::Done, State::Ready);
                Poll::Ready(Some(Ok(page)))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error))),
        }
    }
}

impl<S: Source> FusedStream for Pages<S> {
    fn is_terminated(&self) -> bool {
        matches!(self.0, State::Done)
    }
}

/// A stream of the items in the pages.
pub(crate) struct Items<S: Source> {
    pages: Pages<S>,
    page: std::vec::IntoIter<S::Item>,
}

impl<S: Source> Items<S> {
    pub(crate) fn new(source: S) -> Self {
        Self {
            pages: Pages::new(source),
            page: Vec::new().into_iter(),
        }
    }
}

impl<S: Source> Unpin for Items<S> {}

impl<S: Source> Stream for Items<S> {
    type Item = Result<S::Item>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(item) = self.page.next() {
                return Poll::Ready(Some(Ok(item)));
            }
            match ready!(Pin::new(&mut self.pages).poll_next(cx)) {
                Some(Ok(page)) => self.page = S::items(page).into_iter(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl<S: Source> FusedStream for Items<S> {
    fn is_terminated(&self) -> bool {
        self.page.len() == 0 && self.pages.is_terminated()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt, TryStreamExt};
    use proptest::prelude::*;

    use super::*;
    use crate::{Error, ErrorKind};

    /// Pages of a given length over 0, 1, 2 … up to `end`; the fetch at `fail_at` fails.
    struct Counting {
        at: usize,
        end: usize,
        size: usize,
        fail_at: Option<usize>,
    }

    impl Source for Counting {
        type Page = Vec<usize>;
        type Item = usize;

        fn fetch(mut self) -> BoxFuture<'static, Result<(Vec<usize>, Option<Self>)>> {
            async move {
                tokio::task::yield_now().await;
                if self.fail_at.is_some_and(|at| self.at >= at) {
                    return Err(Error::new(ErrorKind::Connection, "scripted"));
                }
                let page: Vec<usize> = (self.at..self.end.min(self.at + self.size)).collect();
                self.at += page.len();
                let more = self.at < self.end;
                Ok((page, more.then_some(self)))
            }
            .boxed()
        }

        fn items(page: Vec<usize>) -> Vec<usize> {
            page
        }
    }

    proptest! {
        #[test]
        fn items_are_all_items_in_order_and_the_stream_stays_ended(
            end in 0_usize..200, size in 1_usize..50,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let mut stream = Items::new(Counting { at: 0, end, size, fail_at: None });
                let items: Vec<usize> = stream.by_ref().try_collect().await.unwrap();
                prop_assert_eq!(items, (0..end).collect::<Vec<_>>());
                prop_assert!(stream.is_terminated());
                prop_assert!(stream.next().await.is_none());
                Ok(())
            })?;
        }
    }

    #[tokio::test]
    async fn an_error_comes_after_the_pages_before_it_and_ends_the_stream() {
        let mut stream = Items::new(Counting {
            at: 0,
            end: 10,
            size: 3,
            fail_at: Some(6),
        });
        let mut seen = 0;
        let error = loop {
            match stream.next().await {
                Some(Ok(_)) => seen += 1,
                Some(Err(error)) => break error,
                None => panic!("the error was lost"),
            }
        };
        assert_eq!((seen, error.kind()), (6, ErrorKind::Connection));
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn nothing_is_fetched_before_it_is_wanted() {
        let stream = Pages::new(Counting {
            at: 0,
            end: 10,
            size: 3,
            fail_at: Some(0),
        });
        assert!(!stream.is_terminated());
    }
}
