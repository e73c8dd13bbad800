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

/// A random part of a time that doubles with each failure, and at least the requested time. Full jitter spreads clients that
/// failed together better than jitter on half of the time.
pub(super) fn wait(
    policy: &RetryPolicy,
    failures: u32,
    requested: Option<Duration>,
    jitter: &Jitter,
) -> Duration {
    let doubled = policy
        .first_wait
        .saturating_mul(1 << failures.saturating_sub(1).min(16));
    let max = doubled.min(policy.max_wait);
    // Fails for `Duration::MAX`.
    let random = Duration::try_from_secs_f64(max.as_secs_f64() * jitter.next());
    let random = random.unwrap_or(max);
    random.max(requested.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_are_at_least_the_requested_time() {
        let (policy, second) = (RetryPolicy::default(), Duration::from_secs(1));
        let all = Jitter::new(|| 1.0);
        let waits = [1, 2, 3, 40].map(|failures| wait(&policy, failures, None, &all));
        assert_eq!(
            waits,
            [second / 5, second * 2 / 5, second * 4 / 5, second * 20]
        );
        let patient = RetryPolicy::default().backoff(Duration::MAX, Duration::MAX);
        assert_eq!(wait(&patient, 3, None, &all), Duration::MAX);
        let half = Jitter::new(|| 0.5);
        assert_eq!(wait(&policy, 2, None, &half), second / 5);
        assert_eq!(wait(&policy, 1, Some(second * 60), &all), second * 60);
    }
}
