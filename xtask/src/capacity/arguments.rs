//! The flags of `cargo xtask capacity`. Times are in microseconds.

use std::path::PathBuf;

use clap::Args;

use super::costs;
use super::replicas::{Layout, Machines};
use super::schema::Scale;
use super::simulation::{Mix, Setup, Times};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Fit the model of replicas to measurements of `engine-figures --json`, and predict throughput only
    #[arg(long, value_name = "FILE")]
    pub(super) fit: Option<PathBuf>,
    /// Clients of each replica in predictions of --fit
    #[arg(long, default_value_t = 64)]
    pub(super) clients_per_replica: usize,
    /// Cores of the store in predictions of --fit
    #[arg(long, default_value_t = 16)]
    store_cores: usize,
    /// Number of tenants
    #[arg(long, default_value_t = 1_000_000)]
    tenants: u64,
    /// Contexts of each tenant
    #[arg(long, default_value_t = 2.0)]
    contexts_per_tenant: f64,
    /// Files of all tenants
    #[arg(long, default_value_t = 10_000_000_000)]
    files: u64,
    /// Share of files of at most 32 KiB, which are in the database
    #[arg(long, default_value_t = 0.8)]
    small_share: f64,
    /// Average size of these files
    #[arg(long, default_value_t = 4096)]
    small_bytes: u64,
    /// Average size of all other files
    #[arg(long, default_value_t = 1 << 20)]
    large_bytes: u64,
    /// Average length of the path of a folder
    #[arg(long, default_value_t = 24)]
    folder_bytes: u64,
    /// Average length of the name of a file
    #[arg(long, default_value_t = 16)]
    name_bytes: u64,
    /// Files of each folder
    #[arg(long, default_value_t = 100.0)]
    files_per_folder: f64,
    /// Memory of the database for pages, in GiB
    #[arg(long, default_value_t = 256.0)]
    pub(super) cache_gib: f64,
    /// Time between two checkpoints
    #[arg(long, default_value_t = 900.0)]
    pub(super) checkpoint_seconds: f64,
    /// Exponent of the Zipf distribution of requests over tenants
    #[arg(long, default_value_t = 1.0)]
    pub(super) zipf: f64,
    /// Share of listings in all requests
    #[arg(long, default_value_t = 0.1)]
    lists: f64,
    /// Share of uploads into the database in all requests
    #[arg(long, default_value_t = 0.16)]
    small_uploads: f64,
    /// Share of uploads into the store in all requests
    #[arg(long, default_value_t = 0.04)]
    large_uploads: f64,
    /// Cores of each replica
    #[arg(long, default_value_t = 4)]
    replica_cores: usize,
    /// Connections of each replica
    #[arg(long, default_value_t = 16)]
    pool: usize,
    /// Cores of the primary and of each standby that serves reads
    #[arg(long, default_value_t = 16)]
    database_cores: usize,
    /// Operations of a tenant that share a transaction
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Processor time of a replica for a request
    #[arg(long, default_value_t = costs::REPLICA)]
    replica_time: f64,
    /// Processor time of the database to read a row
    #[arg(long, default_value_t = costs::READ)]
    read_time: f64,
    /// Processor time of the database to list a page of 100 files
    #[arg(long, default_value_t = costs::LIST)]
    list_time: f64,
    /// Processor time of the database for a write transaction without its operations
    #[arg(long, default_value_t = costs::TRANSACTION)]
    transaction_time: f64,
    /// Processor time of the database for each operation of a write transaction
    #[arg(long, default_value_t = costs::WRITE)]
    write_time: f64,
    /// Time of a flush of the log
    #[arg(long, default_value_t = costs::FLUSH)]
    flush_time: f64,
    /// Wait of a commit for the synchronous standby; 0 without one
    #[arg(long, default_value_t = 500.0)]
    standby_time: f64,
    /// Time from a replica to the database and back
    #[arg(long, default_value_t = 250.0)]
    round_trip: f64,
    /// Round trips of a transaction while the row of its tenant is locked, without the commit
    #[arg(long, default_value_t = 2.0)]
    locked_round_trips: f64,
    /// Time until the store has a large content
    #[arg(long, default_value_t = 20_000.0)]
    store_time: f64,
    /// Longest wait for a connection
    #[arg(long, default_value_t = 3_000_000.0)]
    pool_wait: f64,
    /// Highest busy share of a processor or pool that is considered sustainable
    #[arg(long, default_value_t = 0.9)]
    pub(super) busy: f64,
    /// Highest latency of 99 % of requests that is considered sustainable, in milliseconds
    #[arg(long, default_value_t = 100.0)]
    pub(super) latency_ms: f64,
    /// Requests of each simulation
    #[arg(long, default_value_t = 30_000)]
    pub(super) requests: usize,
    /// Seed of the simulations
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
}

impl Arguments {
    pub(super) fn scale(&self) -> Scale {
        Scale {
            tenants: self.tenants as f64,
            contexts_per_tenant: self.contexts_per_tenant,
            files: self.files as f64,
            small: self.small_share,
            small_bytes: self.small_bytes,
            large_bytes: self.large_bytes,
            folder_bytes: self.folder_bytes,
            name_bytes: self.name_bytes,
            files_per_folder: self.files_per_folder,
        }
    }

    /// Replicas, the database and the store on machines of their own.
    pub(super) fn own_machines(&self, replicas: usize) -> Layout {
        Layout {
            replicas,
            machines: Machines::Own {
                replica: self.replica_cores,
                database: self.database_cores,
                store: self.store_cores,
            },
            pool: self.pool,
            other_processes: 0.0,
            round_trip: self.round_trip,
            locked_round_trips: self.locked_round_trips,
            standby: self.standby_time,
        }
    }

    /// The installation with one replica.
    pub(super) fn setup(&self) -> Setup {
        Setup {
            replicas: 1,
            replica_cores: self.replica_cores,
            affinity: false,
            pool: self.pool,
            primaries: 1,
            standbys: 0,
            database_cores: self.database_cores,
            batch: self.batch,
            tenants: self.tenants,
            exponent: self.zipf,
            mix: Mix {
                lists: self.lists,
                small_uploads: self.small_uploads,
                large_uploads: self.large_uploads,
            },
            times: Times {
                replica: self.replica_time,
                read: self.read_time,
                list: self.list_time,
                transaction: self.transaction_time,
                write: self.write_time,
                flush: self.flush_time,
                standby: self.standby_time,
                round_trip: self.round_trip,
                locked_round_trips: self.locked_round_trips,
                store: self.store_time,
                pool_wait: self.pool_wait,
            },
        }
    }
}
