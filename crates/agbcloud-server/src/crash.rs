//! Crash points: named instants at which a test makes the process end as if it were killed.
//!
//! Without the feature `crash-points`, which nothing but the tests of this crate switches on, a point is nothing.

#[cfg(feature = "crash-points")]
pub use self::armed::{POINTS, arm};

/// Ends the process here, if this point is armed.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub(crate) fn point(_name: &'static str) {}

#[cfg(feature = "crash-points")]
pub(crate) use self::armed::point;

#[cfg(feature = "crash-points")]
mod armed {
    use std::sync::{Mutex, PoisonError};

    /// All points, by operation.
    pub const POINTS: [&str; 20] = [
        "upload-before-first-byte",
        "upload-before-blob",
        "upload-after-blob",
        "upload-after-publish",
        "put-before-row",
        "put-before-count",
        "put-after-row",
        "delete-before-count",
        "delete-after-row",
        "create-after-row",
        "rename-after-row",
        "clear-before-doom",
        "clear-after-row",
        "delete-context-after-row",
        "commit-before",
        "commit-after",
        "collect-after-rows",
        "collect-between-blobs",
        "collect-before-forgetting",
        "collect-before-finish",
    ];

    static ARMED: Mutex<Option<String>> = Mutex::new(None);

    /// From now on the process ends when it comes to this point.
    ///
    /// # Panics
    ///
    /// If there is no such point.
    pub fn arm(name: &str) {
        assert!(POINTS.contains(&name), "there is no crash point {name}");
        *ARMED.lock().unwrap_or_else(PoisonError::into_inner) = Some(name.to_owned());
    }

    pub(crate) fn point(name: &'static str) {
        debug_assert!(POINTS.contains(&name), "{name} is not listed");
        let armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
        if armed.as_deref() == Some(name) {
            // No destructor runs and no buffer is written.
            std::process::abort();
        }
    }
}
