//! Crash points: named instants at which a test makes the process end as if it were killed.
//!
//! Without the feature `crash-points`, which nothing but the tests of this workspace switches on, a point is nothing.

#[cfg(feature = "crash-points")]
pub use self::armed::{PANICS, POINTS, arm};

/// Ends the process here, if this point is armed.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub(crate) fn point(_name: &'static str) {}

/// Panics here, if this point is armed.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub(crate) fn panic(_name: &'static str) {}

#[cfg(feature = "crash-points")]
pub(crate) use self::armed::{panic, point};

#[cfg(feature = "crash-points")]
mod armed {
    use std::sync::{LazyLock, Mutex, PoisonError};

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

    /// The long-lived tasks that can be made to panic.
    pub const PANICS: [&str; 3] = ["accept", "accept-metrics", "collect"];

    /// Armed from outside by the environment, which is all that a binary of its own can be given.
    static ARMED: LazyLock<Mutex<Option<String>>> =
        LazyLock::new(|| Mutex::new(std::env::var("AGB_TEST_CRASH_POINT").ok()));

    /// From now on the process ends when it comes to this point, or panics there if it is one of [`PANICS`].
    ///
    /// # Panics
    ///
    /// If there is no such point.
    pub fn arm(name: &str) {
        let known = POINTS.contains(&name) || PANICS.contains(&name);
        assert!(known, "there is no crash point {name}");
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

    pub(crate) fn panic(name: &'static str) {
        debug_assert!(PANICS.contains(&name), "{name} is not listed");
        let armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert!(
            armed.as_deref() != Some(name),
            "the task at {name} was made to panic"
        );
    }
}
