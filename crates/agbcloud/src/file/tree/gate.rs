//! How many transfers at the same time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::{file::local::transfers_at_once, retry::Overload};

/// Lets transfers through: so many files and so many bytes at a time. When the service or the store says that it is too
/// much, half as many; when it is fine again, one more after the other.
pub(super) struct Gate {
    most_files: usize,
    most_bytes: u64,
    strain: Overload,
    state: Mutex<State>,
    left: Notify,
}

struct State {
    files: usize,
    bytes: u64,
    /// Files that are allowed now.
    limit: usize,
    /// Transfers that went well since the limit was last changed.
    calm: usize,
    /// The strain when the limit was last changed.
    strain: u64,
}

/// One transfer that was let through.
pub(super) struct Pass {
    gate: Arc<Gate>,
    bytes: u64,
}

impl Gate {
    pub(super) fn new(most_files: usize, most_bytes: u64, strain: Overload) -> Arc<Self> {
        let most_files = transfers_at_once(most_files);
        Arc::new(Self {
            most_files,
            most_bytes,
            state: Mutex::new(State {
                files: 0,
                bytes: 0,
                limit: most_files,
                calm: 0,
                strain: strain.count(),
            }),
            strain,
            left: Notify::new(),
        })
    }

    /// Waits until there is room. What alone is larger than all that is allowed goes alone.
    pub(super) async fn enter(self: &Arc<Self>, bytes: u64) -> Pass {
        loop {
            let left = self.left.notified();
            if self.takes(bytes) {
                return Pass {
                    gate: self.clone(),
                    bytes,
                };
            }
            left.await;
        }
    }

    fn takes(&self, bytes: u64) -> bool {
        let mut state = self.state();
        let fits = state.bytes.saturating_add(bytes) <= self.most_bytes || state.files == 0;
        let takes = state.files < state.limit && fits;
        if takes {
            state.files += 1;
            state.bytes = state.bytes.saturating_add(bytes);
        }
        takes
    }

    fn leave(&self, bytes: u64) {
        let mut state = self.state();
        state.files -= 1;
        state.bytes = state.bytes.saturating_sub(bytes);
        let strain = self.strain.count();
        if strain > state.strain {
            state.limit = (state.limit / 2).max(1);
            state.calm = 0;
            state.strain = strain;
        } else {
            state.calm += 1;
            if state.calm >= state.limit && state.limit < self.most_files {
                state.limit += 1;
                state.calm = 0;
            }
        }
        drop(state);
        self.left.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.gate.leave(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn enters(gate: &Arc<Gate>, bytes: u64) -> Option<Pass> {
        gate.enter(bytes).now_or_never()
    }

    #[tokio::test]
    async fn files_and_bytes_are_bounded_and_a_large_one_goes_alone() {
        let gate = Gate::new(3, 100, Overload::default());
        let first = enters(&gate, 60).unwrap();
        assert!(enters(&gate, 50).is_none());
        let second = enters(&gate, 40).unwrap();
        drop((first, second));
        let large = enters(&gate, 1000).unwrap();
        assert!(enters(&gate, 1).is_none());
        drop(large);
        let three: Vec<_> = (0..4).map(|_| enters(&gate, 1)).collect();
        assert_eq!(three.iter().flatten().count(), 3);
    }

    #[tokio::test]
    async fn strain_halves_it_and_calm_lets_it_grow() {
        let strain = Overload::default();
        let gate = Gate::new(8, 100, strain.clone());
        let all: Vec<_> = (0..9).map_while(|_| enters(&gate, 1)).collect();
        assert_eq!(all.len(), 8);
        drop(all);
        strain.record();
        drop(enters(&gate, 1));
        assert_eq!(gate.state().limit, 4);
        drop(enters(&gate, 1));
        assert_eq!(gate.state().limit, 4, "one answer is felt once");
        for _ in 0..100 {
            drop(enters(&gate, 1));
        }
        assert_eq!(gate.state().limit, 8);
    }

    #[tokio::test]
    async fn who_waits_is_let_in_when_another_leaves() {
        let gate = Gate::new(1, 100, Overload::default());
        let pass = enters(&gate, 1).unwrap();
        let waits = gate.enter(1);
        let leaves = async {
            tokio::task::yield_now().await;
            drop(pass);
        };
        let (_second, ()) = tokio::join!(waits, leaves);
    }
}
