//! Turns panics of progenitor into errors: it panics on some specifications.

use std::panic::PanicHookInfo;
use std::sync::Once;

const THREAD: &str = "generate";

/// Runs the work on its own thread and returns the message if it panics, without printing it.
pub(super) fn catch_panic<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(silence_thread);
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn_scoped(scope, work)
            .map_err(|error| error.to_string())?
            .join()
            .map_err(|panic| message(panic.as_ref()))
    })
}

/// All other threads keep the previous hook.
fn silence_thread() {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        if std::thread::current().name() != Some(THREAD) {
            previous(info);
        }
    }));
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_returned() {
        assert_eq!(catch_panic(|| 7), Ok(7));
    }

    #[test]
    fn a_panic_returns_its_message() {
        let number = 7;
        let panicked: Result<(), _> = catch_panic(|| panic!("no more than one, got {number}"));
        assert_eq!(panicked, Err("no more than one, got 7".to_owned()));
    }
}
