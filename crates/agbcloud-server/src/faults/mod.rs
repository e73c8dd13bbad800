//! Injected faults, for testing clients. They are the same in every run.

mod fault;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub(crate) use self::fault::FaultKind;
pub use self::fault::{Fault, InvalidFault};
use crate::signing::Tenant;
use crate::system::clock::Micros;

/// All faults of a server and their state.
#[derive(Default)]
pub(crate) struct Faults {
    active: Vec<ActiveFault>,
    /// Contexts that are reported as clearing, and until when.
    clearing: Mutex<HashMap<(Tenant, String), Option<Micros>>>,
}

struct ActiveFault {
    fault: Fault,
    state: Mutex<FaultState>,
}

struct FaultState {
    /// Returns one number for each request that the fault could apply to.
    random: fastrand::Rng,
    /// How many requests the fault was applied to.
    applied: u64,
}

impl Faults {
    pub(crate) fn new(faults: Vec<Fault>) -> Self {
        let active = |fault: Fault| ActiveFault {
            state: Mutex::new(FaultState {
                random: fastrand::Rng::with_seed(fault.seed),
                applied: 0,
            }),
            fault,
        };
        Self {
            active: faults.into_iter().map(active).collect(),
            clearing: Mutex::default(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// Returns the faults that apply to this request of an operation, out of those whose kind `select` accepts.
    pub(crate) fn matching<T>(
        &self,
        operation: &str,
        select: impl Fn(&FaultKind) -> Option<T>,
    ) -> Vec<(T, &Fault)> {
        let matching = self.active.iter().filter_map(|active| {
            let selected = select(&active.fault.kind)?;
            (active.fault.includes(operation) && active.applies())
                .then_some((selected, &active.fault))
        });
        matching.collect()
    }

    /// Whether a fault without a value applies to this request.
    pub(crate) fn applies(&self, operation: &str, kind: FaultKind) -> bool {
        let same = |other: &FaultKind| (*other == kind).then_some(());
        !self.matching(operation, same).is_empty()
    }

    /// Returns how far this listing lags behind, if it does.
    pub(crate) fn lag(&self, operation: &str) -> Option<Duration> {
        let lag = |kind: &FaultKind| match kind {
            FaultKind::Lag(lag) => Some(*lag),
            _ => None,
        };
        let lags = self.matching(operation, lag);
        lags.into_iter().map(|(lag, _)| lag).max()
    }

    /// Records that a clear of a context has started.
    pub(crate) fn clear_started(&self, tenant: &Tenant, context: &str, now: Micros) {
        let until = |kind: &FaultKind| match kind {
            FaultKind::SlowClear(time) => Some(Some(now.after(*time))),
            FaultKind::StuckClear => Some(None),
            _ => None,
        };
        if let Some((until, _)) = self.matching("ClearContext", until).pop() {
            let key = (tenant.clone(), context.to_owned());
            let mut clearing = self.clearing.lock().unwrap_or_else(PoisonError::into_inner);
            // A second call does not extend a clear in progress.
            clearing
                .entry(key)
                .and_modify(|ends| {
                    if ends.is_some_and(|ends| ends <= now) {
                        *ends = until;
                    }
                })
                .or_insert(until);
        }
    }

    /// Whether a context is reported as clearing, independent of its state.
    pub(crate) fn is_clearing(&self, tenant: &Tenant, context: &str, now: Micros) -> bool {
        if self.active.is_empty() {
            return false;
        }
        let clearing = self.clearing.lock().unwrap_or_else(PoisonError::into_inner);
        clearing
            .get(&(tenant.clone(), context.to_owned()))
            .is_some_and(|until| until.is_none_or(|until| now < until))
    }
}

impl ActiveFault {
    /// Whether the fault applies to the next matching request. Depends only on the seed and the number of the request.
    fn applies(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let chance = state.random.f64();
        let exhausted = self.fault.times.is_some_and(|times| state.applied >= times);
        let applies = !exhausted && chance < self.fault.rate;
        state.applied += u64::from(applies);
        applies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(spec: &str, requests: usize) -> Vec<bool> {
        let faults = Faults::new(vec![spec.parse().unwrap()]);
        let one = |_| !faults.matching("GetContext", |_| Some(())).is_empty();
        (0..requests).map(one).collect()
    }

    #[test]
    fn the_seed_decides_which_requests_fail() {
        let first = run("html,rate=0.3,seed=1", 1000);
        assert_eq!(first, run("html,rate=0.3,seed=1", 1000));
        assert_ne!(first, run("html,rate=0.3,seed=2", 1000));
        let applied = first.iter().filter(|applied| **applied).count();
        assert!((250..350).contains(&applied), "{applied}");
    }

    #[test]
    fn rate_times_and_operation_limit_a_fault() {
        assert_eq!(run("html", 5), [true; 5]);
        assert_eq!(run("html,rate=0", 5), [false; 5]);
        assert_eq!(run("html,times=2", 4), [true, true, false, false]);
        assert_eq!(run("html,op=ListContexts", 3), [false; 3]);
        let limited = run("html,rate=0.5,times=3", 100);
        assert_eq!(limited.iter().filter(|applied| **applied).count(), 3);
    }
}
