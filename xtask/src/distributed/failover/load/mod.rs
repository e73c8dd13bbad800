//! The load of the failover tests: writers and readers of several tenants, whose operations are a history.

mod balancer;
mod client;
mod content;
mod report;
mod slow_upload;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) use self::balancer::{Balancer, Problem, status_problem};
pub(crate) use self::client::{Client, Deleted, Tenant, create_context, envelope, write_outcome};
pub(crate) use self::content::{HEADER, Size, decode, decode_header, encode};
pub(crate) use self::report::{Allowed, Report};
pub(crate) use self::slow_upload::SlowUpload;

use super::{failure, now, pause};
use crate::distributed::history::{Action, Outcome, Reading, Recorder, Totals, Value, check_all};
use crate::distributed::interrupt;
use crate::failure::Failure;

const WRITERS: usize = 4;
const READERS: usize = 4;
/// Files of each tenant. Two are in folders of the same name.
const FILES: [&str; 4] = ["/a", "/b", "/folder/a", "/folder/%C3%A9"];
/// Maximum pause of a client between two operations, in milliseconds.
const MAX_PAUSE: u64 = 20;
/// Pause of a client after a problem.
const PROBLEM_PAUSE: Duration = Duration::from_millis(100);
/// Attempts to read a file at the end.
const READ_ATTEMPTS: u32 = 20;
/// Fewest acknowledged writes and readings of a meaningful run.
const FEWEST: usize = 50;

/// What all clients share.
struct Shared {
    recorder: Recorder,
    balancer: Arc<Balancer>,
    tenants: Vec<Tenant>,
    report: Mutex<Report>,
    stop: AtomicBool,
    /// The start of the last successful write of each size, and of the last reading, in nanoseconds.
    progress: Progress,
    next_writer: AtomicU32,
    /// Writes of 17 MiB among a hundred.
    multipart: usize,
}

#[derive(Default)]
struct Progress {
    small: AtomicU64,
    large: AtomicU64,
    readings: AtomicU64,
}

impl Progress {
    fn wrote(&self, size: Size, invoked: u64) {
        let last = match size {
            Size::Small => &self.small,
            Size::Large | Size::Multipart => &self.large,
        };
        last.fetch_max(invoked, Ordering::Relaxed);
    }

    /// Whether an operation of each kind that started after this time succeeded.
    fn since(&self, time: u64) -> bool {
        [&self.small, &self.large, &self.readings]
            .iter()
            .all(|last| last.load(Ordering::Relaxed) > time)
    }
}

/// A running load. Its threads end on drop.
pub(crate) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts writers and readers of these tenants. `multipart` of a hundred contents have more than 16 MiB.
    pub(crate) fn start(balancer: &Arc<Balancer>, tenants: &[Tenant], multipart: usize) -> Self {
        let shared = Arc::new(Shared {
            recorder: Recorder::new(),
            balancer: balancer.clone(),
            tenants: tenants.to_vec(),
            report: Mutex::new(Report::new("before", Allowed::Nothing)),
            stop: AtomicBool::new(false),
            progress: Progress::default(),
            next_writer: AtomicU32::new(0),
            multipart,
        });
        let mut threads = Vec::new();
        for number in 0..WRITERS + READERS {
            let shared = shared.clone();
            threads.push(std::thread::spawn(move || match number < WRITERS {
                true => Writer::new(&shared).run(),
                false => read(&shared),
            }));
        }
        Self { shared, threads }
    }

    /// Begins a phase of the report.
    pub(crate) fn phase(&self, name: &'static str, allowed: Allowed) {
        println!("  {name}");
        self.shared.report().begin(name, allowed);
    }

    /// Waits while the load runs. Fails as soon as a request fails in a way that is not allowed.
    pub(crate) fn run_for(&self, time: Duration) -> Result<(), Failure> {
        let start = now();
        while start.elapsed() < time {
            self.check()?;
            pause(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Waits until operations of each kind that start from now on succeed. Returns the time that it took.
    pub(crate) fn wait_for_progress(&self, bound: Duration) -> Result<Duration, Failure> {
        let (start, since) = (now(), self.shared.recorder.time());
        while !self.shared.progress.since(since) {
            self.check()?;
            if start.elapsed() > bound {
                let report = self.shared.report();
                return Err(failure(format!(
                    "not all kinds of operations succeed again within {bound:?}:\n{report}"
                )));
            }
            pause(Duration::from_millis(20));
        }
        Ok(start.elapsed())
    }

    /// Number of problems in the current phase.
    pub(crate) fn problems(&self) -> u64 {
        self.shared.report().problems()
    }

    /// Fails after a signal, and after a request that failed in a way that is not allowed.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        interrupt::check()?;
        let report = self.shared.report();
        match report.violations() {
            None => Ok(()),
            Some(violations) => Err(failure(format!("{violations}\n{report}"))),
        }
    }

    /// Clears the context of a tenant while the load runs. Returns whether the clear is acknowledged.
    pub(crate) fn clear(&self, tenant: usize, balancer: &Balancer) -> Result<bool, Failure> {
        let shared = &self.shared;
        let Some(owner) = shared.tenants.get(tenant) else {
            return Err(failure(format!("no tenant {tenant}")));
        };
        let invoked = shared.recorder.time();
        let (outcome, _) = Client::new(balancer, owner).clear();
        for path in FILES {
            let file = file_name(tenant, path);
            shared
                .recorder
                .record(&file, Action::Delete, outcome, invoked);
        }
        Ok(outcome == Outcome::Ok)
    }

    /// Stops the clients, reads each file by each replica, and checks the history of each file.
    pub(crate) fn finish(mut self) -> Result<Totals, Failure> {
        self.stop();
        let shared = self.shared.clone();
        for endpoint in shared.balancer.endpoints() {
            shared.read_all(&endpoint)?;
        }
        self.check()?;
        print!("{}", shared.report());
        let history = shared.recorder.finish();
        let totals = check_all(&history)
            .map_err(|(file, violation)| failure(format!("{file}: {violation}")))?;
        if totals.acknowledged < FEWEST || totals.readings < FEWEST {
            return Err(failure(format!("too few operations: {totals}")));
        }
        println!(
            "  {} files are linearizable registers: {totals}",
            history.len()
        );
        Ok(totals)
    }

    fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic of a client is reported by its thread.
            let _ = thread.join();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Load").finish_non_exhaustive()
    }
}

impl Shared {
    fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// A random file of a tenant: the tenant, its number and the path.
    fn choose(&self, random: &mut fastrand::Rng) -> (&Tenant, usize, &'static str) {
        let number = random.usize(..self.tenants.len());
        (
            &self.tenants[number],
            number,
            FILES[random.usize(..FILES.len())],
        )
    }

    /// Runs a request and counts it. Pauses after a problem.
    fn counted<T>(&self, what: &str, request: impl FnOnce() -> (T, Result<(), Problem>)) -> T {
        let (phase, start) = (self.report().start(), now());
        let (value, result) = request();
        self.report().count(phase, what, start.elapsed(), result);
        if result.is_err() {
            pause(PROBLEM_PAUSE);
        }
        value
    }

    /// Like [`Self::counted`], for a request whose value is its result.
    fn counted_result<T>(
        &self,
        what: &str,
        request: impl FnOnce() -> Result<T, Problem>,
    ) -> Option<T> {
        self.counted(what, || match request() {
            Ok(value) => (Some(value), Ok(())),
            Err(problem) => (None, Err(problem)),
        })
    }

    /// Reads a file and records what was found. Returns whether there was an answer.
    fn read_file(&self, client: &Client<'_>, tenant: usize, path: &str) -> bool {
        let file = file_name(tenant, path);
        let invoked = self.recorder.time();
        let url = self.counted_result("get the URL of a download", || client.download_url(path));
        let (invoked, reading) = match url {
            None => return false,
            Some(None) => (invoked, Reading::Absent),
            Some(Some(url)) => {
                let invoked = self.recorder.time();
                match self.counted_result("download", || client.download(&url)) {
                    None => return false,
                    Some(reading) => (invoked, reading),
                }
            }
        };
        self.recorder
            .record(&file, Action::Get(reading), Outcome::Ok, invoked);
        self.progress.readings.fetch_max(invoked, Ordering::Relaxed);
        true
    }

    /// Reads each file by one replica.
    fn read_all(&self, endpoint: &str) -> Result<(), Failure> {
        let balancer = Balancer::new(self.balancer.timeout(), &[endpoint]);
        for (number, tenant) in self.tenants.iter().enumerate() {
            let client = Client::new(&balancer, tenant);
            for path in FILES {
                let mut attempts = 0..READ_ATTEMPTS;
                if !attempts.any(|_| self.read_file(&client, number, path)) {
                    return Err(failure(format!("{path} can't be read at the end")));
                }
            }
        }
        Ok(())
    }
}

/// The name of a file in the history.
fn file_name(tenant: usize, path: &str) -> String {
    format!("{tenant}:{path}")
}

/// A client that changes files.
struct Writer<'a> {
    shared: &'a Shared,
    number: u32,
    /// Number of its values.
    values: u32,
    random: fastrand::Rng,
}

impl<'a> Writer<'a> {
    fn new(shared: &'a Shared) -> Self {
        Self {
            shared,
            number: shared.next_writer.fetch_add(1, Ordering::Relaxed),
            values: 0,
            random: fastrand::Rng::new(),
        }
    }

    fn run(&mut self) {
        while !self.shared.is_stopped() {
            match self.random.u32(..8) {
                0 => self.delete(),
                _ => self.put(),
            }
            pause(Duration::from_millis(self.random.u64(..MAX_PAUSE)));
        }
    }

    fn put(&mut self) {
        let shared = self.shared;
        let (tenant, number, path) = shared.choose(&mut self.random);
        let size = match self.random.usize(..100) {
            percent if percent < shared.multipart => Size::Multipart,
            percent if percent < shared.multipart + 30 => Size::Large,
            _ => Size::Small,
        };
        self.values += 1;
        let value = Value {
            writer: self.number,
            number: self.values,
        };
        let content = encode(value, size.bytes(&mut self.random));
        let client = Client::new(&shared.balancer, tenant);
        let url = shared.counted_result("get the URL of an upload", || client.upload_url(path));
        let Some(url) = url else {
            return;
        };
        let invoked = shared.recorder.time();
        let outcome = shared.counted("upload", || client.upload(&url, &content));
        let file = file_name(number, path);
        shared
            .recorder
            .record(&file, Action::Put(value), outcome, invoked);
        if outcome == Outcome::Ok {
            shared.progress.wrote(size, invoked);
        }
    }

    fn delete(&mut self) {
        let shared = self.shared;
        let (tenant, number, path) = shared.choose(&mut self.random);
        let client = Client::new(&shared.balancer, tenant);
        let invoked = shared.recorder.time();
        let deleted = shared.counted("delete", || client.delete(path));
        let (action, outcome) = match deleted {
            Deleted::Outcome(outcome) => (Action::Delete, outcome),
            Deleted::Absent => (Action::Get(Reading::Absent), Outcome::Ok),
        };
        let file = file_name(number, path);
        shared.recorder.record(&file, action, outcome, invoked);
    }
}

fn read(shared: &Shared) {
    let mut random = fastrand::Rng::new();
    while !shared.is_stopped() {
        let (tenant, number, path) = shared.choose(&mut random);
        shared.read_file(&Client::new(&shared.balancer, tenant), number, path);
        pause(Duration::from_millis(random.u64(..MAX_PAUSE)));
    }
}
