//! The service on shared engines: its replicas, and the commands of its operator.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::failure;
use crate::distributed::engines::{Account, Engines, Process, S3Client, output};
use crate::distributed::suites::s3_url;
use crate::failure::Failure;

/// Start of the line that reports the endpoint.
const READY: &str = "listening on ";
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Longer than the default time for requests in progress.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Engines and settings that all replicas share.
#[derive(Debug)]
pub(crate) struct Deployment {
    program: PathBuf,
    account: Account,
    folder: PathBuf,
    metadata: String,
    blobs: String,
    credentials: Vec<(&'static str, String)>,
    /// Number of started replicas.
    started: u32,
}

impl Deployment {
    /// A deployment on PostgreSQL by a URL, and a bucket. `parameters` are added to the URL of the bucket.
    pub(crate) fn new(
        engines: &mut Engines,
        program: &Path,
        metadata: String,
        store: &S3Client,
        parameters: &str,
    ) -> Result<Self, Failure> {
        Ok(Self {
            program: program.to_owned(),
            account: engines.account().clone(),
            folder: engines.instance("service")?,
            metadata,
            blobs: format!("{}{parameters}", s3_url(store, "/failover")),
            credentials: vec![
                ("AWS_ACCESS_KEY_ID", store.access_key.clone()),
                ("AWS_SECRET_ACCESS_KEY", store.secret_key.clone()),
            ],
            started: 0,
        })
    }

    /// Starts a replica on a free port, and waits until it listens.
    pub(crate) fn start(&mut self) -> Result<Replica, Failure> {
        self.started += 1;
        let log = self.folder.join(format!("replica-{}.log", self.started));
        let mut command = self.command(&[]);
        command
            .args(["--listen", "127.0.0.1:0", "--log", "info"])
            .args(["--metadata", &self.metadata, "--blobs", &self.blobs]);
        let mut replica = Replica {
            process: Process::start("agb serve", command, &log)?,
            endpoint: String::new(),
        };
        let mut endpoint = None;
        replica.process.wait_until_ready(START_TIMEOUT, || {
            endpoint = find_endpoint(&log);
            endpoint.is_some()
        })?;
        replica.endpoint = endpoint.unwrap_or_default();
        Ok(replica)
    }

    /// Adds an API key to the database. Returns it and its id.
    pub(crate) fn add_key(&self, tenant: &str) -> Result<ApiKey, Failure> {
        let known = self.key_ids()?;
        let secret = self.keys(&["add", tenant])?.trim().to_owned();
        let new = self.key_ids()?.into_iter().find(|id| !known.contains(id));
        let id = new.ok_or_else(|| failure("`keys list` does not list a new key"))?;
        Ok(ApiKey { id, secret })
    }

    /// The ids of all API keys.
    fn key_ids(&self) -> Result<Vec<String>, Failure> {
        let list = self.keys(&["list"])?;
        let ids = list
            .lines()
            .filter_map(|line| line.split_whitespace().next());
        Ok(ids.map(str::to_owned).collect())
    }

    /// Runs `agb serve keys` on the database and returns its stdout.
    pub(crate) fn keys(&self, arguments: &[&str]) -> Result<String, Failure> {
        let mut command = self.command(&["keys"]);
        command.args(arguments).args(["--metadata", &self.metadata]);
        output(
            &mut command,
            &format!("agb serve keys {}", arguments.join(" ")),
        )
    }

    /// Runs `agb serve fsck`, which must find no damage.
    pub(crate) fn check_store(&self) -> Result<(), Failure> {
        let help = output(
            self.command(&["fsck"]).arg("--help"),
            "agb serve fsck --help",
        )?;
        if !help.contains("--metadata") {
            println!("  SKIPPED: agb serve fsck does not support PostgreSQL");
            return Ok(());
        }
        let mut command = self.command(&["fsck"]);
        command.args([
            "--json",
            "--metadata",
            &self.metadata,
            "--blobs",
            &self.blobs,
        ]);
        let report = output(&mut command, "agb serve fsck")?;
        let report: Value = serde_json::from_str(&report)
            .map_err(|error| failure(format!("fsck prints no JSON: {error}")))?;
        let findings = report["findings"].as_array().map_or(0, Vec::len);
        println!("  fsck: no damage, {findings} leftovers");
        Ok(())
    }

    /// `agb serve`, as the user of the engines and with the credentials of the bucket.
    fn command(&self, subcommand: &[&str]) -> Command {
        let mut command = self.account.command(&self.program, &self.folder, "KILL");
        command.arg("serve").args(subcommand);
        for (name, value) in &self.credentials {
            command.env(name, value);
        }
        command
    }
}

/// An API key of the database.
#[derive(Debug, Clone)]
pub(crate) struct ApiKey {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// A running process of the service. It is killed on drop.
#[derive(Debug)]
pub(crate) struct Replica {
    process: Process,
    endpoint: String,
}

impl Replica {
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Kills the process with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    pub(crate) fn pause(&self) {
        self.process.signal(Signal::STOP);
    }

    pub(crate) fn resume(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Sends SIGTERM, on which the process completes its requests. Fails if it does not end with status 0.
    pub(crate) fn drain(&mut self) -> Result<(), Failure> {
        self.process.signal(Signal::TERM);
        match self.process.wait(DRAIN_TIMEOUT) {
            Some(status) if ExitStatus::success(&status) => Ok(()),
            Some(status) => Err(self.process.failure(&format!("ended with {status}"))),
            None => Err(self
                .process
                .failure(&format!("runs {DRAIN_TIMEOUT:?} after SIGTERM"))),
        }
    }
}

/// The endpoint in the log of a replica that listens.
fn find_endpoint(log: &Path) -> Option<String> {
    let log = fs::read_to_string(log).ok()?;
    let mut lines = log
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    lines.find_map(|line| Some(line.trim().strip_prefix(READY)?.to_owned()))
}
