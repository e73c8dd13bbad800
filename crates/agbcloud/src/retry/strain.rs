//! How much the service and the stores suffer.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::ErrorKind;

/// Counts the answers by which a service or a store says that it is asked too much. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Strain(Arc<AtomicU64>);

impl Strain {
    pub(super) fn heard(&self, failure: ErrorKind) {
        if matches!(failure, ErrorKind::Throttled | ErrorKind::Unavailable) {
            self.felt();
        }
    }

    pub(crate) fn felt(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn level(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
