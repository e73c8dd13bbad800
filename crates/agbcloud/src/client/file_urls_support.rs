//! Whether the service has the extension `file-urls`.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::lock::lock;

/// How long announcements are ignored after the service did not have the extension. Replicas of two versions behind one
/// address announce it and reject it in turns, until all have the same version.
const IGNORED: Duration = Duration::from_secs(600);

/// What is known about the extension. The clones of a client share it.
#[derive(Debug, Default)]
pub(crate) struct FileUrlsSupport(Mutex<Support>);

#[derive(Debug, Default, Clone, Copy)]
enum Support {
    #[default]
    Unknown,
    Announced,
    Rejected(Instant),
}

impl FileUrlsSupport {
    /// Records that a response announces the extension.
    pub(crate) fn announced(&self, now: Instant) {
        let mut support = lock(&self.0);
        match *support {
            Support::Rejected(at) if now.saturating_duration_since(at) < IGNORED => {}
            _ => *support = Support::Announced,
        }
    }

    /// Records that the service does not have the extension.
    pub(crate) fn rejected(&self, now: Instant) {
        *lock(&self.0) = Support::Rejected(now);
    }

    pub(crate) fn is_available(&self) -> bool {
        matches!(*lock(&self.0), Support::Announced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_are_ignored_for_a_while_after_a_rejection() {
        let (support, start) = (FileUrlsSupport::default(), Instant::now());
        assert!(!support.is_available());
        support.announced(start);
        assert!(support.is_available());
        support.rejected(start);
        support.announced(start + IGNORED / 2);
        assert!(!support.is_available());
        support.announced(start + IGNORED);
        assert!(support.is_available());
    }
}
