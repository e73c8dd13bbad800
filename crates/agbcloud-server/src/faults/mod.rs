//! Failures on request, for whoever writes a client: the same ones in every run.

mod spec;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub(crate) use self::spec::Kind;
pub use self::spec::{Fault, InvalidFault};
use crate::clock::Micros;
use crate::signing::Tenant;

/// All faults of a server, and what they have done so far.
#[derive(Default)]
pub(crate) struct Faults {
    armed: Vec<Armed>,
    /// Contexts that are said to be clearing, and until when.
    clearing: Mutex<HashMap<(Tenant, String), Option<Micros>>>,
}

struct Armed {
    fault: Fault,
    count: Mutex<Count>,
}

/// The requests that a fault could have struck, and those that it has.
#[derive(Default)]
struct Count {
    seen: u64,
    struck: u64,
}

impl Faults {
    pub(crate) fn new(faults: Vec<Fault>) -> Self {
        let armed = |fault| Armed {
            fault,
            count: Mutex::default(),
        };
        Self {
            armed: faults.into_iter().map(armed).collect(),
            clearing: Mutex::default(),
        }
    }

    /// What strikes this request of an operation, out of the kinds that are asked about.
    pub(crate) fn strike<T>(
        &self,
        operation: &str,
        asked: impl Fn(&Kind) -> Option<T>,
    ) -> Vec<(T, &Fault)> {
        let strikes = self.armed.iter().filter_map(|armed| {
            let kind = asked(&armed.fault.kind)?;
            (armed.fault.concerns(operation) && armed.strikes()).then_some((kind, &armed.fault))
        });
        strikes.collect()
    }

    /// Whether a fault without a value strikes.
    pub(crate) fn strikes(&self, operation: &str, kind: Kind) -> bool {
        let same = |armed: &Kind| (*armed == kind).then_some(());
        !self.strike(operation, same).is_empty()
    }

    /// How far a listing lags behind, if it does.
    pub(crate) fn lag(&self, operation: &str) -> Option<Duration> {
        let lag = |kind: &Kind| match kind {
            Kind::Lag(lag) => Some(*lag),
            _ => None,
        };
        let strikes = self.strike(operation, lag);
        strikes.into_iter().map(|(lag, _)| lag).max()
    }

    /// Notes that a context was told to clear.
    pub(crate) fn cleared(&self, tenant: &Tenant, context: &str, now: Micros) {
        let until = |kind: &Kind| match kind {
            Kind::SlowClear(time) => Some(Some(now.after(*time))),
            Kind::StuckClear => Some(None),
            _ => None,
        };
        if let Some((until, _)) = self.strike("ClearContext", until).pop() {
            let key = (tenant.clone(), context.to_owned());
            let mut clearing = self.clearing.lock().unwrap_or_else(PoisonError::into_inner);
            // A second call while it clears starts nothing.
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

    /// Whether a context is to be said to be clearing, whatever it is.
    pub(crate) fn clears(&self, tenant: &Tenant, context: &str, now: Micros) -> bool {
        if self.armed.is_empty() {
            return false;
        }
        let clearing = self.clearing.lock().unwrap_or_else(PoisonError::into_inner);
        clearing
            .get(&(tenant.clone(), context.to_owned()))
            .is_some_and(|until| until.is_none_or(|until| now < until))
    }
}

impl Armed {
    /// Whether it strikes the next request that it concerns: decided by the seed and the number of the request, and
    /// by nothing else.
    fn strikes(&self) -> bool {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let number = count.seen;
        count.seen += 1;
        let spent = self.fault.times.is_some_and(|times| count.struck >= times);
        let strikes = !spent && chance(self.fault.seed, number) < self.fault.rate;
        count.struck += u64::from(strikes);
        strikes
    }
}

/// A number from 0 to 1, 1 excluded, for each pair of seed and number.
fn chance(seed: u64, number: u64) -> f64 {
    let mixed = mix(mix(seed).wrapping_add(number));
    // As many bits as the fraction of a double has.
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

/// The finaliser of SplitMix64.
fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(spec: &str, requests: usize) -> Vec<bool> {
        let faults = Faults::new(vec![spec.parse().unwrap()]);
        let one = |_| !faults.strike("GetContext", |_| Some(())).is_empty();
        (0..requests).map(one).collect()
    }

    #[test]
    fn a_seed_says_which_requests_are_struck() {
        let first = run("html,rate=0.3,seed=1", 1000);
        assert_eq!(first, run("html,rate=0.3,seed=1", 1000));
        assert_ne!(first, run("html,rate=0.3,seed=2", 1000));
        let struck = first.iter().filter(|struck| **struck).count();
        assert!((250..350).contains(&struck), "{struck}");
    }

    #[test]
    fn rates_and_times_are_kept() {
        assert_eq!(run("html", 5), [true; 5]);
        assert_eq!(run("html,rate=0", 5), [false; 5]);
        assert_eq!(run("html,times=2", 4), [true, true, false, false]);
        assert_eq!(run("html,op=ListContexts", 3), [false; 3]);
        let spent = run("html,rate=0.5,times=3", 100);
        assert_eq!(spent.iter().filter(|struck| **struck).count(), 3);
    }
}
