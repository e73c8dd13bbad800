//! Fetching the next page while the caller works on this one.

use futures_core::future::BoxFuture;
use tokio::{runtime::Handle, task::JoinHandle};
use tracing::Instrument;

use super::stream::{Fetched, Source};
use crate::{Error, ErrorKind};

/// A task that ends when nobody waits for it any more.
struct Ahead<T>(JoinHandle<T>);

impl<T> Drop for Ahead<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts to fetch on the runtime that this is called in. Where there is none, the source comes back.
pub(super) fn start<S: Source>(source: S) -> Result<BoxFuture<'static, Fetched<S>>, S> {
    match Handle::try_current() {
        Ok(runtime) => {
            let task = Ahead(runtime.spawn(source.fetch().in_current_span()));
            Ok(Box::pin(finish(task)))
        }
        Err(_) => Err(source),
    }
}

async fn finish<S: Source>(mut task: Ahead<Fetched<S>>) -> Fetched<S> {
    match (&mut task.0).await {
        Ok(fetched) => fetched,
        // As it would have been without a task.
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::new(
            ErrorKind::Connection,
            "the runtime that was fetching the next page has shut down: go on from the continuation",
        )),
    }
}
