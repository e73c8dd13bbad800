//! Many callers with one client against a service that limits its requests, in paused time.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{RetryBudget, RetryPolicy};
use crate::{
    Client, ContextId, ErrorKind, Result, StoppedBy,
    lock::lock,
    testing::{Script, Step},
    wire::{ContextApi, ResponseFuture},
};

const SECOND: Duration = Duration::from_secs(1);

/// The rate of the service, in requests per second, and the capacity of its bucket.
const RATE: f64 = 20.0;

/// The time from a request to its response.
const LATENCY: Duration = Duration::from_millis(20);

/// A service that limits the rate of its requests with a token bucket.
#[derive(Clone)]
struct LimitedService(Arc<Mutex<ServiceState>>);

struct ServiceState {
    retry_after: Option<&'static str>,
    tokens: f64,
    refilled: Instant,
    /// When requests arrived.
    accepted: Vec<Instant>,
    refused: Vec<Instant>,
}

impl LimitedService {
    fn new(retry_after: Option<&'static str>) -> Self {
        Self(Arc::new(Mutex::new(ServiceState {
            retry_after,
            tokens: RATE,
            refilled: Instant::now(),
            accepted: Vec::new(),
            refused: Vec::new(),
        })))
    }
}

impl ServiceState {
    fn step(&mut self) -> Step {
        let now = Instant::now();
        let elapsed = (now - self.refilled).as_secs_f64();
        self.tokens = (self.tokens + elapsed * RATE).min(RATE);
        self.refilled = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            self.accepted.push(now);
            return Step::ok(());
        }
        self.refused.push(now);
        let step = Step::error(429, "Throttling.User", "slow down");
        match self.retry_after {
            Some(seconds) => step.header("retry-after", seconds),
            None => step,
        }
    }
}

impl ContextApi for LimitedService {
    fn delete_context(&self, id: ContextId) -> ResponseFuture<()> {
        let service = self.clone();
        Box::pin(async move {
            tokio::time::sleep(LATENCY / 2).await;
            let step = lock(&service.0).step();
            Script::new([step.after(LATENCY / 2)])
                .delete_context(id)
                .await
        })
    }
}

fn id() -> ContextId {
    ContextId::new("SdkCtx-1").unwrap()
}

/// Fifty tasks with clones of a client, each with ten calls.
async fn run_fleet(client: &Client) -> Vec<Result<()>> {
    let task = async |client: Client| {
        let mut results = Vec::new();
        for _ in 0..10 {
            let result = client.contexts().delete(id()).await;
            results.push(result.map(|_| ()));
        }
        results
    };
    let tasks = (0..50).map(|_| tokio::spawn(task(client.clone())));
    let results = join_all(tasks).await.into_iter();
    results.flat_map(|results| results.unwrap()).collect()
}

fn client(service: &LimitedService, policy: RetryPolicy) -> Client {
    let builder = Client::builder().retry(policy);
    builder.stub(service.clone()).build().unwrap()
}

/// The responses of a service that refuses this share of its requests, whatever their rate.
fn refuses(share: f64) -> impl Fn() -> Step + Clone {
    let random = Arc::new(Mutex::new(fastrand::Rng::with_seed(7)));
    move || match lock(&random).f64() < share {
        true => Step::status(429),
        false => Step::ok(()),
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_of_a_throttled_fleet_succeeds() {
    // The rate adapts fast enough for a limit on all attempts, too.
    for policy in [
        RetryPolicy::default(),
        RetryPolicy::default().max_attempts(8),
    ] {
        for retry_after in [None, Some("1"), Some("3")] {
            let start = Instant::now();
            let service = LimitedService::new(retry_after);
            let client = client(&service, policy.clone());
            let results = run_fleet(&client).await;
            let failed: Vec<_> = results
                .iter()
                .filter_map(|result| result.as_ref().err())
                .collect();
            assert!(
                failed.is_empty(),
                "{retry_after:?}: {} failed: {:?}",
                failed.len(),
                failed[0]
            );
            assert_eq!(results.len(), 500);
            // The service needs 24 seconds.
            let seconds = start.elapsed().as_secs_f64();
            assert!(seconds < 40.0, "{retry_after:?}: {seconds} s");
            let refused = lock(&service.0).refused.len();
            assert!(refused < 250, "{retry_after:?}: {refused} refused");
            let budget = client.retry_budget();
            assert_eq!(budget.available(), budget.capacity());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_fleet_without_a_rate_limit_succeeds_with_more_attempts() {
    let service = LimitedService::new(None);
    let builder = Client::builder().adaptive_rate_limit(false);
    let client = builder.stub(service.clone()).build().unwrap();
    let results = run_fleet(&client).await;
    assert!(results.iter().all(Result::is_ok));
    let refused = lock(&service.0).refused.len();
    assert!(refused > 500, "{refused} refused");
}

#[tokio::test(start_paused = true)]
async fn refused_callers_do_not_return_together_nor_early() {
    let service = LimitedService::new(Some("4"));
    let builder = Client::builder().adaptive_rate_limit(false);
    let client = builder.stub(service.clone()).build().unwrap();
    let contexts = client.contexts();
    let id = id();
    let calls = (0..30).map(|_| contexts.delete(&id).send());
    let results = join_all(calls).await;
    assert!(results.iter().all(Result::is_ok));
    let state = lock(&service.0);
    let refused = state.refused[0];
    assert_eq!(state.refused, [refused; 10]);
    let mut returned: Vec<f64> = state.accepted[20..]
        .iter()
        .map(|accepted| (*accepted - refused).as_secs_f64())
        .collect();
    assert!(
        returned.iter().all(|wait| (4.0..6.1).contains(wait)),
        "{returned:?}"
    );
    returned.dedup_by_key(|wait| (*wait * 1000.0) as u64);
    let spread = returned[returned.len() - 1] - returned[0];
    assert!(returned.len() > 5 && spread > 0.5, "{returned:?}");
}

#[tokio::test(start_paused = true)]
async fn calls_succeed_although_most_requests_are_refused_at_any_rate() {
    struct Service<F>(F);
    impl<F: Fn() -> Step + Send + Sync> ContextApi for Service<F> {
        fn delete_context(&self, id: ContextId) -> ResponseFuture<()> {
            Script::new([(self.0)().after(LATENCY)]).delete_context(id)
        }
    }
    let builder = Client::builder().stub(Service(refuses(0.6)));
    let client = builder.build().unwrap();
    let start = Instant::now();
    let results = run_fleet(&client).await;
    assert!(results.iter().all(Result::is_ok));
    assert!(start.elapsed() < SECOND * 300, "{:?}", start.elapsed());
}

/// A client of a service that refuses everything.
fn refused_client(policy: RetryPolicy) -> (Client, Script) {
    let script = Script::new([]).then_always(Step::status(429));
    let builder = Client::builder().retry(policy);
    (builder.stub(script.clone()).build().unwrap(), script)
}

#[tokio::test(start_paused = true)]
async fn throttled_attempts_count_only_towards_an_explicit_maximum() {
    let default = RetryPolicy::default();
    for (policy, stopped_by, attempts) in [
        (default.clone(), StoppedBy::Deadline, 5..100),
        (default.clone().max_attempts(3), StoppedBy::Attempts, 3..4),
        (
            default.clone().count_throttled(true),
            StoppedBy::Attempts,
            4..5,
        ),
        (
            default.clone().max_attempts(3).count_throttled(false),
            StoppedBy::Deadline,
            5..100,
        ),
        (RetryPolicy::never(), StoppedBy::Attempts, 1..2),
    ] {
        let start = Instant::now();
        let (client, script) = refused_client(policy.clone());
        let error = client.contexts().delete(id()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Throttled);
        assert_eq!(error.stopped_by(), Some(stopped_by), "{policy:?}");
        let calls = script.calls().len();
        assert!(attempts.contains(&calls), "{policy:?}: {calls}");
        assert_eq!(error.attempts().len(), calls);
        assert!(start.elapsed() < SECOND * 180);
        let budget = client.retry_budget();
        assert_eq!(budget.available(), budget.capacity(), "{policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_the_rate_fails_at_its_deadline() {
    let (client, script) = refused_client(RetryPolicy::never());
    client.contexts().delete(id()).await.unwrap_err();
    let impatient = client.with_retry(RetryPolicy::never().deadline(SECOND));
    let start = Instant::now();
    let contexts = impatient.contexts();
    let id = id();
    let calls = (0..20).map(|_| contexts.delete(&id).send());
    let results = join_all(calls).await;
    assert_eq!(start.elapsed(), SECOND);
    let errors: Vec<_> = results.into_iter().map(Result::unwrap_err).collect();
    let unsent: Vec<_> = errors
        .iter()
        .filter(|error| error.status().is_none())
        .collect();
    assert_eq!(script.calls().len() + unsent.len(), 21);
    assert!(
        (5..13).contains(&unsent.len()),
        "{} at 10 a second",
        unsent.len()
    );
    let error = unsent[0];
    assert_eq!(
        (error.kind(), error.stopped_by(), error.attempts().len()),
        (ErrorKind::Throttled, Some(StoppedBy::Deadline), 1)
    );
    assert_eq!(
        error.message(),
        "not sent before the deadline: throttling has limited the client to 10.0 requests/s"
    );
}

#[tokio::test(start_paused = true)]
async fn clients_with_other_policies_share_budget_and_rate() {
    let script = Script::new([]).then_always(Step::status(503));
    let builder = Client::builder().retry_budget(RetryBudget::new(20));
    let client = builder.stub(script).build().unwrap();
    let (twice, never) = (
        client.with_retry(RetryPolicy::default().max_attempts(2)),
        client.with_retry(RetryPolicy::never()),
    );
    for (client, stopped_by, left) in [
        (&client, StoppedBy::Attempts, 5),
        (&never, StoppedBy::Attempts, 5),
        (&twice, StoppedBy::Attempts, 0),
        (&client, StoppedBy::Budget, 0),
    ] {
        let error = client.contexts().delete(id()).await.unwrap_err();
        assert_eq!(error.stopped_by(), Some(stopped_by));
        assert_eq!(client.retry_budget().available(), left);
    }
}

#[tokio::test(start_paused = true)]
async fn a_requested_wait_costs_no_budget() {
    let script = Script::new([Step::status(503).header("retry-after", "2"), Step::ok(())]);
    let builder = Client::builder().retry_budget(RetryBudget::new(0));
    let client = builder.stub(script).build().unwrap();
    client.contexts().delete(id()).await.unwrap();
    let script = Script::new([Step::status(503).header("retry-after", "0"), Step::ok(())]);
    let builder = Client::builder().retry_budget(RetryBudget::new(0));
    let client = builder.stub(script).build().unwrap();
    let error = client.contexts().delete(id()).await.unwrap_err();
    assert_eq!(error.stopped_by(), Some(StoppedBy::Budget));
}
