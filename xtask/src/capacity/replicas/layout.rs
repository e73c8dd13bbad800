//! On which machines clients, replicas, database and store run.

/// Share of the time from which a resource is the limit.
const SATURATED: f64 = 0.85;

/// Processors and waits of an installation. Times are in microseconds.
#[derive(Debug, Clone)]
pub(in crate::capacity) struct Layout {
    pub(in crate::capacity) replicas: usize,
    pub(in crate::capacity) machines: Machines,
    /// Connections of a replica to the database.
    pub(in crate::capacity) pool: usize,
    /// Share of the processors that other processes use.
    pub(in crate::capacity) other_processes: f64,
    /// Between replica and database and back.
    pub(in crate::capacity) round_trip: f64,
    /// Round trips from the lock of the tenant to the commit.
    pub(in crate::capacity) locked_round_trips: f64,
    /// Wait of a commit for the synchronous standby, after the flush.
    pub(in crate::capacity) standby: f64,
}

#[derive(Debug, Clone, Copy)]
pub(in crate::capacity) enum Machines {
    /// All parts share the cores of one machine.
    One { cores: usize },
    /// Each replica, the database and the store have a machine, and there is one for each client.
    Own {
        replica: usize,
        database: usize,
        store: usize,
    },
}

/// What limits the throughput.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::capacity) enum Limit {
    Machine,
    Replicas,
    Database,
    Store,
    Pools,
    Tenant,
    /// Nothing is saturated: more clients would be served.
    Clients,
}

impl Limit {
    pub(in crate::capacity) fn name(self) -> &'static str {
        match self {
            Self::Machine => "processor of the machine",
            Self::Replicas => "processors of the replicas",
            Self::Database => "processor of the database",
            Self::Store => "processor of the store",
            Self::Pools => "pools",
            Self::Tenant => "lock of the tenant",
            Self::Clients => "clients",
        }
    }

    /// The limit by the busy share of each resource. Connections are also busy while they wait for another resource, so that
    /// pools are the limit only if no other one is.
    pub(in crate::capacity) fn of(shares: &[(Self, f64)], pools: f64) -> Self {
        let busiest = shares.iter().max_by(|(_, a), (_, b)| a.total_cmp(b));
        match busiest {
            Some((limit, share)) if *share >= SATURATED => *limit,
            _ if pools >= SATURATED => Self::Pools,
            _ => Self::Clients,
        }
    }
}

impl Layout {
    /// Cores of each processor.
    pub(in crate::capacity) fn processors(&self) -> Vec<usize> {
        match self.machines {
            Machines::One { cores } => vec![cores],
            Machines::Own {
                replica,
                database,
                store,
            } => {
                let mut processors = vec![database, store];
                processors.resize(processors.len() + self.replicas, replica);
                processors
            }
        }
    }

    /// The processor of the clients, if it is part of the model.
    pub(in crate::capacity) fn client(&self) -> Option<usize> {
        match self.machines {
            Machines::One { .. } => Some(0),
            Machines::Own { .. } => None,
        }
    }

    pub(in crate::capacity) fn database(&self) -> usize {
        0
    }

    pub(in crate::capacity) fn store(&self) -> usize {
        match self.machines {
            Machines::One { .. } => 0,
            Machines::Own { .. } => 1,
        }
    }

    pub(in crate::capacity) fn replica(&self, number: usize) -> usize {
        match self.machines {
            Machines::One { .. } => 0,
            Machines::Own { .. } => 2 + number,
        }
    }

    /// The busy share of each kind of processor.
    pub(in crate::capacity) fn limits(
        &self,
        busy: &mut impl FnMut(usize) -> f64,
    ) -> Vec<(Limit, f64)> {
        match self.machines {
            Machines::One { .. } => vec![(Limit::Machine, busy(0))],
            Machines::Own { .. } => {
                let replicas = (0..self.replicas).map(|number| busy(self.replica(number)));
                let replicas = replicas.fold(0.0, f64::max);
                vec![
                    (Limit::Database, busy(self.database())),
                    (Limit::Store, busy(self.store())),
                    (Limit::Replicas, replicas),
                ]
            }
        }
    }
}
