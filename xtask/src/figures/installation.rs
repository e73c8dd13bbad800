//! The service on one combination of engines: its processes, and what they use.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use super::load::{self, Tenant};
use super::usage::{Quantity, Usage};
use crate::distributed::engines::{Engines, Process, S3s, Server, free_port};
use crate::distributed::s3_url;
use crate::failure::Failure;
use crate::http_client::Connection;
use crate::machine::{group_time, machine_time, own_time, process_time};

const READY: &str = "listening on ";
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// The defaults of PostgreSQL, where those of the tests are smaller, and times of flushes.
const SETTINGS: [&str; 3] = [
    "shared_buffers = '128MB'",
    "max_wal_size = '1GB'",
    "track_wal_io_timing = on",
];
/// What makes a commit durable.
const DURABLE: &str = "SELECT current_setting('fsync'), current_setting('synchronous_commit'),
    current_setting('full_page_writes')";
const STATISTICS: &str = "SELECT sum(d.xact_commit), max(w.wal_sync), max(w.wal_sync_time * 1000),
    max(w.wal_bytes), max(w.wal_fpi), max(b.checkpoints_timed + b.checkpoints_req)
    FROM pg_stat_database d, pg_stat_wal w, pg_stat_bgwriter b WHERE d.datname = 'agb'";

/// A combination of engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Engine {
    SqliteFile,
    PostgresFile,
    PostgresS3,
}

impl Engine {
    pub(super) const ALL: [Self; 3] = [Self::SqliteFile, Self::PostgresFile, Self::PostgresS3];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SqliteFile => "SQLite+file",
            Self::PostgresFile => "PostgreSQL+file",
            Self::PostgresS3 => "PostgreSQL+S3",
        }
    }
}

/// A process of the service.
struct Replica {
    process: Process,
    endpoint: String,
    /// `HOST:PORT` of its metrics.
    metrics: String,
}

/// What PostgreSQL counted in the whole run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Statistics {
    pub(super) commits: f64,
    pub(super) flushes: f64,
    /// Of a flush, in microseconds.
    pub(super) flush_time: f64,
    pub(super) log: f64,
    pub(super) page_images: f64,
    pub(super) checkpoints: f64,
}

/// The processes of a combination of engines. The service ends before its engines.
pub(super) struct Installation {
    pub(super) engine: Engine,
    replicas: Vec<Replica>,
    postgres: Option<Server>,
    store: Option<S3s>,
    tenants: Vec<Tenant>,
}

impl Installation {
    /// Starts the engines and replicas, and creates the tenants.
    pub(super) fn start(
        engines: &mut Engines,
        program: &Path,
        engine: Engine,
        replicas: usize,
    ) -> Result<Self, Failure> {
        let postgres = match engine {
            Engine::SqliteFile => None,
            Engine::PostgresFile | Engine::PostgresS3 => Some(start_postgres(engines)?),
        };
        let store = match engine {
            Engine::PostgresS3 => Some(engines.optimized_s3s()?),
            Engine::SqliteFile | Engine::PostgresFile => None,
        };
        let mut installation = Self {
            engine,
            replicas: Vec::new(),
            postgres,
            store,
            tenants: Vec::new(),
        };
        let folder = engines.instance("service")?;
        let count = match engine {
            // One process owns the folder.
            Engine::SqliteFile => 1,
            Engine::PostgresFile | Engine::PostgresS3 => replicas,
        };
        for number in 0..count {
            let replica = installation.start_replica(engines, program, &folder, number)?;
            installation.replicas.push(replica);
        }
        installation.tenants = load::fill(&installation.endpoints(1).concat()).map_err(failed)?;
        Ok(installation)
    }

    fn start_replica(
        &self,
        engines: &Engines,
        program: &Path,
        folder: &Path,
        number: usize,
    ) -> Result<Replica, Failure> {
        let metrics = format!("127.0.0.1:{}", free_port()?);
        let mut command = engines.account().command(program, folder, "KILL");
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(["--metrics-listen", &metrics]);
        match &self.postgres {
            None => {
                command.args(["--data-dir", "data"]);
            }
            Some(postgres) => {
                command.args(["--metadata", &postgres.url(), "--blobs"]);
                match &self.store {
                    None => command.arg(format!("file:{}", folder.join("blobs").display())),
                    Some(store) => command.arg(s3_url(store.client(), "/figures")),
                };
            }
        }
        if let Some(store) = &self.store {
            let client = store.client();
            command.env("AWS_ACCESS_KEY_ID", &client.access_key);
            command.env("AWS_SECRET_ACCESS_KEY", &client.secret_key);
        }
        let log = folder.join(format!("replica-{number}.log"));
        let mut process = Process::start("agb serve", command, &log)?;
        let mut endpoint = None;
        process.wait_until_ready(START_TIMEOUT, || {
            endpoint = find_endpoint(&fs::read_to_string(&log).unwrap_or_default());
            endpoint.is_some()
        })?;
        Ok(Replica {
            process,
            endpoint: endpoint.unwrap_or_default(),
            metrics,
        })
    }

    /// The endpoints of the first replicas.
    pub(super) fn endpoints(&self, replicas: usize) -> Vec<&str> {
        let replicas = self.replicas.iter().take(replicas);
        replicas.map(|replica| replica.endpoint.as_str()).collect()
    }

    pub(super) fn tenants(&self) -> &[Tenant] {
        &self.tenants
    }

    /// Measures before a workload on the first replicas. Processor times come last.
    pub(super) fn usage_before(&self, replicas: usize) -> Result<Usage, Failure> {
        let mut usage = Usage::default();
        self.add_counters(&mut usage, replicas)?;
        self.add_times(&mut usage, replicas).map_err(failed)?;
        Ok(usage)
    }

    /// Measures after a workload. Processor times come first, so that they contain no measurement.
    pub(super) fn usage_after(&self, replicas: usize) -> Result<Usage, Failure> {
        let mut usage = Usage::default();
        self.add_times(&mut usage, replicas).map_err(failed)?;
        self.add_counters(&mut usage, replicas)?;
        Ok(usage)
    }

    fn add_times(&self, usage: &mut Usage, replicas: usize) -> io::Result<()> {
        for replica in self.replicas.iter().take(replicas) {
            usage.add(Quantity::Service, process_time(replica.process.id())?);
        }
        if let Some(postgres) = &self.postgres {
            usage.add(Quantity::Database, group_time(postgres.process_id())?);
        }
        if let Some(store) = &self.store {
            usage.add(Quantity::Store, process_time(store.process_id())?);
        }
        usage.add(Quantity::Client, own_time()?);
        usage.add(Quantity::Machine, machine_time()?);
        Ok(())
    }

    fn add_counters(&self, usage: &mut Usage, replicas: usize) -> Result<(), Failure> {
        for replica in self.replicas.iter().take(replicas) {
            let mut connection = Connection::open(&replica.metrics, "").map_err(failed)?;
            let metrics = connection.request("GET", "/metrics", &[("host", "metrics")], &[]);
            let metrics = metrics.map_err(failed)?;
            usage.add_metrics(&String::from_utf8_lossy(&metrics.body));
        }
        if let Some(postgres) = &self.postgres {
            // The statistics of PostgreSQL lag behind, the position of the log does not.
            let position = "SELECT pg_current_wal_insert_lsn() - '0/0'";
            let position = numbers(&postgres.sql("postgres", position)?)?;
            usage.add(Quantity::Log, position.iter().sum());
        }
        Ok(())
    }

    /// Ends the replicas, on which PostgreSQL completes its statistics, and returns those.
    pub(super) fn stop(mut self) -> Result<Option<Statistics>, Failure> {
        for replica in &mut self.replicas {
            replica.process.stop(Signal::TERM);
        }
        let Some(postgres) = &self.postgres else {
            return Ok(None);
        };
        let row = postgres.sql("postgres", STATISTICS)?;
        match numbers(&row)?.as_slice() {
            [commits, flushes, flush_time, log, page_images, checkpoints] => Ok(Some(Statistics {
                commits: *commits,
                flushes: *flushes,
                flush_time: flush_time / flushes.max(1.0),
                log: *log,
                page_images: *page_images,
                checkpoints: *checkpoints,
            })),
            _ => Err(unexpected(&row)),
        }
    }
}

fn start_postgres(engines: &mut Engines) -> Result<Server, Failure> {
    let mut server = engines.postgres()?;
    for setting in SETTINGS {
        server.sql("postgres", &format!("ALTER SYSTEM SET {setting}"))?;
    }
    server.restart()?;
    let durable = server.sql("agb", DURABLE)?;
    match durable.trim() {
        "on|on|on" => Ok(server),
        _ => Err(unexpected(&durable)),
    }
}

/// The numbers of a row of `psql`.
fn numbers(row: &str) -> Result<Vec<f64>, Failure> {
    let numbers = row.trim().split('|').map(str::parse);
    let numbers: Result<_, _> = numbers.collect();
    numbers.map_err(|_| unexpected(row))
}

fn unexpected(row: &str) -> Failure {
    Failure::new(
        format!("PostgreSQL returns an unexpected row: {}", row.trim()),
        "use PostgreSQL 14 to 16 with its default settings",
    )
}

/// The endpoint in the log of a replica that listens.
fn find_endpoint(log: &str) -> Option<String> {
    let mut lines = log
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    lines.find_map(|line| Some(line.trim().strip_prefix(READY)?.to_owned()))
}

pub(super) fn failed(error: io::Error) -> Failure {
    Failure::new(
        format!("a measurement failed: {error}"),
        "check the free space of TMPDIR, where the data is",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_consist_of_numbers() {
        assert_eq!(numbers("12|0.5\n").unwrap(), [12.0, 0.5]);
        assert!(numbers("|1\n").is_err());
    }

    #[test]
    fn the_endpoint_is_in_a_complete_line() {
        let log = "starting\nlistening on http://127.0.0.1:1";
        assert_eq!(find_endpoint(log), None);
        let log = format!("{log}\n");
        assert_eq!(find_endpoint(&log).as_deref(), Some("http://127.0.0.1:1"));
    }
}
