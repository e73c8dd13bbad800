//! Readers and writers of std for code that must not wait: each operation is done on a thread for such work.

mod reader;
mod writer;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::task::{JoinHandle, spawn_blocking};

pub(super) use reader::OffloadedReader;
pub(super) use writer::OffloadedWriter;

/// Bytes that one operation moves at most: what a transfer takes at a time.
const CHUNK: usize = 128 * 1024;

/// What blocks, and the one operation that may be going on with it, which has it meanwhile.
enum Offloaded<T, D> {
    Idle(T),
    Busy(JoinHandle<(T, io::Result<D>)>),
    /// An operation panicked, and took it along.
    Lost,
}

impl<T: Send + 'static, D: Send + 'static> Offloaded<T, D> {
    /// Starts the operation, unless one is going on: then it is that one that [`poll`](Self::poll) waits for.
    fn start<O>(&mut self, operation: impl FnOnce() -> O)
    where
        O: FnOnce(&mut T) -> io::Result<D> + Send + 'static,
    {
        *self = match std::mem::replace(self, Self::Lost) {
            Self::Idle(mut thing) => {
                let operation = operation();
                Self::Busy(spawn_blocking(move || {
                    let done = operation(&mut thing);
                    (thing, done)
                }))
            }
            other => other,
        };
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<D>> {
        let Self::Busy(running) = self else {
            return Poll::Ready(Err(io::Error::other("it panicked before")));
        };
        Pin::new(running).poll(cx).map(|ended| match ended {
            Ok((thing, done)) => {
                *self = Self::Idle(thing);
                done
            }
            Err(panic) => {
                *self = Self::Lost;
                Err(io::Error::other(panic))
            }
        })
    }
}
