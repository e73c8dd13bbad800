//! The machinery under every page stream.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::{FusedStream, Stream, future::BoxFuture};

use super::{Continuation, ahead, had::Had};
use crate::Result;

/// Where pages come from. It keeps its own place: each fetch gives the page at it and moves on.
pub(crate) trait Source: Send + Sized + 'static {
    type Page: Send + 'static;
    type Item: Send + 'static;

    /// Fetches the next page, and gives the source back if there may be another after it.
    fn fetch(self) -> BoxFuture<'static, Result<(Self::Page, Option<Self>)>>;

    fn items(page: Self::Page) -> Vec<Self::Item>;

    /// What an item is known by.
    fn key(item: &Self::Item) -> &str;

    /// Where the next fetch starts; `None` if that would be refused before it is sent.
    fn place(&self) -> Option<Continuation>;
}

pub(super) type Fetched<S> = Result<(<S as Source>::Page, Option<S>)>;

enum State<S: Source> {
    /// The next page has not been asked for.
    Ready(S),
    Fetching(BoxFuture<'static, Fetched<S>>),
    Done,
}

/// A stream of pages.
pub(crate) struct Pages<S: Source> {
    state: State<S>,
    /// Where the first page starts that has not been delivered. A page that is being fetched moves it only when it
    /// is delivered, an error never.
    place: Option<Continuation>,
    prefetch: bool,
}

impl<S: Source> Pages<S> {
    pub(crate) fn new(source: S, prefetch: bool) -> Self {
        Self {
            place: source.place(),
            state: State::Ready(source),
            prefetch,
        }
    }

    pub(crate) fn continuation(&self) -> Option<Continuation> {
        self.place.clone()
    }

    /// A page has been delivered; `next` is what may come behind it.
    fn move_on(&mut self, next: Option<S>) {
        self.place = next.as_ref().and_then(S::place);
        self.state = match next {
            Some(source) if self.prefetch => {
                ahead::start(source).map_or_else(State::Ready, State::Fetching)
            }
            Some(source) => State::Ready(source),
            None => State::Done,
        };
    }
}

/// Nothing in a state is pinned in place: the future is in a box of its own.
impl<S: Source> Unpin for Pages<S> {}

impl<S: Source> Stream for Pages<S> {
    type Item = Result<S::Page>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut fetching = match std::mem::replace(&mut self.state, State::Done) {
            State::Ready(source) => source.fetch(),
            State::Fetching(future) => future,
            State::Done => return Poll::Ready(None),
        };
        match fetching.as_mut().poll(cx) {
            Poll::Pending => {
                self.state = State::Fetching(fetching);
                Poll::Pending
            }
            Poll::Ready(Ok((page, next))) => {
                self.move_on(next);
                Poll::Ready(Some(Ok(page)))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error))),
        }
    }
}

impl<S: Source> FusedStream for Pages<S> {
    fn is_terminated(&self) -> bool {
        matches!(self.state, State::Done)
    }
}

/// A stream of the items in the pages.
pub(crate) struct Items<S: Source> {
    pages: Pages<S>,
    page: std::vec::IntoIter<S::Item>,
    /// Where the page started.
    start: Option<Continuation>,
    /// Items of the page that have been delivered.
    had: Had,
}

impl<S: Source> Items<S> {
    pub(crate) fn new(source: S, prefetch: bool) -> Self {
        Self {
            pages: Pages::new(source, prefetch),
            page: Vec::new().into_iter(),
            start: None,
            had: Had::default(),
        }
    }

    pub(crate) fn continuation(&self) -> Option<Continuation> {
        if self.page.len() == 0 {
            return self.pages.continuation();
        }
        self.start.clone().map(|start| start.after(&self.had))
    }
}

impl<S: Source> Unpin for Items<S> {}

impl<S: Source> Stream for Items<S> {
    type Item = Result<S::Item>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(item) = self.page.next() {
                self.had.add(S::key(&item));
                return Poll::Ready(Some(Ok(item)));
            }
            let start = self.pages.continuation();
            match ready!(Pin::new(&mut self.pages).poll_next(cx)) {
                Some(Ok(page)) => {
                    self.page = S::items(page).into_iter();
                    self.start = start;
                    self.had = Had::default();
                }
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
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

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
        fetches: Arc<AtomicUsize>,
    }

    fn counting(end: usize, size: usize, fail_at: Option<usize>) -> Counting {
        Counting {
            at: 0,
            end,
            size,
            fail_at,
            fetches: Arc::default(),
        }
    }

    impl Source for Counting {
        type Page = Vec<usize>;
        type Item = usize;

        fn fetch(mut self) -> BoxFuture<'static, Result<(Vec<usize>, Option<Self>)>> {
            async move {
                self.fetches.fetch_add(1, Ordering::SeqCst);
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

        fn key(_: &usize) -> &str {
            ""
        }

        fn place(&self) -> Option<Continuation> {
            Some(self.at.to_string().into())
        }
    }

    proptest! {
        #[test]
        fn items_are_all_items_in_order_and_the_stream_stays_ended(
            end in 0_usize..200, size in 1_usize..50, prefetch: bool,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let mut stream = Items::new(counting(end, size, None), prefetch);
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
        for prefetch in [false, true] {
            let mut stream = Items::new(counting(10, 3, Some(6)), prefetch);
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
            assert_eq!(stream.continuation(), Some("6".into()));
        }
    }

    /// Lets every task run as far as it gets.
    async fn settle() {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn one_page_is_fetched_ahead_and_only_behind_one_that_was_wanted() {
        for (prefetch, expected) in [(false, [0, 1, 1, 2]), (true, [0, 2, 2, 3])] {
            let source = counting(100, 3, None);
            let fetches = source.fetches.clone();
            let mut stream = Items::new(source, prefetch);
            let mut seen = Vec::new();
            for taken in [0, 1, 2, 1] {
                for _ in 0..taken {
                    stream.next().await.unwrap().unwrap();
                }
                settle().await;
                seen.push(fetches.load(Ordering::SeqCst));
            }
            assert_eq!(seen, expected);
        }
    }

    /// Its second page never comes.
    struct Stuck(usize, Arc<()>);

    impl Source for Stuck {
        type Page = Vec<usize>;
        type Item = usize;

        fn fetch(self) -> BoxFuture<'static, Result<(Vec<usize>, Option<Self>)>> {
            async move {
                match self.0 {
                    0 => Ok((vec![0], Some(Self(1, self.1)))),
                    _ => {
                        let _held = self.1;
                        std::future::pending().await
                    }
                }
            }
            .boxed()
        }

        fn items(page: Vec<usize>) -> Vec<usize> {
            page
        }

        fn key(_: &usize) -> &str {
            ""
        }

        fn place(&self) -> Option<Continuation> {
            Some(self.0.to_string().into())
        }
    }

    #[tokio::test]
    async fn a_fetch_ahead_ends_with_the_stream() {
        let alive = Arc::new(());
        let mut stream = Items::new(Stuck(0, alive.clone()), true);
        assert_eq!(stream.next().await.unwrap().unwrap(), 0);
        assert_eq!(stream.continuation(), Some("1".into()));
        settle().await;
        assert_eq!(Arc::strong_count(&alive), 2);
        drop(stream);
        settle().await;
        assert_eq!(Arc::strong_count(&alive), 1);
    }

    #[test]
    fn without_a_runtime_nothing_is_fetched_ahead() {
        assert!(ahead::start(counting(10, 3, None)).is_err());
    }

    #[tokio::test]
    async fn nothing_is_fetched_before_it_is_wanted() {
        let source = counting(10, 3, None);
        let fetches = source.fetches.clone();
        let stream = Pages::new(source, true);
        settle().await;
        assert!(!stream.is_terminated());
        assert_eq!(fetches.load(Ordering::SeqCst), 0);
    }
}
