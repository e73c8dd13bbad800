//! The signals that end a command in good order.

use crate::exit::{Code, Failure};

/// Ctrl-C, SIGTERM or, where a terminal goes away, SIGHUP.
pub(crate) struct Stop {
    #[cfg(unix)]
    terminate: tokio::sync::Mutex<tokio::signal::unix::Signal>,
    #[cfg(unix)]
    interrupt: tokio::sync::Mutex<tokio::signal::unix::Signal>,
    #[cfg(unix)]
    hang_up: tokio::sync::Mutex<tokio::signal::unix::Signal>,
}

impl Stop {
    /// Ends the process at the next signal, whatever it is doing.
    pub(crate) fn at_once() {
        // With a runtime of its own: that of the command may be shutting down.
        std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                if let Ok(again) = Self::new() {
                    again.wait().await;
                    std::process::exit(Code::Interrupted as i32);
                }
            });
        });
    }

    #[cfg(unix)]
    pub(crate) fn new() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};

        let listen = |kind| {
            signal(kind)
                .map(tokio::sync::Mutex::new)
                .map_err(|error| Failure::other("can't listen for signals", error))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    #[cfg(unix)]
    pub(crate) async fn wait(&self) {
        let mut terminate = self.terminate.lock().await;
        let mut interrupt = self.interrupt.lock().await;
        let mut hang_up = self.hang_up.lock().await;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hang_up.recv() => {}
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn new() -> Result<Self, Failure> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    pub(crate) async fn wait(&self) {
        // Where it can't be listened for, nothing but the end of the process stops the service.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
