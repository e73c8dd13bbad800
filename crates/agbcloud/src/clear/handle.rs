//! A clear that runs in the service.

use tokio::time::{Duration, Instant, sleep, timeout};

use super::{Cleared, Patience, cadence::next_wait};
use crate::{
    Agb, ContextId, ContextState, Error, ErrorKind, Operation, Response, Result, context,
    time::later, wire::Lookup,
};

/// A clear that was started: here by [`Clear::start`](crate::Clear::start), or elsewhere and taken up by
/// [`Contexts::resume_clear`](crate::Contexts::resume_clear). It holds nothing in the service: dropping it
/// stops nothing.
#[derive(Debug, Clone)]
pub struct ClearHandle {
    agb: Agb,
    id: ContextId,
    patience: Patience,
}

/// What the looks so far have shown.
struct Watch {
    started: Instant,
    polls: u32,
    seen_clearing: bool,
    last: Option<ContextState>,
}

impl ClearHandle {
    pub(super) fn started(agb: Agb, id: ContextId, patience: Patience) -> Self {
        Self { agb, id, patience }
    }

    pub(crate) fn resume(agb: Agb, id: ContextId) -> Self {
        Self {
            agb,
            id,
            patience: Patience::default(),
        }
    }

    /// How long [`wait`](Self::wait) waits at most: see [`Clear::timeout`](crate::Clear::timeout).
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.patience.timeout = timeout;
        self
    }

    /// The longest time between two looks: see [`Clear::poll_interval`](crate::Clear::poll_interval).
    #[must_use]
    pub fn with_poll_interval(mut self, interval: Duration) -> Self {
        self.patience.poll_interval = interval;
        self
    }

    /// The context that is being cleared. Keep it to [resume](crate::Contexts::resume_clear) elsewhere.
    pub fn context_id(&self) -> &ContextId {
        &self.id
    }

    /// Looks once: `clearing`, or `available` once it is done.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if the context was deleted meanwhile, and those of any call.
    #[doc(alias = "get_clear_status")]
    pub async fn status(&self) -> Result<Response<ContextState>> {
        let context = context::look_up(&self.agb, Lookup::Id(self.id.clone())).await?;
        Ok(context.map(|context| context.state))
    }

    /// Waits until the context is `available` again. That counts only once `clearing` has been seen or a full
    /// poll interval has passed, since before a clear the state is `available` too. A look that fails for a
    /// passing reason is repeated; any other state is waited out.
    ///
    /// # Errors
    ///
    /// [`ClearTimeout`](crate::ErrorKind::ClearTimeout) if it takes longer than the timeout,
    /// [`NotFound`](crate::ErrorKind::NotFound) if the context was deleted meanwhile,
    /// [`Unauthorized`](crate::ErrorKind::Unauthorized) and the like at once.
    pub async fn wait(&self) -> Result<Cleared> {
        let mut watch = Watch {
            started: Instant::now(),
            polls: 0,
            seen_clearing: false,
            last: None,
        };
        let deadline = later(self.patience.timeout);
        loop {
            let wait = next_wait(watch.started.elapsed(), self.patience.poll_interval);
            let left = deadline.saturating_duration_since(Instant::now());
            sleep(wait.min(left)).await;
            let last_look = Instant::now() >= deadline;
            match self.look(&mut watch, deadline).await {
                Ok(true) => return Ok(watch.cleared()),
                Ok(false) if last_look => return Err(self.too_late(&watch, None)),
                Err(error) if !error.is_transient() => {
                    return Err(error.with_operation(Operation::ClearContext));
                }
                Err(error) if last_look => return Err(self.too_late(&watch, Some(error))),
                Ok(false) | Err(_) => {}
            }
        }
    }

    /// One look, that must answer by the deadline or, if that is close or past, within a poll interval.
    async fn look(&self, watch: &mut Watch, deadline: Instant) -> Result<bool> {
        watch.polls += 1;
        let left = deadline.saturating_duration_since(Instant::now());
        let state = match timeout(left.max(self.patience.poll_interval), self.status()).await {
            Ok(answer) => answer?.into_inner(),
            Err(_) => {
                return Err(Error::new(
                    ErrorKind::Timeout,
                    "the look got no answer in time",
                ));
            }
        };
        watch.seen_clearing |= state == ContextState::Clearing;
        let available = state == ContextState::Available;
        watch.last = Some(state);
        Ok(available
            && (watch.seen_clearing || watch.started.elapsed() >= self.patience.poll_interval))
    }

    fn too_late(&self, watch: &Watch, source: Option<Error>) -> Error {
        let last = watch
            .last
            .as_ref()
            .map_or("unknown".to_owned(), ContextState::to_string);
        let message = format!(
            "not done after {:.1} s and {} looks, last state {last}; it goes on: wait on with resume_clear",
            watch.started.elapsed().as_secs_f64(),
            watch.polls,
        );
        let error =
            Error::new(ErrorKind::ClearTimeout, message).with_operation(Operation::ClearContext);
        match source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

impl Watch {
    fn cleared(&self) -> Cleared {
        Cleared {
            elapsed: self.started.elapsed(),
            polls: self.polls,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::wire::{MockWire, answer};

    /// A service whose clear is `clearing` from `from` to `to` after its start.
    fn clearing_between(from: Duration, to: Duration) -> MockWire {
        let mut wire = MockWire::new();
        wire.expect_clear_context()
            .returning(|_| answer(json!({"success": true})));
        let start = Instant::now();
        wire.expect_get_context().returning(move |_| {
            let clearing = (from..to).contains(&start.elapsed());
            state(if clearing { "clearing" } else { "available" })
        });
        wire
    }

    fn state<T: serde::de::DeserializeOwned + Send + 'static>(
        state: &str,
    ) -> crate::wire::Answer<'static, T> {
        answer(json!({"success": true, "data": {"id": "SdkCtx-1", "state": state}}))
    }

    fn id() -> ContextId {
        ContextId::new("SdkCtx-1").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_news_comes_soon_after_the_end() {
        for seconds in [0.3, 3.0, 20.0] {
            let to = Duration::from_secs_f64(seconds);
            let agb = Agb::on(clearing_between(Duration::ZERO, to));
            let cleared = agb.contexts().clear(&id()).await.unwrap();
            assert!(cleared.elapsed >= to, "{cleared:?}");
            assert!(
                cleared.elapsed < to * 8 / 7 + Duration::from_millis(200),
                "{cleared:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn available_before_clearing_was_seen_does_not_count() {
        let late = clearing_between(Duration::from_millis(500), Duration::from_secs(1));
        let cleared = Agb::on(late).contexts().clear(&id()).await.unwrap();
        assert!(cleared.elapsed >= Duration::from_secs(1), "{cleared:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_clear_too_fast_to_be_seen_ends_after_one_poll_interval() {
        let never = clearing_between(Duration::MAX, Duration::MAX);
        let cleared = Agb::on(never).contexts().clear(&id()).await.unwrap();
        assert!(
            cleared.elapsed >= super::super::DEFAULT_POLL_INTERVAL,
            "{cleared:?}"
        );
        assert!(cleared.elapsed < Duration::from_secs(3), "{cleared:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_is_real_time_and_the_last_look_is_at_it() {
        let agb = Agb::on(clearing_between(Duration::ZERO, Duration::from_secs(5)));
        let clear = |timeout| {
            agb.contexts()
                .clear(&id())
                .timeout(timeout)
                .poll_interval(Duration::from_secs(60))
        };
        let start = Instant::now();
        let error = clear(Duration::from_secs(3)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ClearTimeout);
        assert_eq!(start.elapsed().as_millis(), 3000);
        assert!(error.to_string().contains("last state clearing"), "{error}");

        let resumed = agb.contexts().resume_clear(&id()).wait().await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(5), "{resumed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_fails_in_passing_is_repeated() {
        let mut wire = MockWire::new();
        wire.expect_clear_context()
            .returning(|_| answer(json!({"success": true})));
        let mut looks = 0;
        wire.expect_get_context().returning(move |_| {
            looks += 1;
            match looks {
                1 => state("clearing"),
                2 => answer(json!({"success": false, "code": "ServiceUnavailable"})),
                3 => state("hibernating"),
                _ => state("available"),
            }
        });
        let cleared = Agb::on(wire).contexts().clear(&id()).await.unwrap();
        assert_eq!(cleared.polls, 3, "the second failed, and was repeated");
    }

    #[tokio::test(start_paused = true)]
    async fn a_context_deleted_meanwhile_ends_the_waiting() {
        let mut wire = MockWire::new();
        wire.expect_clear_context()
            .returning(|_| answer(json!({"success": true})));
        wire.expect_get_context()
            .times(1)
            .returning(|_| answer(json!({"success": false, "code": "InvalidContext.NotFound"})));
        let error = Agb::on(wire).contexts().clear(&id()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[tokio::test(start_paused = true)]
    async fn any_patience_will_do() {
        for (timeout, interval) in [
            (Duration::MAX, Duration::MAX),
            (Duration::MAX, Duration::ZERO),
        ] {
            let agb = Agb::on(clearing_between(Duration::ZERO, Duration::from_secs(2)));
            let clear = agb
                .contexts()
                .clear(&id())
                .timeout(timeout)
                .poll_interval(interval);
            clear.await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_does_not_hang_the_waiting() {
        let mut wire = MockWire::new();
        wire.expect_clear_context()
            .returning(|_| answer(json!({"success": true})));
        wire.expect_get_context()
            .returning(|_| Box::pin(std::future::pending()));
        let start = Instant::now();
        let clear = Agb::on(wire)
            .contexts()
            .clear(&id())
            .timeout(Duration::from_secs(10));
        assert_eq!(clear.await.unwrap_err().kind(), ErrorKind::ClearTimeout);
        assert!(
            start.elapsed() <= Duration::from_secs(12),
            "{:?}",
            start.elapsed()
        );
    }
}
