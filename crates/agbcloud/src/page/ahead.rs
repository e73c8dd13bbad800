//! Fetching the next page while the caller works on this one.

use futures_core::future::BoxFuture;
use tokio::runtime::Handle;

use super::stream::{Fetched, Source};
use crate::{Error, ErrorKind, task::Task};

/// Starts to fetch on the runtime that this is called in. Where there is none, the source comes back.
pub(super) fn start<S: Source>(source: S) -> Result<BoxFuture<'static, Fetched<S>>, S> {
    match Handle::try_current() {
        Ok(runtime) => {
            let task = Task::start_on(&runtime, source.fetch());
            Ok(Box::pin(finish(task)))
        }
        Err(_) => Err(source),
    }
}

async fn finish<S: Source>(mut task: Task<Fetched<S>>) -> Fetched<S> {
    let ended = || {
        let message = "the runtime that was fetching the next page has shut down: go on from the continuation";
        Err(Error::new(ErrorKind::Connection, message))
    };
    task.end().await.unwrap_or_else(ended)
}
