//! Ctrl-C and SIGTERM: the task fails at its next check, so that its processes and folders are removed.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::Failure;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Records the first SIGINT or SIGTERM. The second one ends this program at once.
pub(crate) fn listen() -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let failure = |error: std::io::Error| {
        let hint = "this is a limit of the system";
        Failure::new(format!("can't handle signals: {error}"), hint)
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(failure)?;
    let (mut interrupt, mut terminate) = {
        let _entered = runtime.enter();
        (
            signal(SignalKind::interrupt()).map_err(failure)?,
            signal(SignalKind::terminate()).map_err(failure)?,
        )
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if INTERRUPTED.swap(true, Ordering::Relaxed) {
                    std::process::exit(130);
                }
                eprintln!("interrupted: stopping all processes");
            }
        });
    });
    Ok(())
}

/// Fails after a signal.
pub(crate) fn check() -> Result<(), Failure> {
    match INTERRUPTED.load(Ordering::Relaxed) {
        false => Ok(()),
        true => Err(Failure::new("interrupted", "run the task again")),
    }
}
