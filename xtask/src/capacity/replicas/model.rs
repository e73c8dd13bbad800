//! A discrete-event simulation of clients that each send one request after the other.
//!
//! A request takes processor time of its client, of a replica and of the store, then its transactions occupy a connection
//! of the replica's pool, one after the other. Uploads of a tenant on a replica share a transaction, which locks the tenant
//! until its commit is flushed. Commits that wait during a flush share the next one.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use fastrand::Rng;

use super::fit::Costs;
use super::layout::{Layout, Limit};
use crate::capacity::simulation::{Log, Servers, Time};

/// Uploads of a tenant that share a transaction.
const BATCH: usize = 64;
/// Share of the operations that only warm up the simulation.
const WARM_UP: f64 = 0.2;

/// The load of a simulation.
#[derive(Debug, Clone, Copy)]
pub(in crate::capacity) struct Load {
    pub(in crate::capacity) clients: usize,
    pub(in crate::capacity) tenants: usize,
    /// Number of simulated operations.
    pub(in crate::capacity) operations: usize,
    pub(in crate::capacity) seed: u64,
}

/// The result of a simulation.
#[derive(Debug, Clone, Copy)]
pub(in crate::capacity) struct Throughput {
    /// Operations a second.
    pub(in crate::capacity) rate: f64,
    pub(in crate::capacity) limit: Limit,
}

/// Simulates a workload with these costs.
pub(in crate::capacity) fn simulate(costs: &Costs, layout: &Layout, load: Load) -> Throughput {
    Model::new(costs, layout, load).run()
}

/// What occupies a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    Client(usize),
    Service(usize),
    Store(usize),
    Read(usize),
    /// A transaction by its number.
    Write(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A processor has done the work.
    Done(usize, Work),
    /// A client without a processor of the model has sent its request.
    Requests(usize),
    /// A transaction that reads or writes has reached the database.
    Sent(Work),
    /// The replica sends the commit of a transaction.
    Commits(usize),
    Flushed,
    /// The standby has the commit.
    Committed(usize),
}

struct Client {
    replica: usize,
    reads: usize,
}

struct Transaction {
    replica: usize,
    tenant: usize,
    clients: Vec<usize>,
}

struct Model<'a> {
    costs: &'a Costs,
    layout: &'a Layout,
    load: Load,
    /// Requests that a replica has at the same time.
    requests: f64,
    random: Rng,
    now: Time,
    sequence: u64,
    events: BinaryHeap<Reverse<(Time, u64, Event)>>,
    processors: Vec<Servers<(Work, Time)>>,
    pools: Vec<Servers<Work>>,
    log: Log<usize>,
    clients: Vec<Client>,
    transactions: Vec<Transaction>,
    /// Uploads that wait for a transaction, by replica and tenant. An entry exists while there is one.
    waiting: HashMap<(usize, usize), VecDeque<usize>>,
    /// Transactions that wait for a tenant. An entry exists while it is locked.
    locked: HashMap<usize, VecDeque<usize>>,
    /// Since when the first tenant is locked, and its time before.
    locked_since: Time,
    locked_time: Time,
    completed: usize,
    warm: Option<Time>,
}

impl<'a> Model<'a> {
    fn new(costs: &'a Costs, layout: &'a Layout, load: Load) -> Self {
        Self {
            costs,
            layout,
            load,
            requests: load.clients as f64 / layout.replicas as f64,
            random: Rng::with_seed(load.seed),
            now: 0,
            sequence: 0,
            events: BinaryHeap::new(),
            processors: layout.processors().into_iter().map(Servers::new).collect(),
            pools: (0..layout.replicas)
                .map(|_| Servers::new(layout.pool))
                .collect(),
            log: Log::new(),
            clients: Vec::new(),
            transactions: Vec::new(),
            waiting: HashMap::new(),
            locked: HashMap::new(),
            locked_since: 0,
            locked_time: 0,
            completed: 0,
            warm: None,
        }
    }

    fn run(mut self) -> Throughput {
        for client in 0..self.load.clients {
            self.clients.push(Client {
                replica: client % self.layout.replicas,
                reads: 0,
            });
            self.begin(client);
        }
        while self.completed < self.load.operations {
            let Some(Reverse((time, _, event))) = self.events.pop() else {
                break;
            };
            self.now = time;
            self.handle(event);
        }
        let measured = self.completed as f64 * (1.0 - WARM_UP);
        let seconds = (self.now - self.warm.unwrap_or(0)) as f64 / 1e9;
        Throughput {
            rate: measured / seconds,
            limit: self.limit(),
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Done(processor, work) => {
                if let Some((next, time)) = self.processors[processor].leave(self.now) {
                    self.after(time, Event::Done(processor, next));
                }
                self.done(work);
            }
            Event::Requests(client) => self.arrives(client),
            Event::Sent(work) => self.sent(work),
            Event::Commits(transaction) => {
                if self.log.commit(transaction) {
                    self.flush();
                }
            }
            Event::Flushed => {
                let (commits, more) = self.log.finish();
                for transaction in commits {
                    let delay = nanoseconds(self.layout.standby);
                    self.after(delay, Event::Committed(transaction));
                }
                if more {
                    self.flush();
                }
            }
            Event::Committed(transaction) => self.committed(transaction),
        }
    }

    fn after(&mut self, delay: Time, event: Event) {
        self.sequence += 1;
        let entry = (self.now + delay, self.sequence, event);
        self.events.push(Reverse(entry));
    }

    /// A random duration of this average in microseconds.
    fn random(&mut self, microseconds: f64) -> Time {
        nanoseconds(-(1.0 - self.random.f64()).ln() * microseconds)
    }

    /// Runs work on a processor, with other processes of the machine beside it.
    fn occupy(&mut self, processor: usize, work: Work, microseconds: f64) {
        let time = self.random(microseconds / (1.0 - self.layout.other_processes));
        if let Some((work, time)) = self.processors[processor].enter(self.now, (work, time)) {
            self.after(time, Event::Done(processor, work));
        }
    }

    /// A client prepares its next request.
    fn begin(&mut self, client: usize) {
        let cost = self.costs.client.at(self.requests);
        match self.layout.client() {
            Some(processor) => self.occupy(processor, Work::Client(client), cost),
            None => {
                let time = self.random(cost);
                self.after(time, Event::Requests(client));
            }
        }
    }

    fn arrives(&mut self, client: usize) {
        let whole = self.costs.reads.floor();
        let one_more = self.random.f64() < self.costs.reads - whole;
        self.clients[client].reads = whole as usize + usize::from(one_more);
        let processor = self.layout.replica(self.clients[client].replica);
        let cost = self.costs.service.at(self.requests);
        self.occupy(processor, Work::Service(client), cost);
    }

    fn done(&mut self, work: Work) {
        match work {
            Work::Client(client) => self.arrives(client),
            Work::Service(client) => match self.costs.store.at(self.requests) {
                0.0 => self.transact(client),
                cost => self.occupy(self.layout.store(), Work::Store(client), cost),
            },
            Work::Store(client) => self.transact(client),
            Work::Read(client) => {
                self.disconnect(self.clients[client].replica);
                self.transact(client);
            }
            Work::Write(transaction) => {
                let delay = nanoseconds(self.layout.round_trip * self.layout.locked_round_trips);
                self.after(delay, Event::Commits(transaction));
            }
        }
    }

    /// The next transaction of a request, or its end.
    fn transact(&mut self, client: usize) {
        if self.clients[client].reads > 0 {
            self.clients[client].reads -= 1;
            self.connect(self.clients[client].replica, Work::Read(client));
        } else if self.costs.change.is_some() {
            self.write(client);
        } else {
            self.complete(client);
        }
    }

    /// Adds an upload to the next transaction of its tenant.
    fn write(&mut self, client: usize) {
        let replica = self.clients[client].replica;
        let tenant = client % self.load.tenants;
        if let Some(waiting) = self.waiting.get_mut(&(replica, tenant)) {
            waiting.push_back(client);
            return;
        }
        self.waiting
            .insert((replica, tenant), VecDeque::from([client]));
        self.begin_transaction(replica, tenant);
    }

    fn begin_transaction(&mut self, replica: usize, tenant: usize) {
        let number = self.transactions.len();
        self.transactions.push(Transaction {
            replica,
            tenant,
            clients: Vec::new(),
        });
        self.connect(replica, Work::Write(number));
    }

    fn connect(&mut self, replica: usize, work: Work) {
        if let Some(work) = self.pools[replica].enter(self.now, work) {
            self.connected(work);
        }
    }

    fn connected(&mut self, work: Work) {
        if let Work::Write(number) = work {
            let transaction = &mut self.transactions[number];
            let key = (transaction.replica, transaction.tenant);
            if let Some(waiting) = self.waiting.get_mut(&key) {
                let count = waiting.len().min(BATCH);
                transaction.clients.extend(waiting.drain(..count));
            }
        }
        self.after(nanoseconds(self.layout.round_trip), Event::Sent(work));
    }

    /// Passes a connection on.
    fn disconnect(&mut self, replica: usize) {
        if let Some(next) = self.pools[replica].leave(self.now) {
            self.connected(next);
        }
    }

    fn sent(&mut self, work: Work) {
        let Work::Write(number) = work else {
            let cost = self.costs.read.at(self.requests);
            self.occupy(self.layout.database(), work, cost);
            return;
        };
        let tenant = self.transactions[number].tenant;
        if let Some(waiting) = self.locked.get_mut(&tenant) {
            waiting.push_back(number);
            return;
        }
        self.locked.insert(tenant, VecDeque::new());
        if tenant == 0 {
            self.locked_since = self.now;
        }
        self.execute(number);
    }

    fn execute(&mut self, transaction: usize) {
        let changes = self.transactions[transaction].clients.len() as f64;
        let change = self
            .costs
            .change
            .map_or(0.0, |change| change.at(self.requests));
        let cost = self.costs.transaction + changes * change;
        self.occupy(self.layout.database(), Work::Write(transaction), cost);
    }

    fn flush(&mut self) {
        let duration = nanoseconds(self.costs.flush);
        self.log.start(duration);
        self.after(duration, Event::Flushed);
    }

    fn committed(&mut self, number: usize) {
        let tenant = self.transactions[number].tenant;
        match self.locked.get_mut(&tenant).and_then(VecDeque::pop_front) {
            Some(next) => self.execute(next),
            None => {
                self.locked.remove(&tenant);
                if tenant == 0 {
                    self.locked_time += self.now - self.locked_since;
                }
            }
        }
        let replica = self.transactions[number].replica;
        self.disconnect(replica);
        for client in std::mem::take(&mut self.transactions[number].clients) {
            self.complete(client);
        }
        match self.waiting.get(&(replica, tenant)) {
            Some(waiting) if !waiting.is_empty() => self.begin_transaction(replica, tenant),
            _ => drop(self.waiting.remove(&(replica, tenant))),
        }
    }

    fn complete(&mut self, client: usize) {
        self.completed += 1;
        let is_warm = self.completed as f64 >= self.load.operations as f64 * WARM_UP;
        if is_warm && self.warm.is_none() {
            self.warm = Some(self.now);
        }
        let client_state = &mut self.clients[client];
        client_state.replica = (client_state.replica + 1) % self.layout.replicas;
        self.begin(client);
    }

    /// What is busy for nearly all of the time.
    fn limit(&mut self) -> Limit {
        let now = self.now;
        let mut busy = |processor: usize| self.processors[processor].utilization(now);
        let mut shares = self.layout.limits(&mut busy);
        let still = match self.locked.contains_key(&0) {
            true => now - self.locked_since,
            false => 0,
        };
        let tenant = (self.locked_time + still) as f64 / now.max(1) as f64;
        shares.push((Limit::Tenant, tenant));
        // The log is no limit: commits that wait share the next flush.
        let pools = self.pools.iter_mut().map(|pool| pool.utilization(now));
        let pools = pools.fold(0.0, f64::max);
        Limit::of(&shares, pools)
    }
}

fn nanoseconds(microseconds: f64) -> Time {
    (microseconds * 1000.0) as Time
}

#[cfg(test)]
mod tests;
