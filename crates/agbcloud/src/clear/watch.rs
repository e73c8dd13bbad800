//! The waiting for one clear: the one loop under every way to wait.

use std::time::{Duration, Instant};

use super::{
    ClearHandle, ClearStatus,
    cadence::{first_wait, next_wait},
    handle::Origin,
};
use crate::{
    ClearTimedOut, ContextState, Error, ErrorKind, Operation, Response, Result, clock::Time,
};

/// How long the look at the deadline may take: as long as the poll interval, within these limits.
const GRACE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

/// So much time must have passed before `available` counts though `clearing` was never seen, also where the timeout is
/// shorter than the poll interval.
const TELLING: Duration = Duration::from_secs(1);

/// The waiting for one clear: what the looks so far have shown, and when to look again.
pub(super) struct Watch {
    handle: ClearHandle,
    began: Instant,
    deadline: Instant,
    next_look: Instant,
    polls: u32,
    seen_clearing: bool,
    last: Option<ContextState>,
    /// Why the last look failed, if it did.
    failure: Option<Error>,
    done: bool,
    /// The look at the deadline was made.
    over: bool,
}

impl Watch {
    pub(super) fn new(handle: ClearHandle, deadline: Instant) -> Self {
        let now = handle.client.time().now();
        let origin = handle.origin.unwrap_or(Origin::at(now));
        Self {
            began: origin.began,
            deadline,
            next_look: origin.began + first_wait(handle.patience.poll_interval),
            polls: 0,
            seen_clearing: origin.seen_clearing,
            last: None,
            failure: None,
            done: false,
            over: false,
            handle,
        }
    }

    fn time(&self) -> &Time {
        self.handle.client.time()
    }

    /// Whether the last status was the one with which the clear is done.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Looks when it is time, until a look gets an answer. A look that fails in passing is repeated.
    pub(super) async fn next(&mut self) -> Result<ClearStatus> {
        while !self.over {
            let moment = self.next_look.min(self.deadline);
            self.time().sleep_until(moment).await;
            match self.look().await {
                Ok(status) => return Ok(status),
                // What stands in front of the service can't end the waiting for it.
                Err(error) if !error.is_transient() && !error.is_foreign() => {
                    return Err(error.with_operation(Operation::ClearContext));
                }
                Err(error) => self.failure = Some(error),
            }
        }
        Err(self.too_late())
    }

    async fn look(&mut self) -> Result<ClearStatus> {
        let looked = self.time().now();
        self.over = looked >= self.deadline;
        self.polls = self.polls.saturating_add(1);
        let answer = self.ask().await;
        let status = answer.map(|answer| self.learn(answer, looked));
        self.next_look = self.after(self.time().now());
        if let Ok(status) = &status {
            self.handle.listener.tell(status);
        }
        status
    }

    /// One call, that must answer by the deadline; the one at the deadline gets some time of its own.
    async fn ask(&self) -> Result<Response<ContextState>> {
        let longest = match self.over {
            true => self.handle.patience.poll_interval.clamp(GRACE[0], GRACE[1]),
            false => self.deadline.saturating_duration_since(self.time().now()),
        };
        let answer = self.time().within(longest, self.handle.status()).await;
        answer.unwrap_or_else(|| {
            let message = "the look got no answer in time";
            Err(Error::new(ErrorKind::Timeout, message))
        })
    }

    fn learn(&mut self, answer: Response<ContextState>, looked: Instant) -> ClearStatus {
        let request_id = answer.request_id().map(str::to_owned);
        let state = answer.into_inner();
        self.seen_clearing |= state == ContextState::Clearing;
        // The state before a clear is `available` too: alone it tells nothing until the clear had time to begin.
        let telling = self.seen_clearing || looked >= self.telling_from();
        self.done = telling && state == ContextState::Available;
        self.failure = None;
        self.last = Some(state.clone());
        ClearStatus {
            state,
            elapsed: self.time().since(self.began),
            polls: self.polls,
            request_id,
        }
    }

    /// When the next look is due. If only time is missing for `available` to count, the look is not after that time.
    fn after(&self, now: Instant) -> Instant {
        let waited = now.saturating_duration_since(self.began);
        let next = now + next_wait(waited, self.handle.patience.poll_interval);
        let telling = self.telling_from();
        let only_time = !self.seen_clearing && self.last == Some(ContextState::Available);
        if only_time && now < telling {
            next.min(telling)
        } else {
            next
        }
    }

    /// From when on `available` counts though `clearing` was never seen.
    fn telling_from(&self) -> Instant {
        let after = |wait| {
            let moment = self.began.checked_add(wait);
            moment.unwrap_or_else(|| self.time().later(Duration::MAX))
        };
        let last_look = self.deadline.max(after(TELLING));
        after(self.handle.patience.poll_interval).min(last_look)
    }

    fn too_late(&mut self) -> Error {
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
            .with_clear_timeout(late);
        match self.failure.take() {
            Some(source) => error.with_source(source),
            None => error,
        }
    }

    fn timed_out(&self) -> ClearTimedOut {
        ClearTimedOut {
            elapsed: self.time().since(self.began),
            polls: self.polls,
            last_state: self.last.clone(),
            context_id: self.handle.context_id().clone(),
            timeout: self.handle.patience.timeout,
            poll_interval: self.handle.patience.poll_interval,
            began: self.began,
            seen_clearing: self.seen_clearing,
        }
    }
}
