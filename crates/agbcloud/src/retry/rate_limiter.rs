//! A client-side rate limiter that adapts to throttling, after the adaptive retry mode of the AWS SDKs.
//!
//! A token bucket delays requests. Its rate follows CUBIC, the congestion control of TCP (RFC 9438): throttling multiplies the
//! rate by [`BETA`]; afterwards the rate approaches the rate at which the service throttled, stays near it, and then probes
//! above it. The constants are those of the AWS SDKs, with three differences, each for a fleet that shares one client:
//!
//! - The rate is reduced at most once a round: responses to requests that were sent before the last reduction do not reduce it
//!   again. Otherwise fifty concurrent refusals would reduce it to 0.7 ^ 50.
//! - The minimum is 10 requests a second instead of 0.5. A gateway that refuses a share of the requests at any rate would
//!   bring the rate to the minimum, at which fifty callers would miss their deadlines. Below it, the waits of the calls
//!   spread the requests.
//! - The limiter turns itself off a minute after the last throttling, so that a burst is not slowed by an old event.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use tokio::sync::{self, Notify};

use crate::{clock::Time, lock::lock};

/// The factor by which throttling reduces the rate.
const BETA: f64 = 0.7;

/// The scale of the cubic growth, in requests per second per second cubed.
const SCALE: f64 = 0.4;

/// Minimum rate, in requests per second.
const MIN_RATE: f64 = 10.0;

/// Minimum capacity of the bucket, in requests.
const MIN_CAPACITY: f64 = 1.0;

/// The weight of the last interval in the measured rate.
const SMOOTHING: f64 = 0.8;

/// Minimum length of an interval in which the rate is measured.
const INTERVAL: Duration = Duration::from_millis(500);

/// Maximum ratio of the rate to the measured rate, so that the rate does not grow while few requests are sent.
const MAX_GROWTH: f64 = 2.0;

/// The limiter turns itself off after this time without throttling.
const MEMORY: Duration = Duration::from_secs(60);

/// Delays requests after throttling. The clones of a client share it.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    enabled: bool,
    /// Held by the first caller in the queue. It is fair.
    queue: sync::Mutex<()>,
    /// Wakes the first caller when the rate changes.
    changed: Notify,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    measured: MeasuredRate,
    /// `None` without throttling.
    bucket: Option<Bucket>,
}

/// The rate of requests.
#[derive(Debug, Default)]
struct MeasuredRate {
    /// In requests per second; `None` before the first interval has ended.
    rate: Option<f64>,
    /// The start of the current interval.
    start: Option<Instant>,
    /// Requests in the current interval.
    count: u32,
}

/// A token bucket whose rate follows CUBIC.
#[derive(Debug)]
struct Bucket {
    /// In tokens per second.
    rate: f64,
    capacity: f64,
    tokens: f64,
    /// When tokens were last added.
    refilled: Instant,
    /// The rate at the last throttling.
    max_rate: f64,
    throttled: Instant,
}

impl RateLimiter {
    /// Creates a limiter that limits nothing until the first throttling, or never if it is not enabled.
    pub(crate) fn new(enabled: bool) -> Self {
        Self {
            enabled,
            queue: sync::Mutex::default(),
            changed: Notify::new(),
            state: Mutex::default(),
        }
    }

    /// Waits until a request may be sent, in the order of the calls. Returns the time at which it is sent, for
    /// [`record`](Self::record).
    pub(crate) async fn acquire(&self, time: &Time) -> Instant {
        if lock(&self.state).is_off(time.now()) {
            return self.count(time);
        }
        // Boxed, since every call contains this future and few calls wait.
        Box::pin(self.wait(time)).await
    }

    /// Waits in the queue.
    async fn wait(&self, time: &Time) -> Instant {
        let _first = self.queue.lock().await;
        loop {
            let changed = self.changed.notified();
            let Some(wait) = lock(&self.state).try_acquire(time.now()) else {
                return self.count(time);
            };
            tokio::select! {
                () = time.sleep(wait) => {
                    // Not checked again: the sleep of a clock in a test need not advance its time.
                    lock(&self.state).take_token(time.now());
                    return self.count(time);
                }
                () = changed => {}
            }
        }
    }

    fn count(&self, time: &Time) -> Instant {
        let now = time.now();
        lock(&self.state).measured.count(now);
        now
    }

    /// Adapts the rate to the response to a request.
    pub(crate) fn record(&self, sent: Instant, now: Instant, throttled: bool) {
        if !self.enabled {
            return;
        }
        let mut state = lock(&self.state);
        let before = state.rate();
        if throttled {
            state.reduce(sent, now);
        } else {
            state.grow(now);
        }
        let rate = state.rate();
        drop(state);
        if throttled && rate != before {
            tracing::debug!(rate, "request rate reduced after throttling");
        }
        self.changed.notify_waiters();
    }

    /// The current limit in requests per second; `None` if there is none.
    pub(crate) fn rate(&self, now: Instant) -> Option<f64> {
        let state = lock(&self.state);
        state.rate().filter(|_| !state.is_off(now))
    }
}

impl State {
    fn rate(&self) -> Option<f64> {
        self.bucket.as_ref().map(|bucket| bucket.rate)
    }

    fn is_off(&self, now: Instant) -> bool {
        let Some(bucket) = &self.bucket else {
            return true;
        };
        now.saturating_duration_since(bucket.throttled) > MEMORY
    }

    /// Takes a token, or returns the time until there is one.
    fn try_acquire(&mut self, now: Instant) -> Option<Duration> {
        if self.is_off(now) {
            return None;
        }
        let bucket = self.bucket.as_mut()?;
        bucket.refill(now);
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return None;
        }
        // Rounded up, so that the token is there after the wait.
        let wait = Duration::from_secs_f64((1.0 - bucket.tokens) / bucket.rate);
        Some(wait + Duration::from_micros(1))
    }

    /// Takes a token after the wait for it.
    fn take_token(&mut self, now: Instant) {
        if let Some(bucket) = &mut self.bucket {
            bucket.refill(now);
            bucket.tokens = (bucket.tokens - 1.0).max(0.0);
        }
    }

    fn reduce(&mut self, sent: Instant, now: Instant) {
        let measured = self.measured.rate(now);
        let rate = match &self.bucket {
            Some(bucket) if !self.is_off(now) => {
                if sent <= bucket.throttled {
                    return;
                }
                measured.min(bucket.rate)
            }
            _ => {
                self.bucket = None;
                measured
            }
        };
        let bucket = self.bucket.get_or_insert_with(|| Bucket::empty(now));
        bucket.max_rate = rate;
        bucket.throttled = now;
        bucket.set_rate(rate * BETA, measured, now);
    }

    fn grow(&mut self, now: Instant) {
        let measured = self.measured.rate(now);
        if self.is_off(now) {
            self.bucket = None;
        }
        if let Some(bucket) = &mut self.bucket {
            let rate = bucket.cubic(now);
            bucket.set_rate(rate, measured, now);
        }
    }
}

impl MeasuredRate {
    fn count(&mut self, now: Instant) {
        self.end_interval(now);
        self.count = self.count.saturating_add(1);
    }

    fn rate(&mut self, now: Instant) -> f64 {
        self.end_interval(now);
        let current = f64::from(self.count) / INTERVAL.as_secs_f64();
        self.rate.unwrap_or(current)
    }

    /// Ends the current interval if it is long enough.
    fn end_interval(&mut self, now: Instant) {
        let start = *self.start.get_or_insert(now);
        let elapsed = now.saturating_duration_since(start);
        if elapsed < INTERVAL {
            return;
        }
        let current = f64::from(self.count) / elapsed.as_secs_f64();
        self.rate = Some(match self.rate {
            Some(before) => current * SMOOTHING + before * (1.0 - SMOOTHING),
            None => current,
        });
        self.start = Some(now);
        self.count = 0;
    }
}

impl Bucket {
    fn empty(now: Instant) -> Self {
        Self {
            rate: MIN_RATE,
            capacity: MIN_CAPACITY,
            tokens: 0.0,
            refilled: now,
            max_rate: MIN_RATE,
            throttled: now,
        }
    }

    fn refill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.refilled);
        self.tokens = (self.tokens + elapsed.as_secs_f64() * self.rate).min(self.capacity);
        self.refilled = now;
    }

    /// The rate at a time after throttling: it starts at `BETA * max_rate` and reaches `max_rate` after `plateau` seconds.
    fn cubic(&self, now: Instant) -> f64 {
        let plateau = (self.max_rate * (1.0 - BETA) / SCALE).cbrt();
        let elapsed = now.saturating_duration_since(self.throttled);
        SCALE * (elapsed.as_secs_f64() - plateau).powi(3) + self.max_rate
    }

    fn set_rate(&mut self, rate: f64, measured: f64, now: Instant) {
        self.refill(now);
        self.rate = rate.min(MAX_GROWTH * measured).max(MIN_RATE);
        self.capacity = self.rate.max(MIN_CAPACITY);
        self.tokens = self.tokens.min(self.capacity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A limiter after `sent` requests, of which the last was throttled.
    async fn throttled_after(sent: u32, time: &Time) -> RateLimiter {
        let limiter = RateLimiter::new(true);
        for _ in 0..sent {
            limiter.acquire(time).await;
        }
        limiter.record(time.now(), time.now(), true);
        limiter
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_delayed_before_throttling() {
        let (limiter, time) = (RateLimiter::new(true), Time::default());
        let start = time.now();
        for _ in 0..1000 {
            let sent = limiter.acquire(&time).await;
            limiter.record(sent, time.now(), false);
        }
        assert_eq!(
            (time.since(start), limiter.rate(time.now())),
            (Duration::ZERO, None)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_reduces_the_rate_once_a_round() {
        let time = Time::default();
        let limiter = throttled_after(50, &time).await;
        // Fifty requests in an interval of half a second.
        assert_eq!(limiter.rate(time.now()), Some(100.0 * BETA));
        // Sent with those that were throttled.
        limiter.record(time.now(), time.now(), true);
        assert_eq!(limiter.rate(time.now()), Some(100.0 * BETA));
        time.sleep(SECOND / 10).await;
        let sent = time.now();
        limiter.record(sent, time.now(), true);
        let reduced = limiter.rate(time.now()).unwrap();
        for _ in 0..50 {
            limiter.record(sent, time.now(), true);
        }
        assert_eq!(limiter.rate(time.now()), Some(reduced));
        assert!(reduced < 100.0 * BETA);
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_never_falls_below_the_minimum() {
        let time = Time::default();
        let limiter = throttled_after(50, &time).await;
        for _ in 0..100 {
            time.sleep(SECOND).await;
            let sent = limiter.acquire(&time).await;
            limiter.record(sent, time.now(), true);
        }
        assert_eq!(limiter.rate(time.now()), Some(MIN_RATE));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_sent_in_order_at_the_rate() {
        let time = Time::default();
        let limiter = throttled_after(10, &time).await;
        let rate = limiter.rate(time.now()).unwrap();
        let start = time.now();
        let order = Mutex::new(Vec::new());
        let send = async |index: u32| {
            limiter.acquire(&time).await;
            lock(&order).push(index);
        };
        futures_util::future::join_all((0..28).map(send)).await;
        let elapsed = time.since(start).as_secs_f64();
        assert!(
            (elapsed * rate - 28.0).abs() < 0.1,
            "{elapsed} s at {rate}/s"
        );
        assert!(lock(&order).is_sorted());
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_recovers_and_then_grows() {
        let time = Time::default();
        let limiter = throttled_after(50, &time).await;
        let mut rates = Vec::new();
        for _ in 0..8 {
            let end = time.later(SECOND);
            while time.now() < end {
                let sent = limiter.acquire(&time).await;
                limiter.record(sent, time.now(), false);
            }
            rates.push(limiter.rate(time.now()).unwrap());
        }
        assert!(rates.is_sorted(), "{rates:?}");
        // The plateau is at (100 * 0.3 / 0.4) ^ (1 / 3) = 4.2 seconds.
        assert!((rates[3] - 100.0).abs() < 1.0, "{rates:?}");
        assert!(rates[7] > 110.0, "{rates:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_limiter_turns_itself_off_and_can_be_disabled() {
        let time = Time::default();
        let limiter = throttled_after(50, &time).await;
        time.sleep(MEMORY + SECOND).await;
        assert_eq!(limiter.rate(time.now()), None);
        let start = time.now();
        for _ in 0..100 {
            limiter.acquire(&time).await;
        }
        assert_eq!(time.since(start), Duration::ZERO);

        let disabled = RateLimiter::new(false);
        disabled.record(time.now(), time.now(), true);
        assert_eq!(disabled.rate(time.now()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_wait_takes_no_token() {
        let time = Time::default();
        let limiter = throttled_after(3, &time).await;
        let cancelled = time.within(SECOND / 1000, limiter.acquire(&time)).await;
        assert_eq!(cancelled, None);
        let rate = limiter.rate(time.now()).unwrap();
        let start = time.now();
        limiter.acquire(&time).await;
        assert!(time.since(start).as_secs_f64() <= 1.0 / rate);
    }
}
