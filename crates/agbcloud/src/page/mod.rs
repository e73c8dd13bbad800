//! Streams over pages: lazy, with one page in memory (two with prefetching), and fused.
//!
//! A [`PageSource`] fetches the pages. This module does not depend on the type of the entries.

mod delivered;
mod stream;

pub use agbcloud_api::rules::MAX_PAGE_SIZE;
pub(crate) use delivered::{DeliveredItems, PageFingerprint};
pub(crate) use stream::{Items, PageSource, Pages, Position};

use crate::error::{Error, Result};

/// The default number of items on a page.
pub const DEFAULT_PAGE_SIZE: u32 = 100;

/// The page size to request.
pub(crate) fn page_size(requested: Option<u32>) -> Result<u32> {
    match requested {
        Some(0) => Err(Error::invalid_argument(format!(
            "page size must be from 1 to {MAX_PAGE_SIZE}"
        ))),
        Some(size) => Ok(size.min(MAX_PAGE_SIZE)),
        None => Ok(DEFAULT_PAGE_SIZE),
    }
}

/// Declares a public stream type around [`Pages`] or [`Items`].
macro_rules! named_stream {
    ($(#[$doc:meta])* $name:ident, $inner:ty, $item:ty) => {
        $(#[$doc])*
        #[must_use = "a stream does nothing until it is polled"]
        pub struct $name($inner);

        impl $name {
            #[doc = concat!("Returns the next one, or `None` at the end, like `StreamExt::next` without that trait.",
                            "\n\n# Errors\n\nThose of the call that fetches a page. An error ends the stream.")]
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
