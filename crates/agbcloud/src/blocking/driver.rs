//! Runs the futures of calls on the calling thread, with one background thread for the connections.

use std::{
    fmt,
    future::IntoFuture,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::coop,
};

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
        check_may_block()?;
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
        check_may_block()?;
        let _entered = self.0.handle.enter();
        Ok(block_on(work.into_future()))
    }
}

/// Runs a future on this thread. Other than that of tokio, it can be nested, and runs beside an entered runtime.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let wakeup = Arc::new(Wakeup {
        thread: thread::current(),
        is_due: AtomicBool::new(false),
    });
    let waker = Waker::from(wakeup.clone());
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        // A nested call on this thread may have used up the token of `unpark`.
        while !wakeup.is_due.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

struct Wakeup {
    thread: Thread,
    is_due: AtomicBool,
}

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        self.is_due.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Fails in async code, where the call would block a thread that the runtime needs, possibly for the call itself.
fn check_may_block() -> Result<()> {
    match Handle::try_current() {
        Err(none) if none.is_missing_context() => Ok(()),
        Ok(_) if !is_async_code() => Ok(()),
        Err(_) => Err(Error::new(
            ErrorKind::Configuration,
            "a blocking call can't run while its thread ends, in the destructor of a thread-local value: make the call \
             earlier",
        )),
        Ok(_) => Err(Error::new(
            ErrorKind::Configuration,
            "a blocking call can't run in async code: use agbcloud::Client and await it, or move the call to \
             tokio::task::spawn_blocking",
        )),
    }
}

/// Larger than the budget of a task.
const MORE_THAN_A_BUDGET: usize = 256;

/// Whether this runs in a future that tokio polls. Such a future has a budget, other than a thread for blocking work, or one
/// that has entered a runtime. The budget is restored.
fn is_async_code() -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    let mut taken = Vec::new();
    let exhausted = (0..MORE_THAN_A_BUDGET).any(|_| match coop::poll_proceed(&mut cx) {
        Poll::Ready(unit) => {
            taken.push(unit);
            false
        }
        Poll::Pending => true,
    });
    // Each restores the budget before it.
    while taken.pop().is_some() {}
    exhausted
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
