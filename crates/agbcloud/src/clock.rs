//! Where time comes from: one place that tells it and one way to wait, so that a test can put its own there.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use futures_core::future::BoxFuture;

/// Where a client takes time from, and how it waits: between tries, between looks at a clear, and for answers that
/// do not come.
///
/// Without one, it is tokio's: a test that runs in tokio's paused time needs no clock of its own.
#[cfg_attr(
    feature = "test-util",
    doc = "\nGiven to a client by [`ClientBuilder::clock`](crate::ClientBuilder::clock)."
)]
pub trait Clock: Send + Sync {
    /// The time on a clock that never goes back.
    fn now(&self) -> Instant;

    /// The time of day, for dates that a service names.
    fn system_time(&self) -> SystemTime;

    /// Waits.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// A clock that several have.
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

/// Tokio's time.
struct TokioClock;

// The only place that asks the machine.
#[allow(clippy::disallowed_methods)]
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

/// A client's clock. Clones share it.
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

    /// How long ago that was.
    pub(crate) fn since(&self, then: Instant) -> Duration {
        self.now().saturating_duration_since(then)
    }

    /// The moment so much later; one that is too far off to be counted is as good as never.
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

    /// What the work gives, or `None` if that takes longer.
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
    async fn no_wait_is_too_long() {
        let time = Time::default();
        assert!(time.later(Duration::MAX) > time.later(Duration::from_secs(3600)));
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_is_done_in_time_is_not_lost() {
        let (time, second) = (Time::default(), Duration::from_secs(1));
        assert_eq!(time.within(Duration::ZERO, async { 1 }).await, Some(1));
        assert_eq!(time.within(second * 2, time.sleep(second)).await, Some(()));
        assert_eq!(time.within(second, time.sleep(second * 2)).await, None);
    }
}
