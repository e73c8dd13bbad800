//! The example `peer`: an axum route that returns the bytes of a GetContext.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::target::failed;
use crate::distributed::engines::Process;
use crate::failure::Failure;

const START_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Peer {
    _process: Process,
    address: String,
}

impl Peer {
    pub(super) fn start(program: &Path, content: &[u8], folder: &Path) -> Result<Self, Failure> {
        let (file, log) = (folder.join("context.json"), folder.join("peer.log"));
        std::fs::write(&file, content).map_err(|error| failed("write a file", error))?;
        let mut command = Command::new(program);
        command.arg(&file);
        let mut process = Process::start("the example peer", command, &log)?;
        let mut address = None;
        process.wait_until_ready(START_TIMEOUT, || {
            let printed = std::fs::read_to_string(&log).unwrap_or_default();
            address = printed
                .strip_prefix("listening on http://")
                .and_then(|rest| {
                    let (address, _) = rest.split_once('\n')?;
                    Some(address.to_owned())
                });
            address.is_some()
        })?;
        let address = address.ok_or_else(|| failed("start the example peer", "no address"))?;
        Ok(Self {
            _process: process,
            address,
        })
    }

    /// `HOST:PORT`.
    pub(super) fn address(&self) -> &str {
        &self.address
    }
}
