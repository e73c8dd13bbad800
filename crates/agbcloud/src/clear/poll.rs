//! The loop that polls a clear.

use std::time::{Duration, Instant};

use super::{ClearStatus, ClearTimedOut, Cleared, StatusListener, WaitOptions};
use crate::{
    client::{Client, get_context},
    clock::Time,
    error::{Error, ErrorKind, Operation, Result},
    model::{ContextId, ContextState, Response},
    wire::ContextLookup,
};

/// The wait before the first poll.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// Every later wait is this,
const BASE_WAIT: Duration = Duration::from_millis(260);

/// plus this times the square root of the elapsed seconds. For a given number of polls, and clears whose durations are spread
/// evenly on a logarithmic scale, waits that grow with the square root of the time detect the end soonest. A fixed
/// fraction of the time polls too often at first and too seldom later (see `comparison.rs`).
const WAIT_GROWTH: Duration = Duration::from_millis(210);

/// The minimum time between polls.
const MIN_INTERVAL: Duration = Duration::from_millis(10);

/// Limits of the time for the poll at the deadline, which is otherwise the poll interval.
const LAST_POLL_TIMEOUT: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

/// Minimum time after which `available` counts although `clearing` was not seen, also if the timeout is shorter than the
/// poll interval.
const MIN_UNSEEN_CLEAR: Duration = Duration::from_secs(1);

/// The clear to poll, and how.
#[derive(Debug, Clone)]
pub(super) struct PollTarget {
    pub(super) client: Client,
    pub(super) id: ContextId,
    pub(super) options: WaitOptions,
    pub(super) listener: StatusListener,
}

impl PollTarget {
    /// Gets the state of the context.
    pub(super) async fn state(&self) -> Result<Response<ContextState>> {
        let lookup = ContextLookup::Id(self.id.clone());
        let context = get_context(&self.client, lookup).await?;
        Ok(context.map(|context| context.state))
    }
}

/// What is known of a clear when a wait begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClearStart {
    pub(super) began: Instant,
    pub(super) seen_clearing: bool,
}

impl ClearStart {
    pub(super) fn at(began: Instant) -> Self {
        Self {
            began,
            seen_clearing: false,
        }
    }
}

/// Polls one clear until it is done or the deadline has passed.
pub(super) struct Poller {
    target: PollTarget,
    began: Instant,
    deadline: Instant,
    next_poll: Instant,
    polls: u32,
    seen_clearing: bool,
    last_state: Option<ContextState>,
    /// The error of the last poll, if it failed.
    failure: Option<Error>,
    done: bool,
    /// The poll at the deadline was started.
    is_last: bool,
}

impl Poller {
    pub(super) fn new(target: PollTarget, start: ClearStart, deadline: Instant) -> Self {
        Self {
            began: start.began,
            deadline,
            next_poll: start.began + first_wait(target.options.poll_interval),
            polls: 0,
            seen_clearing: start.seen_clearing,
            last_state: None,
            failure: None,
            done: false,
            is_last: false,
            target,
        }
    }

    fn time(&self) -> &Time {
        self.target.client.time()
    }

    /// Polls until the clear is done.
    pub(super) async fn run(&mut self) -> Result<Cleared> {
        loop {
            let status = self.next().await?;
            if self.is_done() {
                return Ok(Cleared {
                    elapsed: status.elapsed,
                    polls: status.polls,
                    seen_clearing: self.seen_clearing,
                });
            }
        }
    }

    /// Whether the clear was done at the last status.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Waits for the next poll and returns its status. A poll that fails with a transient error is repeated.
    pub(super) async fn next(&mut self) -> Result<ClearStatus> {
        while !self.is_last {
            let moment = self.next_poll.min(self.deadline);
            self.time().sleep_until(moment).await;
            match self.poll().await {
                Ok(status) => return Ok(status),
                // A response of a gateway says nothing about the clear.
                Err(error) if !error.is_transient() && !error.is_foreign() => {
                    return Err(error.with_operation(Operation::ClearContext));
                }
                Err(error) => self.failure = Some(error),
            }
        }
        Err(self.timeout())
    }

    async fn poll(&mut self) -> Result<ClearStatus> {
        let polled = self.time().now();
        self.is_last = polled >= self.deadline;
        self.polls = self.polls.saturating_add(1);
        let response = self.request().await;
        let status = response.map(|response| self.record(response, polled));
        self.next_poll = self.next_poll_after(self.time().now());
        if let Ok(status) = &status {
            self.target.listener.notify(status);
        }
        status
    }

    /// One call, limited by the deadline; the one at the deadline has a time of its own.
    async fn request(&self) -> Result<Response<ContextState>> {
        let limit = match self.is_last {
            true => self
                .target
                .options
                .poll_interval
                .clamp(LAST_POLL_TIMEOUT[0], LAST_POLL_TIMEOUT[1]),
            false => self.deadline.saturating_duration_since(self.time().now()),
        };
        let response = self.time().within(limit, self.target.state()).await;
        response.unwrap_or_else(|| {
            let message = "no response to the poll in time";
            Err(Error::new(ErrorKind::Timeout, message))
        })
    }

    fn record(&mut self, response: Response<ContextState>, polled: Instant) -> ClearStatus {
        let request_id = response.request_id().map(str::to_owned);
        let state = response.into_inner();
        self.seen_clearing |= state == ContextState::Clearing;
        // The state is `available` before the clear begins, too.
        let counts = self.seen_clearing || polled >= self.unseen_clear_from();
        self.done = counts && state == ContextState::Available;
        self.failure = None;
        self.last_state = Some(state.clone());
        ClearStatus {
            state,
            elapsed: self.time().since(self.began),
            polls: self.polls,
            request_id,
        }
    }

    /// When the next poll is due. If `available` will count from a certain time on, not later than that.
    fn next_poll_after(&self, now: Instant) -> Instant {
        let waited = now.saturating_duration_since(self.began);
        let next = now + next_wait(waited, self.target.options.poll_interval);
        let counts_from = self.unseen_clear_from();
        let only_time = !self.seen_clearing && self.last_state == Some(ContextState::Available);
        if only_time && now < counts_from {
            next.min(counts_from)
        } else {
            next
        }
    }

    /// The time from which `available` counts although `clearing` was not seen.
    fn unseen_clear_from(&self) -> Instant {
        let after = |wait| {
            let moment = self.began.checked_add(wait);
            moment.unwrap_or_else(|| self.time().later(Duration::MAX))
        };
        let last_poll = self.deadline.max(after(MIN_UNSEEN_CLEAR));
        after(self.target.options.poll_interval).min(last_poll)
    }

    fn timeout(&mut self) -> Error {
        let late = self.timed_out();
        let elapsed = late.elapsed.as_secs_f64();
        let polls = match late.polls {
            1 => "1 poll".to_owned(),
            polls => format!("{polls} polls"),
        };
        let message = match &late.last_state {
            None => format!("state still unknown after {elapsed:.1} s ({polls})"),
            Some(ContextState::Available) => {
                format!("clear not seen to start after {elapsed:.1} s ({polls})")
            }
            Some(state) => format!("still {state} after {elapsed:.1} s ({polls})"),
        };
        let error = Error::new(ErrorKind::ClearTimeout, message)
            .with_operation(Operation::ClearContext)
            .with_context(self.target.id.as_str())
            .with_extension(late);
        match self.failure.take() {
            Some(source) => error.with_source(source.without_target()),
            None => error,
        }
    }

    fn timed_out(&self) -> ClearTimedOut {
        ClearTimedOut {
            elapsed: self.time().since(self.began),
            polls: self.polls,
            last_state: self.last_state.clone(),
            context_id: self.target.id.clone(),
            options: self.target.options,
            began: self.began,
            seen_clearing: self.seen_clearing,
        }
    }
}

fn first_wait(poll_interval: Duration) -> Duration {
    FIRST_WAIT.min(poll_interval.max(MIN_INTERVAL))
}

/// The wait before the next poll, given the elapsed time.
fn next_wait(elapsed: Duration, poll_interval: Duration) -> Duration {
    let growth = WAIT_GROWTH.mul_f64(elapsed.as_secs_f64().sqrt());
    (BASE_WAIT + growth).min(poll_interval.max(MIN_INTERVAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_a_tenth_of_a_second_to_the_interval() {
        let interval = Duration::from_secs(2);
        assert_eq!(first_wait(interval), FIRST_WAIT);
        assert_eq!(
            next_wait(Duration::from_secs(9), interval),
            Duration::from_millis(890)
        );
        assert_eq!(next_wait(Duration::from_secs(90), interval), interval);
        assert_eq!(next_wait(Duration::MAX, interval), interval);
    }

    #[test]
    fn waits_have_a_minimum() {
        assert_eq!(first_wait(Duration::ZERO), MIN_INTERVAL);
        let wait = next_wait(Duration::from_secs(60), Duration::ZERO);
        assert_eq!(wait, MIN_INTERVAL);
    }
}
