//! The signals that end a command in good order.

use std::{
    io,
    sync::{Mutex, PoisonError, mpsc},
};

use tokio::sync::watch;

use crate::exit::{Code, Failure};

/// Counts signals. There is one listener for the whole process, for a signal that was ever listened for does nothing by itself
/// any more: one that comes when nobody waits for it has to end the process all the same.
static SIGNALS: Mutex<Option<watch::Sender<u64>>> = Mutex::new(None);

/// Waits for Ctrl-C, SIGTERM or, where a terminal goes away, SIGHUP. When there is no such value, each of them ends the process
/// at once: so does the second Ctrl-C, when the first has been heard and this is gone.
pub(crate) struct Stop {
    signals: tokio::sync::Mutex<watch::Receiver<u64>>,
}

impl Stop {
    /// Hears each signal from now on.
    pub(crate) fn new() -> Result<Self, Failure> {
        let mut signals = SIGNALS.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = match &*signals {
            Some(sender) => sender,
            None => {
                let sender = listen();
                let sender =
                    sender.map_err(|error| Failure::other("can't listen for signals", error))?;
                signals.insert(sender)
            }
        };
        Ok(Self {
            signals: tokio::sync::Mutex::new(sender.subscribe()),
        })
    }

    /// Until a signal has come that was not waited for yet.
    pub(crate) async fn wait(&self) {
        let mut signals = self.signals.lock().await;
        if signals.changed().await.is_err() {
            // Nothing can be heard any more.
            std::future::pending::<()>().await;
        }
    }
}

/// Starts to listen; what comes later is counted.
fn listen() -> io::Result<watch::Sender<u64>> {
    let (tell, told) = mpsc::channel();
    let (sender, _) = watch::channel(0);
    let counted = sender.clone();
    // With a runtime of its own: that of the command may be shutting down.
    std::thread::Builder::new().spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = tell.send(Err(error));
                return;
            }
        };
        runtime.block_on(async {
            let mut signals = match Signals::new() {
                Ok(signals) => signals,
                Err(error) => {
                    let _ = tell.send(Err(error));
                    return;
                }
            };
            let _ = tell.send(Ok(()));
            let mut count = 0;
            while signals.next().await.is_some() {
                count += 1;
                if counted.send(count).is_err() {
                    std::process::exit(Code::Interrupted as i32);
                }
            }
        });
    })?;
    told.recv().map_err(io::Error::other)??;
    Ok(sender)
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    /// None for what was started by nohup, which is to outlive its terminal.
    hang_up: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
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

/// Whether whoever started this process has said that the signal is to be ignored, as far as the system tells.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Option<()> {
        tokio::signal::ctrl_c().await.ok()
    }
}
