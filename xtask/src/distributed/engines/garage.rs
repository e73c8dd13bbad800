//! Garage: three nodes that keep each object three times.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::{Account, Process, free_port, output};
use super::s3_client::{S3Client, TIMEOUT};
use super::s3s::BUCKET;
use crate::failure::Failure;

const NODES: usize = 3;
const START_TIMEOUT: Duration = Duration::from_secs(60);
const REGION: &str = "garage";
const KEY_NAME: &str = "agb-test";
/// Garage accepts only keys of its own form.
const ACCESS_KEY: &str = "GK0123456789abcdef01234567";
const SECRET_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// Secret of the connections between the nodes.
const RPC_SECRET: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

/// A running cluster with an empty bucket.
pub(crate) struct Garage {
    nodes: Vec<Node>,
}

struct Node {
    program: PathBuf,
    account: Account,
    folder: PathBuf,
    settings: PathBuf,
    s3_port: u16,
    rpc_port: u16,
    process: Process,
}

impl Garage {
    pub(crate) fn start(program: &Path, account: &Account, folder: &Path) -> Result<Self, Failure> {
        let nodes: Result<Vec<_>, _> = (0..NODES)
            .map(|number| Node::start(program, account, folder.join(format!("garage-{number}"))))
            .collect();
        let mut cluster = Self { nodes: nodes? };
        cluster.connect()?;
        cluster.create_bucket()?;
        // Keys and buckets reach the other nodes in the background.
        cluster
            .nodes
            .iter_mut()
            .try_for_each(Node::wait_for_bucket)?;
        Ok(cluster)
    }

    /// Connects the nodes and gives each a part of the data.
    fn connect(&mut self) -> Result<(), Failure> {
        let mut ids = Vec::new();
        for node in &self.nodes {
            ids.push(node.cli(&["node", "id", "--quiet"])?.trim().to_owned());
        }
        let Some(first) = self.nodes.first() else {
            return Ok(());
        };
        for id in ids.iter().skip(1) {
            first.cli(&["node", "connect", id])?;
        }
        for id in &ids {
            let id = id.split('@').next().unwrap_or_default();
            first.cli(&["layout", "assign", "--zone", "test", "--capacity", "1G", id])?;
        }
        first.cli(&["layout", "apply", "--version", "1"])?;
        Ok(())
    }

    fn create_bucket(&mut self) -> Result<(), Failure> {
        let Some(first) = self.nodes.first_mut() else {
            return Ok(());
        };
        let import = [
            "key", "import", "--yes", "-n", KEY_NAME, ACCESS_KEY, SECRET_KEY,
        ];
        let command = first.command(&import);
        // The nodes need a moment to agree on the layout.
        retry(&mut first.process, command)?;
        first.cli(&["bucket", "create", BUCKET])?;
        first.cli(&[
            "bucket", "allow", "--read", "--write", "--owner", BUCKET, "--key", KEY_NAME,
        ])?;
        Ok(())
    }

    /// A client of one of the nodes.
    pub(crate) fn client(&self, node: usize) -> Option<S3Client> {
        self.nodes.get(node).map(Node::client)
    }

    /// Kills one of the nodes with SIGKILL.
    pub(crate) fn kill(&mut self, node: usize) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.process.kill();
        }
    }

    /// Starts a killed node again.
    pub(crate) fn start_again(&mut self, node: usize) -> Result<(), Failure> {
        match self.nodes.get_mut(node) {
            Some(node) => node.start_again().and_then(|()| node.wait_for_bucket()),
            None => Ok(()),
        }
    }
}

impl Node {
    fn start(program: &Path, account: &Account, folder: PathBuf) -> Result<Self, Failure> {
        account.create_folder(&folder)?;
        let (s3_port, rpc_port, admin_port) = (free_port()?, free_port()?, free_port()?);
        let settings = folder.join("garage.toml");
        let text = settings_text(&folder, s3_port, rpc_port, admin_port);
        account.write(&settings, &text)?;
        let process = start_process(program, account, &folder, &settings)?;
        let mut node = Self {
            program: program.to_owned(),
            account: account.clone(),
            folder,
            settings,
            s3_port,
            rpc_port,
            process,
        };
        node.wait_until_ready()?;
        Ok(node)
    }

    fn start_again(&mut self) -> Result<(), Failure> {
        self.process = start_process(&self.program, &self.account, &self.folder, &self.settings)?;
        self.wait_until_ready()
    }

    fn wait_until_ready(&mut self) -> Result<(), Failure> {
        let ports = [self.s3_port, self.rpc_port];
        self.process.wait_until_ready(START_TIMEOUT, || {
            ports
                .iter()
                .all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
        })
    }

    /// Waits until the node knows the bucket and its key, and reaches enough other nodes to know that an object is absent.
    fn wait_for_bucket(&mut self) -> Result<(), Failure> {
        let client = self.client();
        self.process.wait_until_ready(START_TIMEOUT, || {
            let response = client.send("HEAD", &format!("/{BUCKET}/absent"), &[]);
            response.is_ok_and(|response| response.status == 404)
        })
    }

    fn client(&self) -> S3Client {
        S3Client {
            address: format!("127.0.0.1:{}", self.s3_port),
            region: REGION.to_owned(),
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.to_owned(),
            timeout: TIMEOUT,
        }
    }

    /// Runs a command of Garage's own command line.
    fn cli(&self, arguments: &[&str]) -> Result<String, Failure> {
        let action = format!("`garage {}`", arguments.join(" "));
        output(&mut self.command(arguments), &action)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.account.command(&self.program, &self.folder, "KILL");
        command.arg("-c").arg(&self.settings).args(arguments);
        command.env("RUST_LOG", "error");
        command
    }
}

fn start_process(
    program: &Path,
    account: &Account,
    folder: &Path,
    settings: &Path,
) -> Result<Process, Failure> {
    let mut command = account.command(program, folder, "KILL");
    command.arg("-c").arg(settings).arg("server");
    command.env("RUST_LOG", "garage=warn");
    Process::start("Garage", command, &folder.join("log"))
}

/// Runs a command until it succeeds.
fn retry(process: &mut Process, mut command: Command) -> Result<(), Failure> {
    let mut last = String::new();
    let ready = process.wait_until_ready(START_TIMEOUT, || match output(&mut command, "garage") {
        Ok(_) => true,
        Err(error) => {
            last = error.to_string();
            false
        }
    });
    ready.map_err(|error| Failure::new(format!("{error}\n{last}"), "check Garage's log"))
}

fn settings_text(folder: &Path, s3_port: u16, rpc_port: u16, admin_port: u16) -> String {
    let folder = folder.display();
    format!(
        "metadata_dir = \"{folder}/meta\"
data_dir = \"{folder}/data\"
db_engine = \"sqlite\"
replication_factor = {NODES}
metadata_fsync = true
data_fsync = true
rpc_bind_addr = \"127.0.0.1:{rpc_port}\"
rpc_public_addr = \"127.0.0.1:{rpc_port}\"
rpc_secret = \"{RPC_SECRET}\"

[s3_api]
s3_region = \"{REGION}\"
api_bind_addr = \"127.0.0.1:{s3_port}\"

[admin]
api_bind_addr = \"127.0.0.1:{admin_port}\"
"
    )
}
