//! The clock, which tests can replace.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use futures_core::future::BoxFuture;

/// The clock of a client, which it also uses to wait: between attempts, between polls of a clear, and for responses.
///
/// Defaults to the clock of tokio, so that a test in the paused time of tokio needs no clock of its own.
#[cfg_attr(
    feature = "test-util",
    doc = "\nSet it with [`ClientBuilder::clock`](crate::ClientBuilder::clock)."
)]
pub trait Clock: Send + Sync {
    /// The current time of a monotonic clock.
    fn now(&self) -> Instant;

    /// The current time of day, to compare with dates of the service.
    fn system_time(&self) -> SystemTime;

    /// Waits.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// A shared clock.
impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Instant {
        (**self).now()
    }

    fn system_time(&self) -> SystemTime {
        (**self).system_time()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        (**self).sleep(duration)
    }
}

/// The clock of tokio.
struct TokioClock;

#[expect(
    clippy::disallowed_methods,
    reason = "the only use of the system clock"
)]
impl Clock for TokioClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn system_time(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// The clock of a client. Clones share it.
#[derive(Clone)]
pub(crate) struct Time(Arc<dyn Clock>);

/// Thirty years.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

impl Time {
    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn of(clock: impl Clock + 'static) -> Self {
        Self(Arc::new(clock))
    }

    pub(crate) fn now(&self) -> Instant {
        self.0.now()
    }

    pub(crate) fn system_time(&self) -> SystemTime {
        self.0.system_time()
    }

    /// The time since then.
    pub(crate) fn since(&self, then: Instant) -> Duration {
        self.now().saturating_duration_since(then)
    }

    /// The time after a wait. A time that can't be represented is replaced by one in thirty years.
    pub(crate) fn later(&self, wait: Duration) -> Instant {
        let now = self.now();
        now.checked_add(wait).unwrap_or_else(|| now + NEVER)
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }

    pub(crate) async fn sleep_until(&self, moment: Instant) {
        self.sleep(moment.saturating_duration_since(self.now()))
            .await;
    }

    /// Runs the work, and returns `None` if it takes longer.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.sleep(limit) => None,
        }
    }
}

impl Default for Time {
    fn default() -> Self {
        Self(Arc::new(TokioClock))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Time")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_wait_is_in_the_future() {
        let time = Time::default();
        assert!(time.later(Duration::MAX) > time.later(Duration::from_secs(3600)));
    }

    #[tokio::test(start_paused = true)]
    async fn work_within_the_limit_is_returned() {
        let (time, second) = (Time::default(), Duration::from_secs(1));
        assert_eq!(time.within(Duration::ZERO, async { 1 }).await, Some(1));
        assert_eq!(time.within(second * 2, time.sleep(second)).await, Some(()));
        assert_eq!(time.within(second, time.sleep(second * 2)).await, None);
    }
}
