//! The service of a soak: one process after the other on the same data folder.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::schedule::{End, fault_arguments};
use super::window::{Sample, count_files};
use crate::agb_serve::Service;
use crate::failure::Failure;
use crate::fsck::{fsck, wait_until_collected};

pub(super) struct SoakService {
    program: PathBuf,
    data: PathBuf,
    log: PathBuf,
    /// Flags of each process.
    arguments: &'static [&'static str],
    process: Option<Service>,
    kills: usize,
}

impl SoakService {
    pub(super) fn new(program: PathBuf, folder: &Path, arguments: &'static [&'static str]) -> Self {
        Self {
            program,
            data: folder.join("data"),
            log: folder.join("service.log"),
            arguments,
            process: None,
            kills: 0,
        }
    }

    /// Starts a process, with faults if they have a seed. Returns its endpoint.
    pub(super) fn start(&mut self, faults: Option<u64>) -> Result<String, String> {
        let faults = faults.map(fault_arguments).unwrap_or_default();
        let mut arguments = self.arguments.to_vec();
        arguments.extend(faults.iter().map(String::as_str));
        let started = self.spawn(&arguments).map_err(|error| error.to_string())?;
        Ok(self.process.insert(started).endpoint().to_owned())
    }

    fn spawn(&self, arguments: &[&str]) -> Result<Service, Failure> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(|error| {
                let problem = format!("can't write the log of the service: {error}");
                Failure::new(problem, "set TMPDIR to a writable folder")
            })?;
        Service::start(&self.program, &self.data, arguments, Stdio::from(log))
    }

    /// Ends the process, and checks the data folder.
    pub(super) fn end(&mut self, end: End) -> Result<(), String> {
        if let Some(mut process) = self.process.take() {
            match end {
                End::Kill => {
                    self.kills += 1;
                    process.kill();
                }
                End::Terminate | End::Finish => process.stop(),
            }
        }
        let report = fsck(&self.program, &self.data)?;
        match report.damaged {
            true => Err(format!("fsck found damage:\n{}", report.text)),
            false => Ok(()),
        }
    }

    /// Restarts the service until everything unused is collected. Returns how many contents are in the quarantine.
    pub(super) fn collect(&self) -> Result<usize, String> {
        let report = wait_until_collected(&self.program, &self.data, || self.spawn(&[]))?;
        Ok(report.quarantined())
    }

    /// Number of ends by SIGKILL.
    pub(super) fn kills(&self) -> usize {
        self.kills
    }

    /// What the process uses now.
    pub(super) fn sample(&self) -> Option<Sample> {
        Sample::of(self.process.as_ref()?.process_id())
    }

    /// Number of files in the data folder.
    pub(super) fn files(&self) -> f64 {
        count_files(&self.data) as f64
    }
}
