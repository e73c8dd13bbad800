//! Running code that panics where it should give an error: progenitor does on some specifications.

use std::panic::PanicHookInfo;
use std::sync::Once;

const THREAD: &str = "generate";

/// Runs the work on a thread of its own; gives the message if it panics, and prints nothing.
pub(super) fn run<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(silence);
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn_scoped(scope, work)
            .map_err(|error| error.to_string())?
            .join()
            .map_err(|panic| message(panic.as_ref()))
    })
}

/// Every other thread keeps the hook that it had.
fn silence() {
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        if std::thread::current().name() != Some(THREAD) {
            others(info);
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
    fn a_result_passes_through() {
        assert_eq!(run(|| 7), Ok(7));
    }

    #[test]
    fn a_panic_is_its_message() {
        let number = 7;
        let panicked: Result<(), _> = run(|| panic!("no more than one, got {number}"));
        assert_eq!(panicked, Err("no more than one, got 7".to_owned()));
    }
}
