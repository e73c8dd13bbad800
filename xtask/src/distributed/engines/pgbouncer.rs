//! PgBouncer in transaction mode.

use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use super::postgres::{self, PASSWORD, ROLE};
use super::process::{Account, Process, free_port};
use crate::failure::Failure;

const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A running PgBouncer in front of a server.
#[derive(Debug)]
pub(crate) struct PgBouncer {
    port: u16,
    /// Ended on drop.
    _process: Process,
}

impl PgBouncer {
    pub(crate) fn start(
        program: &Path,
        account: &Account,
        folder: &Path,
        server: u16,
    ) -> Result<Self, Failure> {
        let port = free_port()?;
        let users = folder.join("users.txt");
        account.write(&users, &format!("\"{ROLE}\" \"{PASSWORD}\"\n"))?;
        let settings = folder.join("pgbouncer.ini");
        account.write(&settings, &settings_text(port, server, &users))?;
        let mut command = account.command(program, folder, "KILL");
        command.arg(&settings);
        let log = folder.join("pgbouncer.log");
        let mut process = Process::start("PgBouncer", command, &log)?;
        process.wait_until_ready(START_TIMEOUT, || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        })?;
        Ok(Self {
            port,
            _process: process,
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The URL of the service's database, for its role.
    pub(crate) fn url(&self) -> String {
        postgres::url(&[self.port])
    }
}

/// Any database of the server is available. A few connections are shared by many clients, so that consecutive
/// transactions of one client run on different ones.
fn settings_text(port: u16, server: u16, users: &Path) -> String {
    format!(
        "[databases]
* = host=127.0.0.1 port={server}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {}
pool_mode = transaction
default_pool_size = 3
max_client_conn = 1000
server_idle_timeout = 5
autodb_idle_timeout = 5
log_connections = 0
log_disconnections = 0
",
        users.display()
    )
}
