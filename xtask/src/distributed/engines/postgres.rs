//! PostgreSQL: servers with data of their own, a synchronous standby, and its promotion.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::install::beside;
use super::process::{Account, Process, free_port, output};
use crate::failure::Failure;

/// The superuser, for the harness alone.
const SUPERUSER: &str = "postgres";
/// The role that the service uses. It may create databases, and row-level security applies to it.
pub(crate) const ROLE: &str = "agb";
/// The password of both. The server is reachable from the loopback interface only.
pub(crate) const PASSWORD: &str = "agb-test-password";
/// The database that the service uses by default.
pub(crate) const DATABASE: &str = "agb";
/// The name of the standby in `synchronous_standby_names`.
const STANDBY: &str = "standby";
const START_TIMEOUT: Duration = Duration::from_secs(60);

const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = on
synchronous_commit = on
full_page_writes = on
max_connections = 400
shared_buffers = 64MB
max_wal_size = 256MB
wal_level = replica
max_wal_senders = 8
hot_standby = on
password_encryption = scram-sha-256
# Removed with the data folder, also after SIGKILL.
dynamic_shared_memory_type = mmap
log_min_messages = warning
log_checkpoints = off
";

/// What all servers have in common.
#[derive(Debug, Clone)]
pub(crate) struct Postgres {
    /// The program `postgres`.
    pub(crate) program: PathBuf,
    pub(crate) account: Account,
    /// The parent of the data folders.
    pub(crate) folder: PathBuf,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    postgres: Postgres,
    data: PathBuf,
    port: u16,
    process: Process,
}

impl Postgres {
    /// Creates a cluster with data checksums, the role and the database of the service, and starts it.
    pub(crate) fn start(&self, name: &str) -> Result<Server, Failure> {
        let data = self.folder.join(name);
        let password = self.folder.join("password");
        self.account.write(&password, PASSWORD)?;
        let mut command = self.command("initdb");
        command
            .args(["--data-checksums", "--encoding=UTF8", "--locale=C"])
            .args(["--auth=scram-sha-256", "--username", SUPERUSER, "--pwfile"])
            .arg(&password)
            .arg("--pgdata")
            .arg(&data);
        output(&mut command, "initdb")?;
        append(&data.join("postgresql.conf"), SETTINGS)?;
        let server = self.run(data, free_port()?)?;
        server.sql(
            "postgres",
            &format!("CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{PASSWORD}'"),
        )?;
        server.sql(
            "postgres",
            &format!("CREATE DATABASE {DATABASE} OWNER {ROLE}"),
        )?;
        Ok(server)
    }

    /// Starts a server on existing data.
    fn run(&self, data: PathBuf, port: u16) -> Result<Server, Failure> {
        // SIGQUIT, so that the server removes its shared memory if this program is killed.
        let mut command = self.account.command(&self.program, &self.folder, "QUIT");
        command.arg("-D").arg(&data);
        command.args(["-p", &port.to_string()]);
        let log = data.with_extension("log");
        let process = Process::start("PostgreSQL", command, &log)?;
        let mut server = Server {
            postgres: self.clone(),
            data,
            port,
            process,
        };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// A program of PostgreSQL, as the account of the server.
    fn command(&self, name: &str) -> Command {
        let program = beside(&self.program, name);
        let mut command = self.account.command(&program, &self.folder, "KILL");
        command.env("PGPASSWORD", PASSWORD);
        command
    }
}

impl Server {
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// The URL of the service's database, for its role.
    pub(crate) fn url(&self) -> String {
        url(&[self.port])
    }

    /// Runs SQL as the superuser in a database, and returns the rows, unaligned.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> Result<String, Failure> {
        self.psql(SUPERUSER, database, sql)
    }

    /// Runs SQL as a role in a database, and returns the rows, unaligned.
    pub(crate) fn psql(&self, role: &str, database: &str, sql: &str) -> Result<String, Failure> {
        psql(&self.postgres, self.port, role, database, sql)
    }

    /// Runs SQL like [`Self::psql`], through a pooler or proxy on another port.
    pub(crate) fn psql_on(
        &self,
        port: u16,
        role: &str,
        database: &str,
        sql: &str,
    ) -> Result<String, Failure> {
        psql(&self.postgres, port, role, database, sql)
    }

    /// Accepts encrypted connections with this certificate, and connections over a Unix socket.
    pub(crate) fn enable_tls(&mut self, certificate: &Path, key: &Path) -> Result<(), Failure> {
        for (from, to) in [(certificate, "server.crt"), (key, "server.key")] {
            let content = fs::read_to_string(from).map_err(|error| {
                let problem = format!("can't read {}: {error}", from.display());
                Failure::new(problem, "check the repository")
            })?;
            self.postgres.account.write(&self.data.join(to), &content)?;
        }
        append(
            &self.data.join("postgresql.conf"),
            &format!(
                "ssl = on\nunix_socket_directories = '{}'\n",
                self.postgres.folder.display()
            ),
        )?;
        self.restart()
    }

    /// Like [`Self::url`], over the Unix socket of [`Self::enable_tls`].
    pub(crate) fn socket_url(&self) -> String {
        let folder = self.postgres.folder.display().to_string();
        format!(
            "postgres://{ROLE}:{PASSWORD}@{}:{}/{DATABASE}",
            folder.replace('/', "%2F"),
            self.port
        )
    }

    /// Starts a standby that this server waits for at each commit.
    pub(crate) fn start_standby(&self, name: &str) -> Result<Server, Failure> {
        let data = self.postgres.folder.join(name);
        let mut command = self.postgres.command("pg_basebackup");
        command
            .args(["-R", "-X", "stream", "-c", "fast", "-h", "127.0.0.1"])
            .args(["-U", SUPERUSER, "-p", &self.port.to_string(), "-D"])
            .arg(&data);
        output(&mut command, "pg_basebackup")?;
        append(
            &data.join("postgresql.conf"),
            &format!("cluster_name = '{STANDBY}'\n"),
        )?;
        let mut standby = self.postgres.run(data, free_port()?)?;
        self.sql(
            "postgres",
            &format!("ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'"),
        )?;
        self.sql("postgres", "SELECT pg_reload_conf()")?;
        standby
            .process
            .wait_until_ready(START_TIMEOUT, || self.is_synchronous())?;
        Ok(standby)
    }

    /// Whether a standby confirms each commit.
    pub(crate) fn is_synchronous(&self) -> bool {
        let state = self.sql("postgres", "SELECT sync_state FROM pg_stat_replication");
        state.is_ok_and(|state| state.trim() == "sync")
    }

    /// Makes a standby the primary, and waits until it accepts writes.
    pub(crate) fn promote(&mut self) -> Result<(), Failure> {
        let mut command = self.postgres.command("pg_ctl");
        command
            .args(["promote", "--wait", "--pgdata"])
            .arg(&self.data);
        output(&mut command, "pg_ctl promote")?;
        let (postgres, port) = (self.postgres.clone(), self.port);
        self.process.wait_until_ready(START_TIMEOUT, || {
            let state = psql(
                &postgres,
                port,
                SUPERUSER,
                "postgres",
                "SELECT pg_is_in_recovery()",
            );
            state.is_ok_and(|state| state.trim() == "f")
        })
    }

    /// Stops or continues all processes of the server.
    pub(crate) fn signal_all(&self, signal: Signal) {
        self.process.signal_all(signal);
    }

    /// Kills the server and all its processes with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Stops the server in order, and starts it on the same data and port.
    pub(crate) fn restart(&mut self) -> Result<(), Failure> {
        self.process.stop(Signal::INT);
        self.start_again()
    }

    /// Starts the server on the same data and port, after its end.
    pub(crate) fn start_again(&mut self) -> Result<(), Failure> {
        let server = self.postgres.run(self.data.clone(), self.port)?;
        *self = server;
        Ok(())
    }

    fn wait_until_ready(&mut self) -> Result<(), Failure> {
        let (postgres, port) = (self.postgres.clone(), self.port.to_string());
        self.process.wait_until_ready(START_TIMEOUT, || {
            let mut command = postgres.command("pg_isready");
            command.args(["-q", "-h", "127.0.0.1", "-p", &port]);
            command.status().is_ok_and(|status| status.success())
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Immediate shutdown: it removes the shared memory, which SIGKILL leaves behind.
        self.process.stop(Signal::QUIT);
    }
}

/// The URL of the service's database on ports of the loopback interface, for its role.
pub(crate) fn url(ports: &[u16]) -> String {
    let hosts: Vec<_> = ports
        .iter()
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    format!(
        "postgres://{ROLE}:{PASSWORD}@{}/{DATABASE}",
        hosts.join(",")
    )
}

/// Runs SQL through the server on a port of the loopback interface.
fn psql(
    postgres: &Postgres,
    port: u16,
    role: &str,
    database: &str,
    sql: &str,
) -> Result<String, Failure> {
    let mut command = postgres.command("psql");
    command
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
        .args(["-h", "127.0.0.1", "-U", role, "-d", database])
        .args(["-p", &port.to_string(), "-c", sql])
        .env("PGCONNECT_TIMEOUT", "10");
    output(&mut command, "psql")
}

fn append(path: &Path, text: &str) -> Result<(), Failure> {
    let written = fs::read_to_string(path).and_then(|old| fs::write(path, old + text));
    written.map_err(|error| {
        let problem = format!("can't change {}: {error}", path.display());
        Failure::new(problem, "check the free space in TMPDIR")
    })
}
