//! Streams as iterators.

use std::{fmt, future::poll_fn, iter::FusedIterator, pin::Pin};

use futures_core::Stream;

use super::Driver;
use crate::{Continuation, Result};

/// What a stream of this crate gives, as an iterator: from the listings, the walk of a folder and the statuses of a
/// clear, each of which has a name of its own for it ([`ContextItems`](super::ContextItems) and so on).
///
/// It does its work in `next`; with prefetching the page ahead comes meanwhile. It ends after an error, and stays
/// ended.
///
/// ```
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
/// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
/// # let contexts = client.contexts();
/// # contexts.get_or_create("one").send()?;
/// # contexts.get_or_create("two").send()?;
/// let names: Vec<String> = contexts
///     .list()
///     .by_item()
///     .map(|context| Ok(context?.name))
///     .collect::<agbcloud::Result<_>>()?;
/// assert_eq!(names, ["one", "two"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "an iterator does nothing until it is asked for an item"]
pub struct Iter<S> {
    stream: S,
    driver: Driver,
    /// By an error that the stream does not know of: there was no asking it.
    ended: bool,
}

impl<S> Iter<S> {
    pub(super) fn new(stream: S, driver: Driver) -> Self {
        Self {
            stream,
            driver,
            ended: false,
        }
    }
}

impl<S, T> Iterator for Iter<S>
where
    S: Stream<Item = Result<T>> + Unpin,
{
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let stream = &mut self.stream;
        let next = poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx));
        self.driver.run(next).unwrap_or_else(|error| {
            self.ended = true;
            Some(Err(error))
        })
    }
}

/// Every stream of this crate gives nothing more once it has ended.
impl<S, T> FusedIterator for Iter<S> where S: Stream<Item = Result<T>> + Unpin {}

impl Iter<crate::ContextPages> {
    /// Where the listing goes on behind the pages that were delivered: see
    /// [`ContextPages::continuation`](crate::ContextPages::continuation).
    pub fn continuation(&self) -> Option<Continuation> {
        self.stream.continuation()
    }
}

impl Iter<crate::ContextItems> {
    /// Where the listing goes on behind the contexts that were delivered: see
    /// [`ContextItems::continuation`](crate::ContextItems::continuation).
    ///
    /// ```
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # let service = runtime.block_on(agbcloud_server::Server::builder().start())?;
    /// # let client = agbcloud::blocking::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let contexts = client.contexts();
    /// # contexts.get_or_create("one").send()?;
    /// # contexts.get_or_create("two").send()?;
    /// let mut items = contexts.list().by_item();
    /// let first = items.next().expect("there are two")?;
    /// let place = items.continuation().expect("one is left");
    /// let rest = contexts.list().start_at(place).send()?;
    /// assert_ne!(rest.contexts[0].id, first.id);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn continuation(&self) -> Option<Continuation> {
        self.stream.continuation()
    }
}

impl Iter<crate::FilePages> {
    /// Where the listing goes on behind the pages that were delivered: see
    /// [`FilePages::continuation`](crate::FilePages::continuation).
    pub fn continuation(&self) -> Option<Continuation> {
        self.stream.continuation()
    }
}

impl Iter<crate::FileItems> {
    /// Where the listing goes on behind the entries that were delivered: see
    /// [`FileItems::continuation`](crate::FileItems::continuation).
    pub fn continuation(&self) -> Option<Continuation> {
        self.stream.continuation()
    }
}

impl<S: fmt::Debug> fmt::Debug for Iter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Iter").field(&self.stream).finish()
    }
}
