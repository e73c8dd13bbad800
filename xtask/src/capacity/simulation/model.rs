//! The events of the simulation.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use fastrand::Rng;

use super::outcome::{Busy, Outcome};
use super::servers::{Log, Servers, Time};
use super::setup::Setup;
use crate::capacity::zipf::Zipf;

/// The most active tenant.
const BUSIEST: u64 = 1;
/// Share of the requests that only warm up the simulation.
const WARM_UP: f64 = 0.2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    List,
    SmallUpload,
    LargeUpload,
}

#[derive(Debug)]
struct Request {
    kind: Kind,
    tenant: u64,
    replica: usize,
    start: Time,
}

/// Work that occupies a connection.
#[derive(Debug)]
struct Job {
    replica: usize,
    primary: usize,
    work: Work,
    /// When it asked for a connection.
    asked: Time,
    /// Index of the database that executes it: primaries first, then standbys.
    database: usize,
}

#[derive(Debug)]
enum Work {
    Read(usize),
    /// Registers a large upload, without waiting for a flush.
    Register(usize),
    Write {
        tenant: u64,
        requests: Vec<usize>,
    },
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrives,
    /// The replica has processed the request.
    Received(usize),
    /// The store has the content.
    Stored(usize),
    /// The job has reached the database.
    Sent(usize),
    /// The database has executed the job.
    Executed(usize),
    /// The replica sends the commit.
    Commits(usize),
    /// The log of a primary is flushed.
    Flushed(usize),
    /// The standby has the commit.
    Committed(usize),
    /// The replica has the answer.
    Answered(usize),
}

/// Simulates `count` requests that arrive at random, `rate` in a second.
pub(in crate::capacity) fn simulate(setup: &Setup, rate: f64, count: usize, seed: u64) -> Outcome {
    let mut model = Model::new(setup, rate, count, seed);
    model.run();
    model.outcome()
}

struct Model<'a> {
    setup: &'a Setup,
    rate: f64,
    count: usize,
    random: Rng,
    zipf: Zipf,
    now: Time,
    events: BinaryHeap<Reverse<(Time, u64, Event)>>,
    sequence: u64,
    requests: Vec<Request>,
    jobs: Vec<Job>,
    replicas: Vec<Servers<usize>>,
    pools: Vec<Servers<usize>>,
    databases: Vec<Servers<usize>>,
    logs: Vec<Log<usize>>,
    /// Uploads that wait for a transaction of their tenant, by replica and tenant. An entry exists while there is one.
    waiting: HashMap<(usize, u64), VecDeque<usize>>,
    /// Transactions that wait for the lock of a tenant. An entry exists while it is locked.
    locked: HashMap<u64, VecDeque<usize>>,
    tenant_since: Time,
    tenant_time: Time,
    reads: Vec<f64>,
    uploads: Vec<f64>,
    completed: usize,
    refused: usize,
    transactions: usize,
    operations: usize,
    turn: usize,
    /// Afterwards, resources become idle.
    at_last_arrival: Busy,
}

fn nanoseconds(microseconds: f64) -> Time {
    (microseconds * 1000.0) as Time
}

fn servers(count: usize, size: usize) -> Vec<Servers<usize>> {
    (0..count).map(|_| Servers::new(size)).collect()
}

impl<'a> Model<'a> {
    fn new(setup: &'a Setup, rate: f64, count: usize, seed: u64) -> Self {
        Self {
            setup,
            rate,
            count,
            random: Rng::with_seed(seed),
            zipf: Zipf::new(setup.tenants, setup.exponent),
            now: 0,
            events: BinaryHeap::new(),
            sequence: 0,
            requests: Vec::with_capacity(count),
            jobs: Vec::with_capacity(count),
            replicas: servers(setup.replicas, setup.replica_cores),
            pools: servers(setup.replicas * setup.primaries, setup.pool),
            databases: servers(setup.primaries + setup.standbys, setup.database_cores),
            logs: (0..setup.primaries).map(|_| Log::new()).collect(),
            waiting: HashMap::new(),
            locked: HashMap::new(),
            tenant_since: 0,
            tenant_time: 0,
            reads: Vec::new(),
            uploads: Vec::new(),
            completed: 0,
            refused: 0,
            transactions: 0,
            operations: 0,
            turn: 0,
            at_last_arrival: Busy::default(),
        }
    }

    fn run(&mut self) {
        self.after(0, Event::Arrives);
        while let Some(Reverse((time, _, event))) = self.events.pop() {
            self.now = time;
            match event {
                Event::Arrives => self.arrives(),
                Event::Received(request) => self.received(request),
                Event::Stored(request) => {
                    // The time of the store is not part of the latency: it would hide all others.
                    self.requests[request].start = self.now;
                    self.write(request);
                }
                Event::Sent(job) => self.sent(job),
                Event::Executed(job) => self.executed(job),
                Event::Commits(job) => self.commits(job),
                Event::Flushed(primary) => self.flushed(primary),
                Event::Committed(job) => self.committed(job),
                Event::Answered(job) => self.answered(job),
            }
        }
    }

    fn after(&mut self, delay: Time, event: Event) {
        self.sequence += 1;
        self.events
            .push(Reverse((self.now + delay, self.sequence, event)));
    }

    /// A random duration of this average, in microseconds.
    fn random(&mut self, microseconds: f64) -> Time {
        nanoseconds(-(1.0 - self.random.f64()).ln() * microseconds)
    }

    fn arrives(&mut self) {
        let mix = &self.setup.mix;
        let (lists, small) = (mix.lists, mix.lists + mix.small_uploads);
        let kind = match self.random.f64() {
            part if part < lists => Kind::List,
            part if part < small => Kind::SmallUpload,
            part if part < small + mix.large_uploads => Kind::LargeUpload,
            _ => Kind::Read,
        };
        let request = self.requests.len();
        let tenant = self.zipf.sample(&mut self.random);
        let replica = match self.setup.affinity {
            // Spreads neighboring numbers (D. Knuth, multiplicative hashing).
            true => (tenant.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize,
            false => request,
        } % self.setup.replicas;
        self.requests.push(Request {
            kind,
            tenant,
            replica,
            start: self.now,
        });
        if let Some(request) = self.replicas[replica].enter(self.now, request) {
            self.process(request);
        }
        if self.requests.len() < self.count {
            let gap = self.random(1e6 / self.rate);
            self.after(gap, Event::Arrives);
        } else {
            self.at_last_arrival = self.busy();
        }
    }

    fn process(&mut self, request: usize) {
        let time = self.random(self.setup.times.replica);
        self.after(time, Event::Received(request));
    }

    fn received(&mut self, request: usize) {
        let Request { kind, replica, .. } = self.requests[request];
        if let Some(next) = self.replicas[replica].leave(self.now) {
            self.process(next);
        }
        match kind {
            Kind::Read | Kind::List => self.connect(request, Work::Read(request)),
            Kind::LargeUpload => self.connect(request, Work::Register(request)),
            Kind::SmallUpload => self.write(request),
        }
    }

    /// Adds an upload to the queue of its tenant.
    fn write(&mut self, request: usize) {
        let Request {
            tenant, replica, ..
        } = self.requests[request];
        if let Some(waiting) = self.waiting.get_mut(&(replica, tenant)) {
            waiting.push_back(request);
            return;
        }
        self.waiting
            .insert((replica, tenant), VecDeque::from([request]));
        self.transaction(request);
    }

    /// Starts a transaction for the tenant of an upload. It contains what waits when it gets a connection.
    fn transaction(&mut self, request: usize) {
        let tenant = self.requests[request].tenant;
        let requests = Vec::new();
        self.connect(request, Work::Write { tenant, requests });
    }

    fn connect(&mut self, request: usize, work: Work) {
        let Request {
            tenant, replica, ..
        } = self.requests[request];
        let primary = tenant as usize % self.setup.primaries;
        let database = match (&work, self.setup.standbys) {
            (Work::Read(_), standbys @ 1..) => {
                self.turn += 1;
                self.setup.primaries + self.turn % standbys
            }
            _ => primary,
        };
        let job = self.jobs.len();
        self.jobs.push(Job {
            replica,
            primary,
            work,
            asked: self.now,
            database,
        });
        let pool = replica * self.setup.primaries + primary;
        if let Some(job) = self.pools[pool].enter(self.now, job) {
            self.connected(job);
        }
    }

    fn connected(&mut self, job: usize) {
        let setup = self.setup;
        let Job { replica, work, .. } = &mut self.jobs[job];
        if let Work::Write { tenant, requests } = work {
            if let Some(waiting) = self.waiting.get_mut(&(*replica, *tenant)) {
                let count = waiting.len().min(setup.batch);
                requests.extend(waiting.drain(..count));
            }
            self.transactions += 1;
            self.operations += requests.len();
        }
        self.after(nanoseconds(setup.times.round_trip / 2.0), Event::Sent(job));
    }

    /// Passes the connection on. The requests of jobs that have waited for too long fail.
    fn disconnect(&mut self, job: usize) {
        let Job {
            replica, primary, ..
        } = self.jobs[job];
        let pool = replica * self.setup.primaries + primary;
        while let Some(next) = self.pools[pool].leave(self.now) {
            let Job { asked, work, .. } = &self.jobs[next];
            if self.now - asked <= nanoseconds(self.setup.times.pool_wait) {
                self.connected(next);
                return;
            }
            self.refused += match work {
                Work::Read(_) | Work::Register(_) => 1,
                Work::Write { tenant, .. } => {
                    let waiting = self.waiting.remove(&(replica, *tenant));
                    waiting.map_or(0, |waiting| waiting.len())
                }
            };
        }
    }

    fn sent(&mut self, job: usize) {
        if let Work::Write { tenant, .. } = self.jobs[job].work {
            if let Some(waiting) = self.locked.get_mut(&tenant) {
                waiting.push_back(job);
                return;
            }
            self.locked.insert(tenant, VecDeque::new());
            if tenant == BUSIEST {
                self.tenant_since = self.now;
            }
        }
        self.enqueue(job);
    }

    /// The job needs a core of the database.
    fn enqueue(&mut self, job: usize) {
        let database = self.jobs[job].database;
        if let Some(job) = self.databases[database].enter(self.now, job) {
            self.execute(job);
        }
    }

    fn execute(&mut self, job: usize) {
        let times = &self.setup.times;
        let (average, operations) = match &self.jobs[job].work {
            Work::Read(request) if self.requests[*request].kind == Kind::List => (times.list, 0),
            Work::Read(_) | Work::Register(_) => (times.read, 0),
            Work::Write { requests, .. } => (times.transaction, requests.len()),
        };
        let write = times.write;
        let mut time = self.random(average);
        for _ in 0..operations {
            time += self.random(write);
        }
        self.after(time, Event::Executed(job));
    }

    fn executed(&mut self, job: usize) {
        let Job {
            database, ref work, ..
        } = self.jobs[job];
        let times = &self.setup.times;
        let (delay, event) = match work {
            Work::Write { .. } => (
                times.round_trip * times.locked_round_trips,
                Event::Commits(job),
            ),
            Work::Read(_) | Work::Register(_) => (times.round_trip / 2.0, Event::Answered(job)),
        };
        self.after(nanoseconds(delay), event);
        if let Some(next) = self.databases[database].leave(self.now) {
            self.execute(next);
        }
    }

    fn commits(&mut self, job: usize) {
        let primary = self.jobs[job].primary;
        if self.logs[primary].commit(job) {
            self.flush(primary);
        }
    }

    fn flush(&mut self, primary: usize) {
        let duration = nanoseconds(self.setup.times.flush);
        self.logs[primary].start(duration);
        self.after(duration, Event::Flushed(primary));
    }

    fn flushed(&mut self, primary: usize) {
        let (commits, more) = self.logs[primary].finish();
        for job in commits {
            self.after(nanoseconds(self.setup.times.standby), Event::Committed(job));
        }
        if more {
            self.flush(primary);
        }
    }

    fn committed(&mut self, job: usize) {
        if let Work::Write { tenant, .. } = self.jobs[job].work {
            match self.locked.get_mut(&tenant).and_then(VecDeque::pop_front) {
                Some(next) => self.enqueue(next),
                None => {
                    self.locked.remove(&tenant);
                    if tenant == BUSIEST {
                        self.tenant_time += self.now - self.tenant_since;
                    }
                }
            }
        }
        let delay = nanoseconds(self.setup.times.round_trip / 2.0);
        self.after(delay, Event::Answered(job));
    }

    fn answered(&mut self, job: usize) {
        self.disconnect(job);
        let replica = self.jobs[job].replica;
        match std::mem::replace(&mut self.jobs[job].work, Work::Read(0)) {
            Work::Read(request) => self.complete(request),
            Work::Register(request) => {
                let store = self.random(self.setup.times.store);
                self.after(store, Event::Stored(request));
            }
            Work::Write { tenant, requests } => {
                for request in requests {
                    self.complete(request);
                }
                let next = self
                    .waiting
                    .get(&(replica, tenant))
                    .and_then(VecDeque::front);
                match next.copied() {
                    Some(request) => self.transaction(request),
                    None => {
                        self.waiting.remove(&(replica, tenant));
                    }
                }
            }
        }
    }

    fn complete(&mut self, request: usize) {
        self.completed += 1;
        if (request as f64) < self.count as f64 * WARM_UP {
            return;
        }
        let Request { kind, start, .. } = self.requests[request];
        let latency = (self.now - start) as f64 / 1e6;
        match kind {
            Kind::Read | Kind::List => self.reads.push(latency),
            Kind::SmallUpload | Kind::LargeUpload => self.uploads.push(latency),
        }
    }

    /// Busy shares until now.
    fn busy(&mut self) -> Busy {
        let now = self.now;
        let max = |servers: &mut [Servers<usize>]| {
            let shares = servers.iter_mut().map(|servers| servers.utilization(now));
            shares.fold(0.0, f64::max)
        };
        let (primaries, standbys) = self.databases.split_at_mut(self.setup.primaries);
        let logs = self.logs.iter().map(|log| log.utilization(now));
        let locked = match self.locked.contains_key(&BUSIEST) {
            true => now - self.tenant_since,
            false => 0,
        };
        Busy {
            replicas: max(&mut self.replicas),
            pools: max(&mut self.pools),
            primaries: max(primaries),
            standbys: max(standbys),
            log: logs.fold(0.0, f64::max),
            tenant: (self.tenant_time + locked) as f64 / now.max(1) as f64,
        }
    }

    fn outcome(mut self) -> Outcome {
        self.reads.sort_unstable_by(f64::total_cmp);
        self.uploads.sort_unstable_by(f64::total_cmp);
        let flushes: u64 = self.logs.iter().map(Log::flushes).sum();
        Outcome {
            completed: self.completed,
            refused: self.refused,
            batch: self.operations as f64 / self.transactions.max(1) as f64,
            group: self.transactions as f64 / flushes.max(1) as f64,
            busy: self.at_last_arrival,
            reads: self.reads,
            uploads: self.uploads,
        }
    }
}

#[cfg(test)]
mod tests;
