//! Ctrl-C, SIGTERM and SIGHUP: the first ends a command in good order, the second ends the process.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::failure::{Code, Failure};

/// Counts signals. The process has one listener: installing it removes the default action of a signal, so the
/// listener itself must end the process when no [`Interrupt`] exists.
static SIGNALS: Mutex<Option<watch::Sender<u64>>> = Mutex::new(None);

/// Waits for Ctrl-C, SIGTERM or, when a terminal closes, SIGHUP. While no value exists, each of them ends the process
/// immediately. Dropping the value after the first signal lets the second one end the process.
pub(crate) struct Interrupt {
    signals: tokio::sync::Mutex<watch::Receiver<u64>>,
}

impl Interrupt {
    /// Receives every signal from now on.
    pub(crate) fn new() -> Result<Self, Failure> {
        let mut signals = SIGNALS.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = match &*signals {
            Some(sender) => sender,
            None => {
                let sender = listen();
                let sender = sender
                    .map_err(|error| Failure::with_cause("can't listen for signals", error))?;
                signals.insert(sender)
            }
        };
        Ok(Self {
            signals: tokio::sync::Mutex::new(sender.subscribe()),
        })
    }

    /// Whether a signal has arrived.
    pub(crate) fn has_arrived(&self) -> bool {
        let signals = self.signals.try_lock();
        signals.is_ok_and(|signals| signals.has_changed().unwrap_or(false))
    }

    /// Waits for the next signal.
    pub(crate) async fn wait(&self) {
        let mut signals = self.signals.lock().await;
        if signals.changed().await.is_err() {
            // The listener is gone.
            std::future::pending::<()>().await;
        }
    }
}

/// Runs the work until the first signal, then drops it and fails with the hint. A second signal does not wait for the
/// work to be dropped: it ends the process.
pub(crate) async fn unless_interrupted<T>(
    work: impl Future<Output = Result<T, Failure>>,
    hint: &str,
) -> Result<T, Failure> {
    let interrupt = Interrupt::new()?;
    let mut work = Box::pin(work);
    tokio::select! {
        result = &mut work => result,
        () = interrupt.wait() => {
            drop(interrupt);
            drop(work);
            Err(Failure::interrupted().with_hint(hint))
        }
    }
}

/// Starts the listener. It has a runtime of its own, since that of the command may be shutting down.
fn listen() -> io::Result<watch::Sender<u64>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut signals = {
        let _context = runtime.enter();
        SignalStreams::new()?
    };
    let (sender, _) = watch::channel(0);
    let counter = sender.clone();
    std::thread::Builder::new().spawn(move || {
        runtime.block_on(async {
            let mut count = 0;
            while signals.next().await.is_some() {
                count += 1;
                if counter.send(count).is_err() {
                    std::process::exit(Code::Interrupted as i32);
                }
            }
        });
    })?;
    Ok(sender)
}

#[cfg(unix)]
struct SignalStreams {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    /// `None` under nohup: the process must outlive its terminal.
    hang_up: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl SignalStreams {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        let hang_up = SignalKind::hangup();
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: match is_ignored(hang_up.as_raw_value()) {
                true => None,
                false => Some(signal(hang_up)?),
            },
        })
    }

    async fn next(&mut self) -> Option<()> {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            signal = self.terminate.recv() => signal,
            signal = self.interrupt.recv() => signal,
            signal = hang_up => signal,
        }
    }
}

/// Whether the process was started with the signal ignored. Only Linux provides this.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

#[cfg(not(unix))]
struct SignalStreams;

#[cfg(not(unix))]
impl SignalStreams {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Option<()> {
        tokio::signal::ctrl_c().await.ok()
    }
}
