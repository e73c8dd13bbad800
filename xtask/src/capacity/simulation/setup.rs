//! The simulated installation and its load.

/// Machines and the service times on them. Times are in microseconds; those of processors are averages of an exponential
/// distribution, all others are constant.
#[derive(Debug, Clone)]
pub(in crate::capacity) struct Setup {
    pub(in crate::capacity) replicas: usize,
    pub(in crate::capacity) replica_cores: usize,
    /// Whether the load balancer sends all requests of a tenant to one replica.
    pub(in crate::capacity) affinity: bool,
    /// Connections of a replica to each primary.
    pub(in crate::capacity) pool: usize,
    /// Primaries that share the tenants.
    pub(in crate::capacity) primaries: usize,
    /// Standbys that serve reads. Without any, primaries serve them.
    pub(in crate::capacity) standbys: usize,
    pub(in crate::capacity) database_cores: usize,
    /// Operations of a tenant that share a transaction.
    pub(in crate::capacity) batch: usize,
    pub(in crate::capacity) tenants: u64,
    pub(in crate::capacity) exponent: f64,
    pub(in crate::capacity) mix: Mix,
    pub(in crate::capacity) times: Times,
}

/// Shares of requests. The rest are reads of one row.
#[derive(Debug, Clone)]
pub(in crate::capacity) struct Mix {
    pub(in crate::capacity) lists: f64,
    pub(in crate::capacity) small_uploads: f64,
    pub(in crate::capacity) large_uploads: f64,
}

#[derive(Debug, Clone)]
pub(in crate::capacity) struct Times {
    /// Processor time of a replica for a request.
    pub(in crate::capacity) replica: f64,
    /// Processor time of the database to read a row.
    pub(in crate::capacity) read: f64,
    /// Processor time of the database to list a page.
    pub(in crate::capacity) list: f64,
    /// Processor time of the database for a write transaction without its operations, and for each operation.
    pub(in crate::capacity) transaction: f64,
    pub(in crate::capacity) write: f64,
    /// A flush of the log.
    pub(in crate::capacity) flush: f64,
    /// Wait of a commit for the synchronous standby, after the flush.
    pub(in crate::capacity) standby: f64,
    /// Between replica and database and back.
    pub(in crate::capacity) round_trip: f64,
    /// Round trips from the lock of the tenant to the commit.
    pub(in crate::capacity) locked_round_trips: f64,
    /// Until the store has a large content.
    pub(in crate::capacity) store: f64,
    /// Longest wait for a connection.
    pub(in crate::capacity) pool_wait: f64,
}
