//! Streams over pages: lazy, one page held at a time (two with prefetching), ended for good after the last page or
//! an error, and taken up again from a [`Continuation`].

mod ahead;
mod continuation;
mod had;
#[cfg(test)]
mod properties;
mod stream;

use crate::{Error, ErrorKind, Result};

pub use continuation::Continuation;
pub(crate) use continuation::{ContextPlace, FilePlace};
pub(crate) use had::{Had, Mark};
pub(crate) use stream::{Items, Pages, Source};

/// Items in one page when nothing else is said.
pub const DEFAULT_PAGE_SIZE: u32 = 100;

pub use agbcloud_api::rules::MAX_PAGE_SIZE;

/// The items of a page that comes as an object: without them, it is empty only if it says that there are none.
pub(crate) fn listed<T>(items: Option<Vec<T>>, total: Option<i64>) -> Result<Vec<T>> {
    match items {
        Some(items) => Ok(items),
        None if total == Some(0) => Ok(Vec::new()),
        None => Err(Error::new(
            ErrorKind::InvalidResponse,
            "the page has no items: is this the answer of an AGB service?",
        )),
    }
}

/// The page size to ask for.
pub(crate) fn page_size(asked: Option<u32>) -> Result<u32> {
    match asked {
        Some(0) => Err(Error::invalid_argument(
            "the page size must be from 1 to 1000",
        )),
        Some(size) => Ok(size.min(MAX_PAGE_SIZE)),
        None => Ok(DEFAULT_PAGE_SIZE),
    }
}

/// A public stream over pages or items: a named type around the general one.
macro_rules! named_stream {
    ($(#[$doc:meta])* $name:ident, $inner:ty, $item:ty) => {
        $(#[$doc])*
        #[must_use = "a stream does nothing until it is polled"]
        pub struct $name($inner);

        impl $name {
            #[doc = concat!("The next one, or `None` at the end: what `StreamExt::next` gives, without that trait.",
                            "\n\n# Errors\n\nThose of the call that fetches a page; the stream has ended then.")]
            pub async fn next(&mut self) -> Option<crate::Result<$item>> {
                std::future::poll_fn(|cx| {
                    futures_core::Stream::poll_next(std::pin::Pin::new(&mut *self), cx)
                })
                .await
            }
        }

        impl futures_core::Stream for $name {
            type Item = crate::Result<$item>;

            fn poll_next(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Option<Self::Item>> {
                std::pin::Pin::new(&mut self.0).poll_next(cx)
            }
        }

        impl futures_core::FusedStream for $name {
            fn is_terminated(&self) -> bool {
                futures_core::FusedStream::is_terminated(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use named_stream;
