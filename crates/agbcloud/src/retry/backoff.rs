//! The wait between two attempts.

use std::{fmt, sync::Arc, time::Duration};

use super::RetryPolicy;

/// A source of random numbers from 0 to below 1.
#[derive(Clone)]
pub(crate) struct Jitter(Arc<dyn Fn() -> f64 + Send + Sync>);

impl Jitter {
    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn new(numbers: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(numbers))
    }

    fn next(&self) -> f64 {
        match (self.0)() {
            number if number.is_nan() => 0.0,
            number => number.clamp(0.0, 1.0),
        }
    }
}

impl Default for Jitter {
    #[expect(
        clippy::disallowed_methods,
        reason = "the only use of random numbers; they need not be secure"
    )]
    fn default() -> Self {
        Self(Arc::new(fastrand::f64))
    }
}

impl fmt::Debug for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jitter")
    }
}

/// A random part of a time that doubles with each failure. Full jitter spreads clients that failed together better than
/// jitter on half of the time.
///
/// After a requested time, the random part comes on top, so that no client returns early and clients that were refused
/// together do not return together. It is then a part of at least half of the requested time, and `limit` shortens it.
pub(super) fn wait(
    policy: &RetryPolicy,
    failures: u32,
    requested: Option<Duration>,
    limit: Duration,
    jitter: &Jitter,
) -> Duration {
    let doubled = policy
        .first_wait
        .saturating_mul(1 << failures.saturating_sub(1).min(16));
    let Some(requested) = requested else {
        return part(doubled.min(policy.max_wait), jitter);
    };
    let spread = doubled.max(requested / 2).min(policy.max_wait);
    let left = limit.saturating_sub(requested) / 2;
    requested.saturating_add(part(spread.min(left), jitter))
}

/// First of the doubling waits after a conflict with another client, and the longest.
const CONFLICT_WAITS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// A random part of a time that doubles with each conflict with other clients, so that one of them succeeds.
pub(crate) fn conflict_wait(conflicts: u32, jitter: &Jitter) -> Duration {
    let (first, max) = CONFLICT_WAITS;
    part(
        first.saturating_mul(1 << conflicts.min(16)).min(max),
        jitter,
    )
}

/// A random part of a time.
fn part(time: Duration, jitter: &Jitter) -> Duration {
    // Fails for `Duration::MAX`.
    Duration::try_from_secs_f64(time.as_secs_f64() * jitter.next()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn waits_double_up_to_a_limit() {
        let policy = RetryPolicy::default();
        let (all, half) = (Jitter::new(|| 1.0), Jitter::new(|| 0.5));
        let wait = |policy: &RetryPolicy, failures, jitter| {
            super::wait(policy, failures, None, SECOND, jitter)
        };
        let waits = [1, 2, 3, 40].map(|failures| wait(&policy, failures, &all));
        assert_eq!(
            waits,
            [SECOND / 5, SECOND * 2 / 5, SECOND * 4 / 5, SECOND * 20]
        );
        let patient = RetryPolicy::default().backoff(Duration::MAX, Duration::MAX);
        assert_eq!(wait(&patient, 3, &all), Duration::MAX);
        assert_eq!(wait(&policy, 2, &half), SECOND / 5);
    }

    #[test]
    fn jitter_comes_on_top_of_a_requested_time() {
        let policy = RetryPolicy::default();
        let (all, none) = (Jitter::new(|| 1.0), Jitter::new(|| 0.0));
        let wait =
            |requested, limit, jitter| super::wait(&policy, 1, Some(requested), limit, jitter);
        let long = SECOND * 180;
        assert_eq!(wait(SECOND * 8, long, &none), SECOND * 8);
        assert_eq!(wait(SECOND * 8, long, &all), SECOND * 12);
        assert_eq!(
            wait(SECOND * 90, long, &all),
            SECOND * 110,
            "at most the longest wait"
        );
        assert_eq!(wait(Duration::ZERO, long, &all), SECOND / 5);
        // The limit shortens the jitter and not the requested time.
        assert_eq!(wait(SECOND * 8, SECOND * 10, &all), SECOND * 9);
        assert_eq!(wait(SECOND * 8, SECOND * 5, &all), SECOND * 8);
        assert_eq!(wait(Duration::MAX, long, &all), Duration::MAX);
    }
}
