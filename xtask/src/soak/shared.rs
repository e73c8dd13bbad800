//! What all clients of a soak share: the pool of contexts, the history of their files, and the counters.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use super::operation::{Latencies, Operation};
use crate::distributed::failover::load::{Allowed, Balancer, Client, Problem, Report, Tenant};
use crate::distributed::failover::{now, pause};
use crate::distributed::history::{Recorder, Totals};

/// Limit on the time of a request.
pub(super) const REQUEST_TIME: Duration = Duration::from_secs(30);
/// After this time, a write without an answer has taken effect or never will.
const EXPIRY: Duration = Duration::from_secs(40);
/// Limit on the time until a repeated request succeeds, which includes a restart of the service.
const REPEAT_TIME: Duration = Duration::from_secs(90);
const PROBLEM_PAUSE: Duration = Duration::from_millis(50);
/// API keys, of which each is a tenant.
pub(super) const KEYS: [&str; 2] = ["soak-key-a", "soak-key-b"];
/// Contexts of all tenants.
const CONTEXTS: usize = 8;
/// Files of each context.
pub(super) const FILES: [&str; 12] = [
    "/a",
    "/b",
    "/c",
    "/d",
    "/folder/a",
    "/folder/b",
    "/folder/%C3%A9",
    "/folder/deep/a",
    "/folder/deep/b",
    "/other/a",
    "/other/b",
    "/other/c",
];

/// A context of the pool. Clients hold its lock shared during operations on its files, and exclusively while they verify,
/// rename or replace it.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) number: usize,
    /// Number of contexts that were in this slot.
    pub(super) generation: u32,
    pub(super) tenant: Tenant,
    pub(super) name: String,
    /// Held during a clear that runs beside other operations.
    pub(super) clearing: Mutex<()>,
    clears_begun: AtomicU32,
    clears_ended: AtomicU32,
}

/// An instant, to find out whether a clear overlaps with what follows.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClearMark {
    begun: u32,
    in_progress: bool,
}

impl Slot {
    pub(super) fn new(number: usize) -> Self {
        Self {
            number,
            generation: 0,
            tenant: Tenant {
                key: KEYS[number % KEYS.len()].to_owned(),
                context: String::new(),
            },
            name: String::new(),
            clearing: Mutex::default(),
            clears_begun: AtomicU32::new(0),
            clears_ended: AtomicU32::new(0),
        }
    }

    /// The name of a file in the history.
    pub(super) fn file(&self, path: &str) -> String {
        format!("{}.{}:{path}", self.number, self.generation)
    }

    pub(super) fn mark(&self) -> ClearMark {
        let begun = self.clears_begun.load(Ordering::SeqCst);
        ClearMark {
            begun,
            in_progress: begun != self.clears_ended.load(Ordering::SeqCst),
        }
    }

    /// Whether a clear was in progress at or after the mark.
    pub(super) fn was_cleared_since(&self, mark: ClearMark) -> bool {
        mark.in_progress || self.clears_begun.load(Ordering::SeqCst) != mark.begun
    }

    pub(super) fn begin_clear(&self) {
        self.clears_begun.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn end_clear(&self) {
        self.clears_ended.fetch_add(1, Ordering::SeqCst);
    }
}

/// What was verified.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Verified {
    pub(super) totals: Totals,
    /// Comparisons of a whole context with its history.
    pub(super) comparisons: u64,
    /// Bytes that were read back with their checksum or compared.
    pub(super) bytes: u64,
    /// Listings that were compared.
    pub(super) listings: u64,
    pub(super) cleared: u64,
    pub(super) created: u64,
    pub(super) deleted: u64,
    pub(super) renamed: u64,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}; {} contexts compared as a whole, {} MiB read back, {} listings; contexts: {} created, {} renamed, \
             {} cleared, {} deleted",
            self.totals,
            self.comparisons,
            self.bytes >> 20,
            self.listings,
            self.created,
            self.renamed,
            self.cleared,
            self.deleted
        )
    }
}

/// The clients must end: after a violation or at the end of the soak.
#[derive(Debug)]
pub(super) struct Stopped;

pub(super) struct Shared {
    pub(super) balancer: Balancer,
    /// Opens a connection for each request.
    pub(super) single_requests: Balancer,
    pub(super) recorder: Recorder,
    pub(super) slots: Vec<RwLock<Slot>>,
    /// Makes names of contexts unique.
    pub(super) names: AtomicU64,
    report: Mutex<Report>,
    latencies: Mutex<Latencies>,
    failed: AtomicU64,
    verified: Mutex<Verified>,
    violations: Mutex<Vec<String>>,
    stop: AtomicBool,
    paused: AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            balancer: Balancer::new(REQUEST_TIME, &[]).reuse_connections(),
            single_requests: Balancer::new(REQUEST_TIME, &[]),
            recorder: Recorder::new(),
            slots: (0..CONTEXTS)
                .map(|number| RwLock::new(Slot::new(number)))
                .collect(),
            names: AtomicU64::new(0),
            report: Mutex::new(Report::new("start", Allowed::Nothing)),
            latencies: Mutex::default(),
            failed: AtomicU64::new(0),
            verified: Mutex::default(),
            violations: Mutex::default(),
            stop: AtomicBool::new(false),
            paused: AtomicBool::new(true),
        }
    }

    /// A client of a tenant. One of eight uses connections for a single request.
    pub(super) fn client<'a>(
        &'a self,
        tenant: &'a Tenant,
        random: &mut fastrand::Rng,
    ) -> Client<'a> {
        match random.u8(..8) {
            0 => Client::new(&self.single_requests, tenant),
            _ => Client::new(&self.balancer, tenant),
        }
    }

    /// Sends requests to this endpoint from now on, or to none.
    pub(super) fn set_endpoint(&self, endpoint: Option<&str>) {
        for balancer in [&self.balancer, &self.single_requests] {
            balancer.set(endpoint.as_slice());
        }
    }

    pub(super) fn begin_phase(&self, name: &'static str, allowed: Allowed) {
        locked(&self.report).begin(name, allowed);
    }

    /// Runs a request, and counts it and its time. Pauses after a problem.
    pub(super) fn counted<T>(
        &self,
        operation: Operation,
        request: impl FnOnce() -> (T, Result<(), Problem>),
    ) -> T {
        self.counted_unless(operation, request, |_| false)
    }

    /// Like [`Self::counted`], for a request whose value is its result.
    pub(super) fn attempt<T>(
        &self,
        operation: Operation,
        request: impl FnOnce() -> Result<T, Problem>,
    ) -> Option<T> {
        self.counted(operation, || match request() {
            Ok(value) => (Some(value), Ok(())),
            Err(problem) => (None, Err(problem)),
        })
    }

    /// Like [`Self::counted`], for a request that a clear of its context may refuse.
    pub(super) fn counted_beside_clear<T>(
        &self,
        slot: &Slot,
        mark: ClearMark,
        operation: Operation,
        request: impl FnOnce() -> (T, Result<(), Problem>),
    ) -> T {
        self.counted_unless(operation, request, |problem| {
            let is_refusal = matches!(
                problem,
                Problem::Status {
                    status: 403 | 404 | 409,
                    ..
                }
            );
            is_refusal && slot.was_cleared_since(mark)
        })
    }

    /// Counts a request. Its problem must be allowed in the phase or by `is_expected`.
    fn counted_unless<T>(
        &self,
        operation: Operation,
        request: impl FnOnce() -> (T, Result<(), Problem>),
        is_expected: impl FnOnce(Problem) -> bool,
    ) -> T {
        let (phase, start) = (locked(&self.report).start(), now());
        let (value, result) = request();
        let time = start.elapsed();
        match result {
            Ok(()) => locked(&self.latencies).add(operation, time),
            Err(_) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        if !result.is_err_and(is_expected) {
            locked(&self.report).count(phase, operation.name(), time, result);
        }
        if result.is_err() {
            pause(PROBLEM_PAUSE);
        }
        value
    }

    /// Repeats a request until it has a result. Its problems must be allowed.
    pub(super) fn repeat<T>(
        &self,
        operation: Operation,
        mut request: impl FnMut() -> Result<T, Problem>,
    ) -> Result<T, Stopped> {
        let start = now();
        loop {
            if let Some(value) = self.attempt(operation, &mut request) {
                return Ok(value);
            }
            self.check_running()?;
            if start.elapsed() > REPEAT_TIME {
                let name = operation.name();
                return Err(self.violation(format!("{name} fails for {REPEAT_TIME:?}")));
            }
        }
    }

    /// Records that the service is wrong.
    pub(super) fn violation(&self, text: String) -> Stopped {
        locked(&self.violations).push(text);
        Stopped
    }

    /// All violations so far.
    pub(super) fn violations(&self) -> Option<String> {
        let found = locked(&self.violations).join("\n");
        let requests = locked(&self.report).violations();
        let all: Vec<_> = [Some(found).filter(|found| !found.is_empty()), requests]
            .into_iter()
            .flatten()
            .collect();
        (!all.is_empty()).then(|| all.join("\n"))
    }

    /// Fails after a violation or [`Self::stop`].
    pub(super) fn check_running(&self) -> Result<(), Stopped> {
        let has_violation = !locked(&self.violations).is_empty();
        match self.stop.load(Ordering::Relaxed) || has_violation {
            true => Err(Stopped),
            false => Ok(()),
        }
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Allows requests again, after the clients have ended.
    pub(super) fn resume(&self) {
        self.stop.store(false, Ordering::Relaxed);
    }

    pub(super) fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
    }

    /// Waits while the service restarts.
    pub(super) fn wait_until_resumed(&self) -> Result<(), Stopped> {
        loop {
            self.check_running()?;
            if !self.paused.load(Ordering::Relaxed) {
                return Ok(());
            }
            pause(Duration::from_millis(20));
        }
    }

    /// Takes the times and the number of failures since the last call.
    pub(super) fn take_latencies(&self) -> (Latencies, u64) {
        let latencies = std::mem::take(&mut *locked(&self.latencies));
        (latencies, self.failed.swap(0, Ordering::Relaxed))
    }

    pub(super) fn verified(&self) -> MutexGuard<'_, Verified> {
        locked(&self.verified)
    }

    /// The time before which writes without an answer no longer matter.
    pub(super) fn expired(&self) -> u64 {
        let expiry = u64::try_from(EXPIRY.as_nanos()).unwrap_or(u64::MAX);
        self.recorder.time().saturating_sub(expiry)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
