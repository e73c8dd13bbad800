//! Streams of pages and of items.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::{FusedStream, Stream, future::BoxFuture};

use tokio::runtime::Handle;

use super::DeliveredItems;
use crate::{
    error::{Error, ErrorKind, Result},
    task::Task,
};

/// A position in a listing, from which it can be continued.
pub(crate) trait Position: Clone + Send + 'static {
    /// The position behind these items of its page.
    fn after(self, delivered: &DeliveredItems) -> Self;
}

/// A listing at a position. A fetch returns the page at the position and the source of the next page.
pub(crate) trait PageSource: Send + Sized + 'static {
    type Page: Send + 'static;
    type Item: Send + 'static;
    type Position: Position;

    /// Fetches the next page, and returns the source of the page after it, if there may be one.
    fn fetch(self) -> BoxFuture<'static, Result<(Self::Page, Option<Self>)>>;

    fn items(page: Self::Page) -> Vec<Self::Item>;

    /// The key of an item, unique in the listing.
    fn key(item: &Self::Item) -> &str;

    /// The position of the next fetch; `None` if the fetch would be rejected before it is sent.
    fn position(&self) -> Option<Self::Position>;
}

type FetchResult<S> = Result<(<S as PageSource>::Page, Option<S>)>;

enum PageState<S: PageSource> {
    /// The next page has not been requested.
    Ready(S),
    Fetching(BoxFuture<'static, FetchResult<S>>),
    Done,
}

/// A stream of pages.
pub(crate) struct Pages<S: PageSource> {
    state: PageState<S>,
    /// The position of the first page that was not delivered. It advances when a page is delivered, not when it is fetched,
    /// and never on an error.
    position: Option<S::Position>,
    prefetch: bool,
}

impl<S: PageSource> Pages<S> {
    pub(crate) fn new(source: S, prefetch: bool) -> Self {
        Self {
            position: source.position(),
            state: PageState::Ready(source),
            prefetch,
        }
    }

    pub(crate) fn position(&self) -> Option<S::Position> {
        self.position.clone()
    }

    /// Records that a page was delivered. `next` is the source of the next page.
    fn advance(&mut self, next: Option<S>) {
        self.position = next.as_ref().and_then(S::position);
        self.state = match next {
            Some(source) if self.prefetch => {
                prefetch(source).map_or_else(PageState::Ready, PageState::Fetching)
            }
            Some(source) => PageState::Ready(source),
            None => PageState::Done,
        };
    }
}

/// The future is boxed, so nothing is pinned in place.
impl<S: PageSource> Unpin for Pages<S> {}

impl<S: PageSource> Stream for Pages<S> {
    type Item = Result<S::Page>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut fetching = match std::mem::replace(&mut self.state, PageState::Done) {
            PageState::Ready(source) => source.fetch(),
            PageState::Fetching(future) => future,
            PageState::Done => return Poll::Ready(None),
        };
        match fetching.as_mut().poll(cx) {
            Poll::Pending => {
                self.state = PageState::Fetching(fetching);
                Poll::Pending
            }
            Poll::Ready(Ok((page, next))) => {
                self.advance(next);
                Poll::Ready(Some(Ok(page)))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error))),
        }
    }
}

impl<S: PageSource> FusedStream for Pages<S> {
    fn is_terminated(&self) -> bool {
        matches!(self.state, PageState::Done)
    }
}

/// Starts a fetch on the current runtime. Outside of a runtime it returns the source.
fn prefetch<S: PageSource>(source: S) -> Result<BoxFuture<'static, FetchResult<S>>, S> {
    let Ok(runtime) = Handle::try_current() else {
        return Err(source);
    };
    let mut task = Task::start_on(&runtime, source.fetch());
    Ok(Box::pin(async move {
        task.end().await.unwrap_or_else(|| {
            let message = "the runtime that was fetching the next page was shut down";
            Err(Error::new(ErrorKind::Connection, message))
        })
    }))
}

/// A stream of the items on the pages.
pub(crate) struct Items<S: PageSource> {
    pages: Pages<S>,
    page: std::vec::IntoIter<S::Item>,
    /// The position of the current page.
    start: Option<S::Position>,
    /// The delivered items of the current page.
    delivered: DeliveredItems,
}

impl<S: PageSource> Items<S> {
    pub(crate) fn new(source: S, prefetch: bool) -> Self {
        Self {
            pages: Pages::new(source, prefetch),
            page: Vec::new().into_iter(),
            start: None,
            delivered: DeliveredItems::default(),
        }
    }

    pub(crate) fn position(&self) -> Option<S::Position> {
        if self.page.len() == 0 {
            return self.pages.position();
        }
        self.start.clone().map(|start| start.after(&self.delivered))
    }
}

impl<S: PageSource> Unpin for Items<S> {}

impl<S: PageSource> Stream for Items<S> {
    type Item = Result<S::Item>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(item) = self.page.next() {
                self.delivered.add(S::key(&item));
                return Poll::Ready(Some(Ok(item)));
            }
            let start = self.pages.position();
            match ready!(Pin::new(&mut self.pages).poll_next(cx)) {
                Some(Ok(page)) => {
                    self.page = S::items(page).into_iter();
                    self.start = start;
                    self.delivered = DeliveredItems::default();
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl<S: PageSource> FusedStream for Items<S> {
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

    impl Position for usize {
        fn after(self, _: &DeliveredItems) -> Self {
            self
        }
    }

    /// Pages of `size` numbers from 0 up to `end`; the fetch at `fail_at` fails.
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

    impl PageSource for Counting {
        type Page = Vec<usize>;
        type Item = usize;
        type Position = usize;

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

        fn position(&self) -> Option<usize> {
            Some(self.at)
        }
    }

    proptest! {
        #[test]
        fn items_come_in_order_and_the_stream_is_fused(
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
                    None => panic!("no error"),
                }
            };
            assert_eq!((seen, error.kind()), (6, ErrorKind::Connection));
            assert!(stream.next().await.is_none());
            assert_eq!(stream.position(), Some(6));
        }
    }

    /// Lets every task run until it waits.
    async fn settle() {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn one_page_is_prefetched_after_a_delivered_one() {
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

    /// A source whose second page never arrives.
    struct Stuck(usize, Arc<()>);

    impl PageSource for Stuck {
        type Page = Vec<usize>;
        type Item = usize;
        type Position = usize;

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

        fn position(&self) -> Option<usize> {
            Some(self.0)
        }
    }

    #[tokio::test]
    async fn a_prefetch_is_cancelled_with_the_stream() {
        let alive = Arc::new(());
        let mut stream = Items::new(Stuck(0, alive.clone()), true);
        assert_eq!(stream.next().await.unwrap().unwrap(), 0);
        assert_eq!(stream.position(), Some(1));
        settle().await;
        assert_eq!(Arc::strong_count(&alive), 2);
        drop(stream);
        settle().await;
        assert_eq!(Arc::strong_count(&alive), 1);
    }

    #[test]
    fn without_a_runtime_nothing_is_prefetched() {
        assert!(prefetch(counting(10, 3, None)).is_err());
    }

    #[tokio::test]
    async fn nothing_is_fetched_before_the_first_poll() {
        let source = counting(10, 3, None);
        let fetches = source.fetches.clone();
        let stream = Pages::new(source, true);
        settle().await;
        assert!(!stream.is_terminated());
        assert_eq!(fetches.load(Ordering::SeqCst), 0);
    }
}
