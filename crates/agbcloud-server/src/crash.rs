//! Crash points: named places at which a test aborts the process as if it were killed.
//!
//! Only the tests of this workspace enable the feature `crash-points`. Without it, a crash point does nothing.

#[cfg(feature = "crash-points")]
pub use self::armed::{PANICS, POINTS, arm};

/// Aborts the process if this point is armed.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub(crate) fn point(_name: &'static str) {}

/// Panics if this point is armed.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub(crate) fn panic(_name: &'static str) {}

#[cfg(feature = "crash-points")]
pub(crate) use self::armed::{panic, point};

#[cfg(feature = "crash-points")]
mod armed {
    use std::sync::{LazyLock, Mutex, PoisonError};

    /// All crash points, by operation.
    pub const POINTS: [&str; 24] = [
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
        "copy-before-blob",
        "copy-after-blob",
        "copy-after-batch",
        "copy-before-finish",
    ];

    /// The long-lived tasks in which a test can cause a panic.
    pub const PANICS: [&str; 3] = ["accept", "accept-metrics", "collect"];

    /// Initialized from the environment, so that a test can arm a point in another process.
    static ARMED: LazyLock<Mutex<Option<String>>> =
        LazyLock::new(|| Mutex::new(std::env::var("AGB_TEST_CRASH_POINT").ok()));

    /// Arms a point: the process aborts when it reaches it, or panics if it is one of [`PANICS`].
    ///
    /// # Panics
    ///
    /// If the point does not exist.
    pub fn arm(name: &str) {
        let known = POINTS.contains(&name) || PANICS.contains(&name);
        assert!(known, "unknown crash point {name}");
        *ARMED.lock().unwrap_or_else(PoisonError::into_inner) = Some(name.to_owned());
    }

    pub(crate) fn point(name: &'static str) {
        debug_assert!(POINTS.contains(&name), "{name} is not listed");
        let armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
        if armed.as_deref() == Some(name) {
            // Runs no destructors and flushes no buffers.
            std::process::abort();
        }
    }

    pub(crate) fn panic(name: &'static str) {
        debug_assert!(PANICS.contains(&name), "{name} is not listed");
        let armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert!(
            armed.as_deref() != Some(name),
            "the test made the task at {name} panic"
        );
    }
}
