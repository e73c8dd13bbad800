//! Where the futures behind the calls run: on the caller's thread, with one thread for what goes on beside them.

use std::{fmt, future::IntoFuture, sync::Arc};

use tokio::runtime::{Builder, Handle, Runtime};

use crate::{Error, ErrorKind, Result};

/// The runtime of a client. Clones share it; the last one that is dropped ends it.
#[derive(Clone)]
pub(super) struct Driver(Arc<Owned>);

struct Owned {
    handle: Handle,
    /// `None` only while it is dropped.
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
                let message = "the thread of the blocking client can't be started";
                Error::new(ErrorKind::Configuration, message).with_source(error)
            })?;
        Ok(Self(Arc::new(Owned {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })))
    }

    /// Runs the work to its end on this thread.
    pub(super) fn run<W: IntoFuture>(&self, work: W) -> Result<W::Output> {
        outside_of_runtimes()?;
        Ok(self.0.handle.block_on(work.into_future()))
    }
}

/// Inside a runtime tokio would panic; where it did not, the thread that the runtime needs would stand still.
fn outside_of_runtimes() -> Result<()> {
    match Handle::try_current() {
        Err(none) if none.is_missing_context() => Ok(()),
        Err(_) => Err(Error::new(
            ErrorKind::Configuration,
            "a blocking call while its thread ends, as a thread-local value is dropped: make it before",
        )),
        Ok(_) => Err(Error::new(
            ErrorKind::Configuration,
            "a blocking call inside a tokio runtime would hold it up: use agbcloud::Client and await it, or move the \
             call to a thread of its own (std::thread::spawn; spawn_blocking is inside the runtime)",
        )),
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // Waits for nothing, since this may be a thread of another runtime.
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
    fn its_one_thread_ends_with_the_last_clone() {
        let (life, ended) = channel();
        let driver = Driver::start().unwrap();
        let clone = driver.clone();
        let settled = driver.0.handle.spawn(async move {
            let name = std::thread::current().name().unwrap_or("none").to_owned();
            life.send(name).unwrap();
            LIFE.set(Some(life));
            tokio::runtime::Handle::current().metrics().num_workers()
        });
        assert_eq!(driver.run(settled).unwrap().unwrap(), 1);
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

    /// Runs something as it is dropped, and sends what came of it.
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
    fn a_call_from_a_thread_local_value_that_is_dropped_is_refused() {
        let (told, failure) = channel();
        let thread = std::thread::spawn(|| {
            // What is touched first is dropped last: after what tokio keeps for the thread.
            LATE.set(None);
            let driver = Driver::start().unwrap();
            driver.run(async {}).unwrap();
            LATE.set(Some(Late(driver, told)));
        });
        thread.join().unwrap();
        assert_eq!(failure.recv().unwrap(), Some(ErrorKind::Configuration));
    }

    #[test]
    fn work_runs_on_the_thread_of_the_caller() {
        let driver = Driver::start().unwrap();
        let there = driver.run(async { std::thread::current().id() }).unwrap();
        assert_eq!(there, std::thread::current().id());
    }
}
