//! Runs the futures of calls on the calling thread, with one background thread for the connections.

use std::{fmt, future::IntoFuture, sync::Arc};

use tokio::runtime::{Builder, Handle, Runtime};

use crate::{Error, ErrorKind, Result};

/// The runtime of a client. Clones share it. It ends when the last clone is dropped.
#[derive(Clone)]
pub(super) struct Driver(Arc<Owned>);

struct Owned {
    handle: Handle,
    /// `None` only in `drop`.
    runtime: Option<Runtime>,
}

impl Driver {
    pub(super) fn start() -> Result<Self> {
        outside_of_runtimes()?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("agbcloud")
            .enable_all()
            .build()
            .map_err(|error| {
                let message = "can't start the thread of the blocking client";
                Error::new(ErrorKind::Configuration, message).with_source(error)
            })?;
        Ok(Self(Arc::new(Owned {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })))
    }

    /// Runs a future to its end on this thread.
    pub(super) fn run<W: IntoFuture>(&self, work: W) -> Result<W::Output> {
        outside_of_runtimes()?;
        Ok(self.0.handle.block_on(work.into_future()))
    }
}

/// Fails inside a runtime: tokio would panic there, or the call would block a thread that the runtime needs.
fn outside_of_runtimes() -> Result<()> {
    match Handle::try_current() {
        Err(none) if none.is_missing_context() => Ok(()),
        Err(_) => Err(Error::new(
            ErrorKind::Configuration,
            "a blocking call can't run while its thread ends, in the destructor of a thread-local value: make the call \
             earlier",
        )),
        Ok(_) => Err(Error::new(
            ErrorKind::Configuration,
            "a blocking call can't run inside a tokio runtime: use agbcloud::Client and await it, or move the call to \
             a thread of its own (std::thread::spawn; spawn_blocking is inside the runtime)",
        )),
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // Does not wait for tasks, since this may be a thread of another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::RefCell,
        sync::mpsc::{RecvTimeoutError, Sender, channel},
        time::Duration,
    };

    use super::*;

    thread_local! {
        /// Dropped when its thread ends.
        static LIFE: RefCell<Option<Sender<String>>> = const { RefCell::new(None) };
    }

    #[test]
    fn the_thread_ends_when_the_last_clone_is_dropped() {
        let (life, ended) = channel();
        let driver = Driver::start().unwrap();
        let clone = driver.clone();
        let spawned = driver.0.handle.spawn(async move {
            let name = std::thread::current().name().unwrap_or("none").to_owned();
            life.send(name).unwrap();
            LIFE.set(Some(life));
            tokio::runtime::Handle::current().metrics().num_workers()
        });
        assert_eq!(driver.run(spawned).unwrap().unwrap(), 1);
        assert_eq!(ended.recv().unwrap(), "agbcloud");
        drop(driver);
        assert!(
            ended
                .try_recv()
                .is_err_and(|error| error.to_string().contains("empty"))
        );
        drop(clone);
        let last = ended.recv_timeout(Duration::from_secs(60));
        assert_eq!(last, Err(RecvTimeoutError::Disconnected));
    }

    /// Makes a call in its destructor and sends the kind of the error.
    struct Late(Driver, Sender<Option<ErrorKind>>);

    impl Drop for Late {
        fn drop(&mut self) {
            let failure = self.0.run(async {}).err();
            self.1.send(failure.map(|error| error.kind())).unwrap();
        }
    }

    thread_local! {
        static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
    }

    #[test]
    fn a_call_in_the_destructor_of_a_thread_local_value_fails() {
        let (sender, failure) = channel();
        let thread = std::thread::spawn(|| {
            // The value that is used first is dropped last: after the thread-local values of tokio.
            LATE.set(None);
            let driver = Driver::start().unwrap();
            driver.run(async {}).unwrap();
            LATE.set(Some(Late(driver, sender)));
        });
        thread.join().unwrap();
        assert_eq!(failure.recv().unwrap(), Some(ErrorKind::Configuration));
    }

    #[test]
    fn a_future_runs_on_the_calling_thread() {
        let driver = Driver::start().unwrap();
        let there = driver.run(async { std::thread::current().id() }).unwrap();
        assert_eq!(there, std::thread::current().id());
    }
}
