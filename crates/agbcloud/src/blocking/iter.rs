//! Streams as iterators.

use std::{fmt, future::poll_fn, iter::FusedIterator, pin::Pin};

use futures_core::Stream;

use super::driver::Driver;
use crate::{Continuation, Result};

/// Iterator over a stream of the async API. Each use has a name of its own, such as
/// [`ContextItems`](super::ContextItems).
///
/// It works in `next`; with `prefetch(true)` the next page is also fetched between two calls. It ends after an error.
///
/// ```
/// # agbcloud_doctest::run_blocking(|client| {
/// let contexts = client.contexts();
/// for name in ["one", "two"] {
///     contexts.get_or_create(name).send()?;
/// }
/// let mut items = contexts.list().by_item();
/// assert_eq!(items.next().transpose()?.map(|context| context.name).as_deref(), Some("one"));
///
/// // Later, or in another process:
/// let place = items.continuation().expect("one is left");
/// let rest = contexts.list().start_at(place).by_item();
/// let names: Vec<_> = rest.map(|context| Ok(context?.name)).collect::<agbcloud::Result<_>>()?;
/// assert_eq!(names, ["two"]);
/// # Ok(()) });
/// ```
#[must_use = "an iterator does nothing until `next` is called"]
pub struct Iter<S> {
    stream: S,
    driver: Driver,
    /// Ended by an error of the driver, which the stream has not seen.
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

/// All streams of this crate are fused.
impl<S, T> FusedIterator for Iter<S> where S: Stream<Item = Result<T>> + Unpin {}

macro_rules! continuation {
    ($($stream:ident),*) => {
        $(impl Iter<crate::$stream> {
            #[doc = concat!(
                "See [`", stringify!($stream), "::continuation`](crate::", stringify!($stream), "::continuation)."
            )]
            pub fn continuation(&self) -> Option<Continuation> {
                self.stream.continuation()
            }
        })*
    };
}

continuation!(ContextPages, ContextItems, FilePages, FileItems);

impl<S: fmt::Debug> fmt::Debug for Iter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Iter").field(&self.stream).finish()
    }
}
